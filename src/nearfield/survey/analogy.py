"""Analogies: whether differences between rows mean the same everywhere in the space."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from ..common.interval import mean_interval
from ..native import exact_search
from .collection import Collection
from .measure import Measure, undefined

_SOURCE = (
    "Mikolov, Yih & Zweig (2013), Linguistic Regularities in Continuous Space Word Representations, NAACL; "
    "interval: Wilson (1927)"
)
_TITLE = "Analogies"
_BLOCK = 1024


def analogy(vectors: Any, questions: Any, *, sample: int | None = 20_000, random_state: int = 0) -> Measure:
    """Share of analogies solved: *a is to b as c is to what?*, answered by the row nearest to ``b - a + c``.

    Choose it to see whether a query can be steered by adding a difference (:class:`nearfield.transform.Steering`), and
    before and after a transform to see whether it keeps what the space knows.

    Parameters
    ----------
    vectors : (n, d), among which the answer is searched, by cosine, all at length one; the three rows of the question
        are no answers to it. A vocabulary of 30,000 to 300,000 words is usual; the more, the harder.
    questions : int (q, 4), the rows a, b, c and the right answer d.
    sample : questions asked, drawn at random where there are more; None for all.
    random_state : chooses the questions.

    Returns
    -------
    Measure
        The interval is Wilson's, for questions like these. ``arrays``: ``questions``, the numbers of those asked,
        ``solved`` for each, and its right ``answers``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> countries = rng.standard_normal((50, 20), dtype=np.float32)
    >>> capitals = countries + rng.standard_normal(20, dtype=np.float32)
    >>> first, second = rng.permutation(50)[:25], rng.permutation(50)[:25]
    >>> asked = np.column_stack([first, first + 50, second, second + 50])[first != second]
    >>> analogy(np.vstack([countries, capitals]), asked).value
    1.0
    """
    check_random_state(random_state)
    space = Collection.of(vectors, "cosine")
    asked = np.asarray(questions)
    if asked.ndim != 2 or asked.shape[1] != 4 or (asked.size and asked.dtype.kind not in "iu"):
        raise ValueError(f"questions: expected row numbers of shape (q, 4), got {asked.dtype} of shape {asked.shape}")
    if asked.size and (asked.min() < 0 or asked.max() >= len(space)):
        raise ValueError(f"questions: expected rows from 0 to {len(space) - 1}, got {asked.min()} to {asked.max()}")
    if not len(asked) or len(space) < 4:
        return undefined("analogy", _TITLE, "Unknown: needs a question and four rows.", source=_SOURCE)
    chosen = np.arange(len(asked))
    if sample is not None and len(asked) > check_int(sample, "sample", 1):
        chosen = np.sort(np.random.default_rng([random_state, 91]).permutation(len(asked))[:sample])
    asked = asked[chosen].astype(np.int64)
    base = space.take(slice(None))
    solved = np.empty(len(asked), bool)
    for start in range(0, len(asked), _BLOCK):
        a, b, c, d = asked[start : start + _BLOCK].T
        near = exact_search(base, base[b] - base[a] + base[c], 4, metric="ip")[1]
        given = (near == a[:, None]) | (near == b[:, None]) | (near == c[:, None])
        solved[start : start + _BLOCK] = near[np.arange(len(near)), given.argmin(axis=1)] == d
    value, low, high = mean_interval(solved.astype(float))
    verdict = "good" if value >= 0.5 else "fair" if value >= 0.2 else "poor"
    tail = {
        "good": "a difference between two rows means the same elsewhere, so queries can be steered by adding it",
        "fair": "a difference between two rows means something elsewhere, so steer queries by several examples at once",
        "poor": "a difference between two rows says little about others, so queries cannot be steered by it",
    }[verdict]
    return Measure(
        "analogy",
        value,
        low,
        high,
        f"{value:.0%} of the analogies are solved by adding and subtracting: {tail}.",
        title=_TITLE,
        unit="share",
        verdict=verdict,
        detail=f"From {len(asked):,} questions among {len(space):,} rows. The interval is Wilson's, for questions like "
        "these.",
        source=_SOURCE,
        arrays={"solved": solved, "questions": chosen, "answers": asked[:, 3]},
    )
