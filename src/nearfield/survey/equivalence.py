"""Functional equivalence: whether what was built on one space works on the other after a linear map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int
from ..common.interval import mean_interval
from .mapping import as_asked, cross_mapped, linear_map, training_rows
from .measure import Measure, undefined
from .moments import as_pair, halves, other_partners
from .neighbors import rows_nearest, without_own
from .pair import pair_labels
from .pair_lists import QUERIES, PairLists, common

FEWEST = 40
_RESAMPLES = 1000
_SHUFFLES = 5
_SOURCE = (
    "Lenc & Vedaldi (2015), Understanding image representations by measuring their equivariance and equivalence, CVPR; "
    "Bansal, Nakkiran & Barak (2021), Revisiting model stitching, NeurIPS: a linear map, and a head that stays"
)


def functional_equivalence(
    first: Any,
    second: Any = None,
    *,
    k: int = 10,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = QUERIES,
    random_state: int = 0,
    neighbors: PairLists | None = None,
) -> Measure:
    """Functional equivalence in ranking: does the second's ranking work on the first, after a linear map?

    Rows of the first are mapped into the second by a ridge regression that never saw them, then ranked against the
    second's vectors; the value is the share of the second's own results that comes out. Choose it to know whether the
    first *holds* what the second's results need; :func:`mutual_neighbors` asks whether it shows it as it is. For a
    classifier instead of a ranking see :func:`head_equivalence`.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    k : length of the result lists.
    metric, ids : as in :func:`cka`.
    sample : rows that ask. None: every row.
    random_state : chooses them and the pairs the map is fitted on (at most 4,000).
    neighbors : lists to share, from :func:`compare`.

    Returns
    -------
    Measure
        ``parts``: ``by_chance`` (results of other rows), ``backward`` (the same from the second to the first),
        ``stored`` (the second's questions, mapped, against the first's vectors: the share found of what the second
        finds by itself, with its interval in ``stored_low`` and ``_high``: what serving a new model's queries from old
        vectors gives), ``own`` (share of mapped rows whose nearest row is their own partner), ``pairs`` (the map was
        fitted on). ``arrays``: ``per_row``. The interval is Wilson's for shares, over the rows that ask.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((600, 8)).astype(np.float32)
    >>> mixed = (x @ rng.standard_normal((8, 8))).astype(np.float32)
    >>> functional_equivalence(x, mixed, metric="l2").value > 0.98
    True
    """
    title = "Same results after a linear map"
    check_int(k, "k", 1)
    pair = as_pair(first, second, metric, ids, random_state)
    lists = PairLists.of(pair, k + 1, sample, random_state, None, neighbors)
    why = lists.why
    if not why and len(pair) < FEWEST:
        why = f"Unknown: needs at least {FEWEST} paired rows to learn a map, and there are {len(pair)}."
    if not why and lists.rows is None:
        raise ValueError("neighbors: expected lists whose questions are rows of the pair")
    if why:
        return undefined("functional_equivalence", title, why, source=_SOURCE)
    assert lists.rows is not None
    k = min(k, lists.depth)
    found, seen = {}, 0
    for backward, space in ((False, pair.second), (True, pair.first)):
        mapped, seen = cross_mapped(pair, backward, lists.rows, random_state)
        found[backward] = rows_nearest(space, as_asked(mapped, space.metric), k + 1)
    forward = without_own(found[False], lists.rows, k)
    back = without_own(found[True], lists.rows, k)
    per_row = common(forward, lists.second[:, :k])
    value, low, high = mean_interval(per_row / k)
    other = other_partners(len(forward), random_state)
    stored = mean_interval(common(back, lists.second[:, :k]) / k)
    if value >= 0.8:
        verdict, tail = "good", "the first holds nearly all that the second's results need"
    elif value >= 0.4:
        verdict, tail = "fair", "the first holds a good part of what the second's results need"
    else:
        verdict, tail = "poor", "what the second's results need is not in the first, so it must be encoded anew"
    return Measure(
        "functional_equivalence",
        value,
        low,
        high,
        f"Mapped into the second by a linear map, rows of the first get {k * value:.1f} of the second's {k} results: "
        f"{tail}.",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {lists.scope}; the map is a ridge regression on up to {seen:,} other pairs. The interval is "
        "Wilson's for shares, over the rows asked.",
        source=_SOURCE,
        parts={
            "by_chance": float((common(forward[other], lists.second[:, :k]) / k).mean()),
            "backward": float((common(back, lists.first[:, :k]) / k).mean()),
            "stored": stored[0],
            "stored_low": stored[1],
            "stored_high": stored[2],
            "own": float((found[False][:, 0] == lists.rows).mean()),
            "pairs": seen,
            "k": k,
        },
        arrays={"per_row": per_row, "stored": common(back, lists.second[:, :k])},
    )


def head_equivalence(
    first: Any,
    second: Any = None,
    *,
    labels: Any,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = 10_000,
    random_state: int = 0,
) -> Measure:
    """Functional equivalence of a classifier: does a linear head fitted on the second work on the first, mapped?

    The share that is kept of what the head gains over always naming the commonest class. Choose it when classes, not
    neighbours, are what the vectors are used for.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    labels : the class of each row of the first, paired or not: integers or texts.
    metric, ids, sample, random_state : as in :func:`cka`.

    Returns
    -------
    Measure
        Map and head are fitted on one half of the pairs and judged on the other. ``parts``: ``own`` (accuracy of the
        head on the second), ``mapped`` (on the first), ``commonest`` (of always naming the commonest class),
        ``by_chance`` (the value of maps fitted on shuffled partners). The interval is a bootstrap over the rows
        judged.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.integers(0, 3, 600)
    >>> x = (np.eye(3)[kind] * 4 + rng.standard_normal((600, 3))).astype(np.float32)
    >>> found = head_equivalence(x, x[:, ::-1].copy(), labels=kind, metric="l2")
    >>> abs(found.value - 1) < 0.02
    True
    """
    from sklearn.linear_model import RidgeClassifierCV

    title = "A classifier after a linear map"
    pair = as_pair(first, second, metric, ids, random_state)
    kinds = pair_labels(pair, labels)
    chosen = pair.draw(sample, random_state, 83)
    one, judged = (chosen[part] for part in halves(len(chosen), random_state))
    fitted = training_rows(one, random_state)
    why = pair.few
    if not why and (len(chosen) < FEWEST or len(np.unique(kinds[fitted])) < 2):
        why = f"Unknown: needs at least {FEWEST} paired rows of at least 2 classes."
    if why:
        return undefined("head_equivalence", title, why, source=_SOURCE)
    x, y = pair.first.take(fitted), pair.second.take(fitted)
    unit = max(float(np.abs(y).max()), 1e-30)
    head = RidgeClassifierCV(len(y) * np.logspace(-5, 0, 6) / y.shape[1]).fit(y / unit, kinds[fitted])
    truth = kinds[judged]
    asked = pair.first.take(judged)
    values, counts = np.unique(kinds[fitted], return_counts=True)
    right = {
        "own": head.predict(pair.second.take(judged) / unit) == truth,
        "mapped": head.predict(linear_map(x, y)(asked) / unit) == truth,
        "commonest": values[counts.argmax()] == truth,
    }
    means = {name: float(part.mean()) for name, part in right.items()}
    gain = means["own"] - means["commonest"]
    if gain <= 2 / len(judged):
        why = "Unknown: a linear head on the second space is no better than naming the commonest class."
        return undefined("head_equivalence", title, why, source=_SOURCE)
    value = (means["mapped"] - means["commonest"]) / gain
    rng = np.random.default_rng([random_state, 85])
    shuffled = [linear_map(x, y[rng.permutation(len(y))])(asked) for _ in range(_SHUFFLES)]
    lucky = float(np.mean([head.predict(rows / unit) == truth for rows in shuffled]))
    drawn = rng.multinomial(len(judged), np.full(len(judged), 1 / len(judged)), _RESAMPLES)
    own, mapped, common = (drawn @ right[name] / len(judged) for name in ("own", "mapped", "commonest"))
    usable = own > common
    low, high = np.quantile((mapped - common)[usable] / (own - common)[usable], [0.025, 0.975])
    verdict = "good" if value >= 0.9 else "fair" if value >= 0.6 else "poor"
    return Measure(
        "head_equivalence",
        value,
        min(float(low), value),
        max(float(high), value),
        f"A linear classifier fitted on the second is right for {means['own']:.0%} of its rows, and for "
        f"{means['mapped']:.0%} of the first's rows once they are mapped (naming the commonest class: "
        f"{means['commonest']:.0%}).",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"Map and head from {len(fitted):,} pairs, judged on {len(judged):,} others. The interval is a "
        "bootstrap over the rows judged.",
        source=_SOURCE,
        parts={
            "by_chance": (lucky - means["commonest"]) / gain,
            "own": means["own"],
            "mapped": means["mapped"],
            "commonest": means["commonest"],
            "classes": len(values),
        },
    )
