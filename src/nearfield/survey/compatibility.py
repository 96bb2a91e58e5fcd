"""Compatibility of two versions: do the new model's queries work on the old model's vectors?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_int
from ..common.interval import mean_interval
from .mapping import as_asked, cross_mapped, whole_map
from .measure import Measure, undefined
from .moments import as_pair, other_partners
from .neighbors import rows_nearest, without_own
from .pair import Pair, pair_labels
from .pair_lists import QUERIES, checked_queries

_PARTNERS = 16
_SOURCE = (
    "Shen, Xiong, Xia & Soatto (2020), Towards backward-compatible representation learning, CVPR: its criterion, "
    "the two constraints on pairs, and the update gain"
)


def compatibility(
    first: Any,
    second: Any = None,
    *,
    labels: Any = None,
    relevant: Sequence[Sequence[Any]] | None = None,
    queries: tuple[Any, Any] | None = None,
    mapping: str | Callable[[np.ndarray], np.ndarray] | None = None,
    k: int = 10,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = QUERIES,
    random_state: int = 0,
) -> Measure:
    """Backward compatibility: how much better (or worse) new queries do on old vectors than old queries did.

    Needs to know what is right: choose it when there are labels or judged queries, :func:`functional_equivalence`
    when there are none. Above 0, the new encoder can be put before the old vectors at once.

    Parameters
    ----------
    first, second : old and new vectors of the same things, (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    labels : the class of each row of the first; rows ask, and rows of the same class are right.
    relevant : instead of labels, for each query (each row of the first, without ``queries``) the right rows of the
        first: row numbers, or ids when ``ids`` are given. Queries without any are left out.
    queries : (old_queries, new_queries), the same questions encoded by both; goes with ``relevant``.
    mapping : "none" compares vectors as they are, which takes equal dimensions; "linear" maps the new into the old by
        a ridge regression fitted on other rows; a callable maps (q, d2) to (q, d1), such as the ``transform`` of a
        fitted map. None: "none" when dimensions are equal, else "linear".
    k : length of the result lists.
    metric, ids, random_state : as in :func:`cka`.
    sample : rows that ask. None: every row.

    Returns
    -------
    Measure
        ``value``: the share of right rows found among ``k`` (of at most k) by new queries on old vectors, less that of
        old queries on old vectors; its interval is Wilson's, over the differences of single queries. ``parts``:
        ``old_old``, ``new_old``, ``new_new`` (those shares), ``update_gain`` (the part of the new model's gain that
        needs no re-encoding), ``by_chance`` (the value for new queries dealt to other questions) and the
        constraints on pairs, new query and old row: ``together`` (share of right pairs at most as far apart as in the
        old space), ``apart`` (share of wrong pairs at least as far), ``order`` (how often a right row is nearer
        than a wrong one, across versions), each with ``_low`` and ``_high``. Distances of a new model lie on
        another scale, so ``together`` and ``apart`` trade against each other; ``order`` does not.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.integers(0, 5, 400)
    >>> clean = 2 * rng.standard_normal((5, 16))[kind]
    >>> old, new = (clean + s * rng.standard_normal((400, 16)) for s in (3, 1))
    >>> found = compatibility(old.astype(np.float32), new.astype(np.float32), labels=kind)
    >>> found.low > 0, found.parts["new_new"] > found.parts["new_old"] > found.parts["old_old"]
    (True, True)
    """
    title = "Compatibility"
    check_int(k, "k", 1)
    pair = as_pair(first, second, metric, ids, random_state)
    mapping = _how(mapping, pair.dims)
    questions = _questions(pair, labels, relevant, queries, sample, random_state)
    if pair.few or not len(questions):
        why = pair.few or "Unknown: no query has a right row among the pairs."
        return undefined("compatibility", title, why, source=_SOURCE)
    new_as_old, how = _crossed(pair, questions, mapping, random_state)
    lists = {}
    for name, space, asked in (
        ("old_old", pair.first, questions.old),
        ("new_old", pair.first, as_asked(new_as_old, pair.first.metric)),
        ("new_new", pair.second, questions.new),
    ):
        found = rows_nearest(space, asked, k + (questions.rows is not None))
        lists[name] = found if questions.rows is None else without_own(found, questions.rows, k)
    shares = {name: questions.share(found, k) for name, found in lists.items()}
    dealt = questions.share(lists["new_old"][other_partners(len(questions), random_state)], k)
    means = {name: float(part.mean()) for name, part in shares.items()}
    middle, low, high = mean_interval((shares["new_old"] - shares["old_old"] + 1) / 2)
    value, low, high = 2 * middle - 1, 2 * low - 1, 2 * high - 1
    gain = means["new_new"] - means["old_old"]
    parts = {
        "by_chance": float(dealt.mean()) - means["old_old"],
        **means,
        "update_gain": (means["new_old"] - means["old_old"]) / gain if gain > 0 else float("nan"),
        **_constraints(pair, questions, as_asked(new_as_old, pair.first.metric), random_state),
    }
    if value >= 0:
        verdict, tail = "good", "the new encoder can serve from the old vectors while they are encoded again"
    elif value >= -0.1 * means["old_old"]:
        verdict, tail = "fair", "close to the old model while vectors are encoded again"
    else:
        verdict, tail = "poor", "keep asking with the old encoder until the vectors are encoded again"
    return Measure(
        "compatibility",
        value,
        min(low, value),
        max(high, value),
        f"New queries on old vectors{how} find {means['new_old']:.0%} of what is right, old queries "
        f"{means['old_old']:.0%}, new queries on new vectors {means['new_new']:.0%}: {tail}.",
        title=title,
        verdict=verdict,
        detail=f"From {len(questions):,} {'queries' if questions.rows is None else 'rows asked as queries'}, the {k} "
        f"nearest of {len(pair):,} paired rows, searched exactly. The interval is Wilson's, over the differences of "
        "single queries.",
        source=_SOURCE,
        parts=parts,
    )


@dataclass(frozen=True)
class _Questions:
    """What is asked in both versions, and which places of the pair are right: by class, or listed."""

    old: np.ndarray
    new: np.ndarray
    rows: np.ndarray | None
    kinds: np.ndarray | None
    right: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.old)

    def is_right(self, found: np.ndarray) -> np.ndarray:
        """Which of the listed places are right for each question."""
        if self.kinds is not None and self.rows is not None:
            return np.asarray(self.kinds[found] == self.kinds[self.rows][:, None])
        return np.stack([np.isin(row, right) for row, right in zip(found, self.right, strict=True)])

    def share(self, found: np.ndarray, k: int) -> np.ndarray:
        """Of each question, the right rows found over the most that could be."""
        if self.kinds is not None and self.rows is not None:
            there = np.bincount(self.kinds)[self.kinds[self.rows]] - 1
        else:
            there = np.array([len(right) for right in self.right])
        return np.asarray(self.is_right(found).sum(axis=1) / np.minimum(there, k))


def _questions(
    pair: Pair, labels: Any, relevant: Any, queries: Any, sample: int | None, random_state: int
) -> _Questions:
    if (labels is None) == (relevant is None):
        raise ValueError("labels, relevant: expected one of the two")
    if labels is not None:
        if queries is not None:
            raise ValueError("queries: expected None with labels; give relevant= for queries from elsewhere")
        kinds = pair_labels(pair, labels)
        usable = np.flatnonzero(np.bincount(kinds)[kinds] > 1) if len(kinds) else np.empty(0, np.int64)
        rows = usable
        if sample is not None and len(usable) > check_int(sample, "sample", 1):
            rows = np.sort(np.random.default_rng([random_state, 87]).choice(usable, sample, replace=False))
        return _Questions(pair.first.take(rows), pair.second.take(rows), rows, kinds, [])
    count = pair.given[0] if queries is None else len(checked_queries(pair, queries)[0])
    if not hasattr(relevant, "__len__") or len(relevant) != count:
        got = len(relevant) if hasattr(relevant, "__len__") else relevant
        what = "row of the first space" if queries is None else "query"
        raise ValueError(f"relevant: expected {count:,} lists, one for each {what}, got {got}")
    place = {name: i for i, name in enumerate(pair.ids.tolist())}
    own = pair.rows[:, 0] if queries is None else np.arange(count)
    right = [np.array([place[n] for n in _plain(relevant[row]) if n in place], np.int64) for row in own]
    if queries is None:
        right = [part[part != i] for i, part in enumerate(right)]
    usable = np.array([i for i, part in enumerate(right) if len(part)], np.int64)
    if sample is not None and len(usable) > check_int(sample, "sample", 1):
        usable = np.sort(np.random.default_rng([random_state, 87]).choice(usable, sample, replace=False))
    kept = [np.unique(right[i]) for i in usable]
    if queries is None:
        return _Questions(pair.first.take(usable), pair.second.take(usable), usable, None, kept)
    old, new = checked_queries(pair, queries)
    return _Questions(old[usable], new[usable], None, None, kept)


def _plain(names: Any) -> list[Any]:
    return np.asarray(names).ravel().tolist()


def _how(mapping: Any, dims: tuple[int, int]) -> Any:
    if mapping is None:
        return "none" if dims[0] == dims[1] else "linear"
    if not callable(mapping) and mapping not in ("none", "linear"):
        raise ValueError(f"mapping: expected 'none', 'linear', a callable or None, got {mapping!r}")
    if mapping == "none" and dims[0] != dims[1]:
        raise ValueError(f"mapping: expected 'linear' or a callable for {dims[1]} and {dims[0]} dimensions, got 'none'")
    return mapping


def _crossed(pair: Pair, questions: _Questions, mapping: Any, random_state: int) -> tuple[np.ndarray, str]:
    """The new version's questions as vectors of the old space, and words for how they came there."""
    if callable(mapping):
        made = np.asarray(mapping(questions.new))
        if made.shape != questions.old.shape or not np.isfinite(made).all():
            raise ValueError(f"mapping: expected finite values of shape {questions.old.shape}, got {made.shape}")
        return made, ", mapped,"
    if mapping == "none":
        return questions.new, ""
    if questions.rows is not None:
        return cross_mapped(pair, True, questions.rows, random_state)[0], ", mapped linearly,"
    return whole_map(pair, True, random_state)[0](questions.new), ", mapped linearly,"


def _constraints(pair: Pair, questions: _Questions, crossed: np.ndarray, random_state: int) -> dict[str, float]:
    """The constraints on pairs of a new query and an old row, over sampled right and wrong rows of each query."""
    rng = np.random.default_rng([random_state, 88])
    held: dict[str, list[float]] = {"together": [], "apart": [], "order": []}
    by_kind = None if questions.kinds is None else np.argsort(questions.kinds, kind="stable")
    ends = None if questions.kinds is None else np.cumsum(np.bincount(questions.kinds))
    for number in range(len(questions)):
        own = -1 if questions.rows is None else int(questions.rows[number])
        wrong = rng.integers(0, len(pair), 2 * _PARTNERS)
        if questions.kinds is not None and by_kind is not None and ends is not None:
            kind = questions.kinds[own]
            low = ends[kind - 1] if kind else 0
            right = by_kind[rng.integers(low, ends[kind], 2 * _PARTNERS)]
            right = np.unique(right[right != own])
            wrong = wrong[questions.kinds[wrong] != kind]
        else:
            right = questions.right[number]
            wrong = wrong[~np.isin(wrong, right) & (wrong != own)]
        right, wrong = rng.permutation(right)[:_PARTNERS], wrong[:_PARTNERS]
        if not len(wrong) or not len(right):
            continue
        places = np.concatenate([right, wrong])
        rows = pair.first.take(places)
        old, new = (_distances(q, rows, pair.first.metric) for q in (questions.old[number], crossed[number]))
        split = len(right)
        held["together"].append(float((new[:split] <= old[:split]).mean()))
        held["apart"].append(float((new[split:] >= old[split:]).mean()))
        gaps = new[split:][None, :] - new[:split][:, None]
        held["order"].append(float(((gaps > 0) + 0.5 * (gaps == 0)).mean()))
    parts = {}
    for name, shares in held.items():
        if shares:
            parts[name], parts[f"{name}_low"], parts[f"{name}_high"] = mean_interval(shares)
    return parts


def _distances(query: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    wide, asked = rows.astype(np.float64), query.astype(np.float64)
    return np.asarray(np.linalg.norm(wide - asked, axis=1) if metric == "l2" else -(wide @ asked))
