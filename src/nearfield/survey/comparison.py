"""Everything this room can say about two spaces of the same things, on a sample, in one call."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..common.checks import check_int
from ..common.progress import Progress
from .canonical import canonical_correlation
from .cka import cka
from .comparison_summary import comparison_lines
from .compatibility import compatibility
from .equivalence import functional_equivalence, head_equivalence
from .feature_groups import feature_groups
from .gap import modality_gap
from .matched_features import matched_features
from .measure import Measure, Measures, format_number
from .moments import ROWS, as_pair
from .overlap import mutual_neighbors, rank_biased_overlap
from .pair_lists import DEPTH, QUERIES, PairLists
from .predicted_features import predicted_features
from .procrustes import procrustes_residual

# Multiplications that the four searches may cost together.
_WORK = 4e11
_FEWEST_QUERIES = 300


@dataclass(frozen=True)
class Comparison(Measures):
    """The measures of two spaces; made by :func:`compare`. ``print`` it, ``save`` it as a report, or index it by name.

    Attributes
    ----------
    measures : name -> :class:`Measure`, in the order of the report; ``parts["by_chance"]`` of each is what rows paired
        at random give.
    pairs : rows that have a partner.
    unpaired : rows of the first and of the second that have none.
    rows, dims, metrics : of the first and of the second.
    sample : how many questions were asked, and ``asked`` what they were: "rows" or "queries".
    random_state : the seed of every sample.
    agreement : id of each row that asked (or number of the query), and how many of its first ten results the two have
        in common.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 8)).astype(np.float32)
    >>> found = compare(x, (x @ rng.standard_normal((8, 12))).astype(np.float32), metric="l2")
    >>> found["canonical_correlation"].text(), found.dims
    ('100%', (8, 12))
    """

    measures: Mapping[str, Measure]
    pairs: int
    unpaired: tuple[int, int]
    rows: tuple[int, int]
    dims: tuple[int, int]
    metrics: tuple[str, str]
    sample: int
    asked: str
    random_state: int
    agreement: tuple[np.ndarray, np.ndarray] = field(repr=False, compare=False)

    def summary(self) -> list[str]:
        """Whether the two agree, on what not, whether the one can replace the other, and what a move costs."""
        return comparison_lines(self)

    def least_alike(self, count: int = 10) -> list[Any]:
        """Ids (or row numbers) of the asked rows whose results differ most, to look at."""
        ids, counts = self.agreement
        return list(ids[np.argsort(counts, kind="stable")[: check_int(count, "count", 1)]].tolist())

    def to_dict(self, *, arrays: bool = False) -> dict[str, Any]:
        """Plain numbers and texts, ready for JSON."""
        return {
            "pairs": self.pairs,
            "unpaired": list(self.unpaired),
            "rows": list(self.rows),
            "dims": list(self.dims),
            "metrics": list(self.metrics),
            "sample": self.sample,
            "asked": self.asked,
            "random_state": self.random_state,
            "summary": self.summary(),
            "least_alike": self.least_alike(),
            "measures": {name: measure.to_dict(arrays=arrays) for name, measure in self.measures.items()},
        }

    def save(self, path: str | Path, *, title: str = "Comparison of two embedding spaces") -> Path:
        """Write the report: one HTML file with its plots inside, nothing loaded from elsewhere.

        Needs the extra ``nearfield[view]`` (matplotlib). ``title`` heads the page.
        """
        from .comparison_report import render

        target = Path(path)
        target.write_text(render(self, title), encoding="utf-8")
        return target

    @property
    def facts(self) -> str:
        """What was compared, in one line."""
        spaces = " and ".join(
            f"{rows:,} x {dim:,} ({metric})"
            for rows, dim, metric in zip(self.rows, self.dims, self.metrics, strict=True)
        )
        left = ""
        if any(self.unpaired):
            left = f", {self.unpaired[0]:,} rows of the first and {self.unpaired[1]:,} of the second without a partner"
        return f"{spaces}: {self.pairs:,} pairs{left}"

    def _repr_html_(self) -> str:
        from .display import measures_html

        return measures_html(f"Comparison of {self.facts}", self.measures, self.summary(), verdict="agreement")

    def __str__(self) -> str:
        lines = [f"Comparison of {self.facts}", ""]
        shown = [(m.title, m.text(), m.interval_text(), chance_text(m), m.verdict) for m in self.measures.values()]
        heads = ("measure", "value", "95% interval", "by chance", "agreement")
        widths = [max(len(row[i]) for row in (heads, *shown)) for i in range(4)]

        def line(cells: Sequence[str]) -> str:
            return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, [*widths, 0], strict=True)).rstrip()

        lines.append(line(heads))
        for row, measure in zip(shown, self.measures.values(), strict=True):
            lines.append(line(row))
            lines += textwrap.wrap(measure.meaning, 96, initial_indent="    ", subsequent_indent="    ")
        lines += ["", "What it means:"]
        for text in self.summary():
            lines += textwrap.wrap(text, 98, initial_indent="- ", subsequent_indent="  ")
        return "\n".join(lines)


def compare(
    first: Any,
    second: Any = None,
    *,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    queries: tuple[Any, Any] | None = None,
    labels: Any = None,
    relevant: Sequence[Sequence[Any]] | None = None,
    sample: int | None = None,
    random_state: int = 0,
    progress: bool | None = None,
) -> Comparison:
    """Compare two spaces of the same things: do they agree, on what not, and can the one replace the other?

    The first is taken for the old one, the second for the new one. For one number, or other settings, call the
    measure's own function.

    Parameters
    ----------
    first, second : (n1, d1) and (n2, d2), float32 or float16; mapped files are read in place.
    metric : "cosine", "ip" or "l2", or one for each space.
    ids : (first_ids, second_ids) pairs rows by id; rows without a partner are left out and counted. None: row i
        belongs to row i.
    queries : (first_queries, second_queries), the same questions in both spaces: results are then compared for them,
        and not for rows asked as questions.
    labels : a class for each row of the first: adds :func:`compatibility` (as they are or through a linear map,
        whichever does better) and :func:`head_equivalence`.
    relevant : with ``queries`` (or for each row of the first): the right rows, adds :func:`compatibility`.
    sample : rows that ask, exactly, of all pairs up to a million and of a random million beyond. None: 1,000, fewer
        for large collections (not below 300). Moments use 10,000 rows.
    random_state : the seed of every sample; the same seed gives the same numbers.
    progress : None shows a bar on a terminal; True or False decides.

    Returns
    -------
    Comparison
        Measures that the data cannot support (too few pairs, unequal dimensions) are NaN and say why.

    Raises
    ------
    ValueError
        For NaN or infinity, arrays that are not (n, d), zero rows under cosine, unequal row counts without ids, ids
        that repeat or have nothing in common.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> old = rng.standard_normal((500, 8)).astype(np.float32)
    >>> new = (old @ np.linalg.qr(rng.standard_normal((8, 8)))[0]).astype(np.float32)
    >>> found = compare(old, new)
    >>> found["mutual_neighbors"].verdict, found["matched_features"].verdict
    ('good', 'fair')
    """
    pair = as_pair(first, second, metric, ids, random_state)
    if sample is None:
        cost = 2 * max(len(pair), 1) * sum(pair.dims)
        sample = int(min(max(_WORK / cost, _FEWEST_QUERIES), QUERIES))
    check_int(sample, "sample", 10)
    seed: dict[str, Any] = {"random_state": random_state}
    made: dict[str, Measure] = {}
    with Progress("comparing", total=5, unit="steps", enabled=progress) as bar:
        rows = PairLists.of(pair, DEPTH, sample, random_state)
        asked = rows if queries is None else PairLists.of(pair, DEPTH, sample, random_state, queries)
        bar.update(1)
        made["mutual_neighbors"] = mutual_neighbors(pair, neighbors=asked, **seed)
        made["rank_biased_overlap"] = rank_biased_overlap(pair, neighbors=asked, **seed)
        by_moments: list[tuple[str, Callable[..., Measure]]] = [
            ("cka", cka),
            ("canonical_correlation", canonical_correlation),
            ("procrustes_residual", procrustes_residual),
        ]
        for name, measure in by_moments:
            made[name] = measure(pair, sample=ROWS, **seed)
        bar.update(1)
        made["functional_equivalence"] = functional_equivalence(pair, neighbors=rows, **seed)
        bar.update(1)
        if labels is not None:
            made["head_equivalence"] = head_equivalence(pair, labels=labels, **seed)
        if labels is not None or relevant is not None:
            right: dict[str, Any] = {"labels": labels} if relevant is None else {"relevant": relevant}
            if relevant is not None:
                right["queries"] = queries
            made["compatibility"] = compatibility(pair, sample=sample, **right, **seed)
            if pair.dims[0] == pair.dims[1]:  # one dimension need not be one space: a map may be what is missing
                mapped = compatibility(pair, sample=sample, mapping="linear", **right, **seed)
                made["compatibility"] = max(made["compatibility"], mapped, key=lambda found: found.value)
        made["modality_gap"] = modality_gap(pair, **seed)
        bar.update(1)
        by_features: list[tuple[str, Callable[..., Measure]]] = [
            ("matched_features", matched_features),
            ("predicted_features", predicted_features),
            ("feature_groups", feature_groups),
        ]
        for name, measure in by_features:
            made[name] = measure(pair, sample=ROWS, **seed)
        bar.update(1)
    names = np.arange(len(asked)) if asked.rows is None else pair.ids[asked.rows]
    counts = made["mutual_neighbors"].arrays.get("per_row", np.zeros(len(names), np.int64))
    return Comparison(
        {name: made[name] for name in ORDER if name in made},
        pair.total,
        pair.unpaired,
        pair.given,
        pair.dims,
        pair.metrics,
        len(asked),
        "queries" if asked.rows is None else "rows",
        random_state,
        (names, counts),
    )


ORDER = (
    "mutual_neighbors",
    "rank_biased_overlap",
    "cka",
    "canonical_correlation",
    "functional_equivalence",
    "head_equivalence",
    "compatibility",
    "procrustes_residual",
    "modality_gap",
    "matched_features",
    "predicted_features",
    "feature_groups",
)


def chance_text(measure: Measure) -> str:
    """What rows paired at random give, as people read it; empty when there is none."""
    if not measure.known or "by_chance" not in measure.parts:
        return ""
    number = measure.parts["by_chance"]
    if measure.unit == "share":
        return format_number(round(number, 3), "share")
    return format_number(round(number, 3))
