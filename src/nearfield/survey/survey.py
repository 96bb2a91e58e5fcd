"""Everything this room can say about one space, on a sample, in one call."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..common.checks import check_choice, check_int, check_random_state
from ..common.progress import Progress
from .adjacency import adjacency
from .collection import METRICS, Collection
from .contrast import contrast
from .dominance import dominant_directions
from .duplicates import duplicates
from .hubness import hubness
from .intrinsic import intrinsic_dimension_mle, intrinsic_dimension_twonn, local_intrinsic_dimension
from .isotropy import isotropy, mean_cosine
from .labelled import labelled_measures
from .labels import Labels
from .measure import VERDICTS, Measure, Measures
from .neighbors import list_length, sample_neighbors
from .noise import real_directions
from .norms import norm_spread
from .ordering import order_sensitivity
from .rank import Spectrum, effective_rank, participation_ratio, uneven
from .reconstruction import graph_reconstruction
from .redundancy import feature_redundancy
from .summary import advice_lines, summary_lines, table
from .survival import quantization_survival
from .tendency import cluster_tendency
from .uniformity import alignment, check_pairs, uniformity

# Multiplications the shared neighbour search may cost: 1,000,000 x 384 then gets about 1,000 queries.
_WORK = 4e11
_FEWEST_QUERIES = 500
_QUERIES = 2000
_NEIGHBORS = 20
_IN_GRAPH = 3000
_CODED = 400
_ORDER = (
    "intrinsic_dimension_twonn",
    "intrinsic_dimension_mle",
    "local_intrinsic_dimension",
    "contrast",
    "hubness",
    "cluster_tendency",
    "order_sensitivity",
    "quantization_survival",
    "effective_rank",
    "participation_ratio",
    "real_directions",
    "isotropy",
    "feature_redundancy",
    "mean_cosine",
    "uniformity",
    "alignment",
    "dominant_directions",
    "norm_spread",
    "duplicates",
)


@dataclass(frozen=True)
class Survey(Measures):
    """The measures of one space; made by :func:`survey`. ``print`` it, ``save`` it as a report, or index it by name.

    Attributes
    ----------
    measures : name -> :class:`Measure`, in the order of the report.
    rows, dim, metric : what was surveyed.
    sample : rows whose neighbours were looked up.
    random_state : the seed of every sample.

    Examples
    --------
    >>> import numpy as np
    >>> found = survey(np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32), metric="l2")
    >>> found["effective_rank"].verdict, found.rows
    ('good', 2000)
    >>> len(found.summary())
    3
    """

    measures: Mapping[str, Measure]
    rows: int
    dim: int
    metric: str
    sample: int
    random_state: int

    def including(self, *measures: Measure) -> Survey:
        """This survey with more measures, such as an :func:`association` or an :func:`analogy`, for its report."""
        for measure in measures:
            if not isinstance(measure, Measure):
                raise TypeError(f"measures: expected measures, got {measure!r}")
        return replace(self, measures={**self.measures, **{measure.name: measure for measure in measures}})

    def summary(self) -> list[str]:
        """What to expect from search, in three sentences: how hard, how far it compresses, what to mend.

        With labels a fourth says whether they show."""
        return summary_lines(self.measures, self.dim, self.metric)

    def advice(self) -> list[str]:
        """What to do, each with what it would gain as far as it was measured; empty where nothing is to be done."""
        return advice_lines(self.measures, self.dim, self.metric)

    def health(self) -> dict[str, list[str]]:
        """Verdict -> the titles of the measures that have it: ``"good"``, ``"fair"``, ``"poor"``, ``"unknown"``."""
        return {v: [m.title for m in self.measures.values() if m.verdict == v] for v in VERDICTS}

    def to_dict(self, *, arrays: bool = False) -> dict[str, Any]:
        """Plain numbers and texts, ready for JSON."""
        return {
            "rows": self.rows,
            "dim": self.dim,
            "metric": self.metric,
            "sample": self.sample,
            "random_state": self.random_state,
            "summary": self.summary(),
            "advice": self.advice(),
            "measures": {name: measure.to_dict(arrays=arrays) for name, measure in self.measures.items()},
        }

    def save(self, path: str | Path, *, title: str = "Survey of an embedding space") -> Path:
        """Write the report: one HTML file with its plots inside, nothing loaded from elsewhere.

        Needs the extra ``nearfield[view]`` (matplotlib). ``title`` heads the page.
        """
        from .report import render

        target = Path(path)
        target.write_text(render(self, title), encoding="utf-8")
        return target

    @property
    def facts(self) -> str:
        """What was surveyed, in one line."""
        return f"{self.rows:,} vectors with {self.dim} dimensions, metric {self.metric}"

    def _repr_html_(self) -> str:
        from .display import measures_html

        return measures_html(f"Survey of {self.facts}", self.measures, self.summary(), self.advice(), "for search")

    def __str__(self) -> str:
        lines = [f"Survey of {self.facts}", ""]
        lines += table(self.measures)
        lines += ["", "What to expect from search:"]
        for line in self.summary():
            lines += textwrap.wrap(line, 98, initial_indent="- ", subsequent_indent="  ")
        lines += ["", "What to do, and what it would gain:" if self.advice() else "Nothing needs to be done."]
        for line in self.advice():
            lines += textwrap.wrap(line, 98, initial_indent="- ", subsequent_indent="  ")
        return "\n".join(lines)


def survey(
    vectors: Any,
    *,
    labels: Any = None,
    metric: str = "cosine",
    pairs: Any = None,
    graph: Any = None,
    sample: int | None = None,
    random_state: int = 0,
    progress: bool | None = None,
) -> Survey:
    """Measure a space and say what to expect from search in it.

    Everything is measured on samples except norms and exact duplicates, which take one pass over all rows. For one
    number, or other settings, call the measure's own function.

    Parameters
    ----------
    vectors : (n, d) float32 or float16; a mapped file is read in place.
    labels : n hashable values, one a row, such as topics or products; None and NaN mean no label. They add how pure
        neighbourhoods are, how far classes lie apart, over how short a way labels change, how many classes fit, and
        whether one threshold serves them all. None leaves these out.
    metric : the metric search will use: "cosine", "ip" or "l2". Under cosine all but the norms is measured on the
        rows at length one. Under "ip" hubness is that of inner product, and what needs a true distance uses the
        Euclidean one.
    pairs : (p, 2) row numbers that belong together (question and answer, two views); adds ``alignment``.
    graph : edges between the rows, as :func:`graph_reconstruction` takes them; adds that measure.
    sample : rows whose neighbours are looked up, in the whole collection up to a million rows and in a random million
        beyond. None: 2,000, fewer for large collections (not below 500), so that 1,000,000 x 384 takes about a
        minute. Spectra and cluster tendency use 25 times as many rows, hubness 5 times, what compression would cost at
        most 400 and the order of insertion up to 3,000. Four times the sample halves the intervals.
    random_state : the seed of every sample; the same seed gives the same numbers.
    progress : None shows a bar on a terminal; True or False decides.

    Returns
    -------
    Survey
        Measures that the data cannot support (too few rows, all rows equal) are NaN and say why.

    Raises
    ------
    ValueError
        For NaN or infinity, an array that is not (n, d), zero rows under cosine, labels that are not n, and pairs that
        name no two rows.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32)
    >>> found = survey(x, metric="l2")
    >>> [name for name in found if found[name].verdict == "poor"]
    []
    """
    check_choice(metric, "metric", METRICS)
    check_random_state(random_state)
    space = Collection.of(vectors, metric)
    known = None if labels is None else Labels.of(labels, len(space))
    if sample is None:
        sample = int(min(max(_WORK / (len(space) * space.dim), _FEWEST_QUERIES), _QUERIES))
    check_int(sample, "sample", 10)
    geometry = Collection.of(space, "l2" if metric == "ip" else metric)
    seed = random_state
    made: dict[str, Measure] = {}
    if pairs is not None:
        pairs = check_pairs(pairs, len(space))
    edges = None if graph is None else adjacency(graph, len(space))
    with Progress("surveying", total=7 if known is None else 8, unit="steps", enabled=progress) as bar:
        spectrum = Spectrum.of(space, 25 * sample, seed)
        made["effective_rank"] = effective_rank(
            Spectrum.of(space, 25 * sample, seed, sampling="length") if uneven(space) else spectrum
        )
        made["participation_ratio"] = participation_ratio(spectrum)
        made["isotropy"] = isotropy(spectrum)
        made["mean_cosine"] = mean_cosine(spectrum, metric=metric)
        made["norm_spread"] = norm_spread(space, metric=metric)
        bar.update(1)
        made["real_directions"] = real_directions(spectrum)
        made["dominant_directions"] = dominant_directions(spectrum, metric=metric, random_state=seed)
        made["feature_redundancy"] = feature_redundancy(spectrum)
        made["uniformity"] = uniformity(space, random_state=seed)
        if pairs is not None:
            made["alignment"] = alignment(space, pairs, random_state=seed)
        bar.update(1)
        shared = sample_neighbors(
            geometry, list_length(_NEIGHBORS), metric=geometry.metric, sample=sample, random_state=seed
        )
        bar.update(1)
        by_neighbors: list[tuple[str, Callable[..., Measure]]] = [
            ("intrinsic_dimension_twonn", intrinsic_dimension_twonn),
            ("intrinsic_dimension_mle", intrinsic_dimension_mle),
            ("local_intrinsic_dimension", local_intrinsic_dimension),
            ("contrast", contrast),
            ("duplicates", duplicates),
        ]
        for name, measure in by_neighbors:
            made[name] = measure(geometry, metric=geometry.metric, random_state=seed, neighbors=shared)
        bar.update(1)
        made["hubness"] = hubness(space, metric=metric, sample=5 * sample, random_state=seed)
        bar.update(1)
        made["cluster_tendency"] = cluster_tendency(
            geometry, metric=geometry.metric, sample=25 * sample, random_state=seed
        )
        made["order_sensitivity"] = order_sensitivity(
            geometry, metric=geometry.metric, sample=max(min(3 * sample, _IN_GRAPH), 200), random_state=seed
        )
        bar.update(1)
        made["quantization_survival"] = quantization_survival(
            space, metric=metric, sample=min(sample, _CODED), random_state=seed
        )
        bar.update(1)
        labelled: dict[str, Measure] = {}
        if known is not None:
            labelled = labelled_measures(space, known, sample=sample, random_state=seed, neighbors=shared)
            bar.update(1)
    if graph is not None:
        labelled["graph_reconstruction"] = graph_reconstruction(space, edges, metric=metric, random_state=seed)
    measures = {name: made[name] for name in _ORDER if name in made} | labelled
    return Survey(measures, len(space), space.dim, metric, len(shared.rows), seed)
