"""How far the new model is believed while a store is moved, by questions of which it is known what answers them.

The questions are asked of the store as it is. Each weight of the new model (:class:`.mixture.Mixture`) makes an order
of what the two models nominate, and an order has an nDCG@10. The weight is chosen by the gain over the old model alone
that can be vouched for: the mean over the questions less so many of its standard errors. Weight 0 is the old model's
own answers and gains nothing for certain, so the new model is believed where it is known to help, and no further. It is
not believed at all where weights that other questions chose gain nothing in the mean.

A question that taught the map knows too much of mapped vectors: it is asked of a map that was learnt without it.
Questions with the same answers are one observation, as are equal ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from sklearn.base import clone

from ..common.decoding import expect
from ..common.ndcg import discounts
from ..metric import Metric, get_metric
from ..tune.maps import CANDIDATES
from .fusing import nominated
from .ids import Id
from .learning import ready
from .mixture import Mixture
from .next_space import EncodedPart
from .rows import Live
from .search import nearest
from .snapshot import View

LEAST = 20
KEPT = 1000
WEIGHTS = tuple(number / 10 for number in range(11))
_CONFIDENCE = 0.95
_FOLDS = 5
_K = 10
_DISCOUNTS = discounts(_K)


@dataclass(frozen=True)
class Judged:
    """Questions by both models, row by row, and the ids of the items that answer each."""

    new: np.ndarray
    old: np.ndarray
    relevant: list[list[Id]]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """For the table ``arrays``; :meth:`of` reads it."""
        text = json.dumps(self.relevant).encode()
        return {"new": self.new, "old": self.old, "relevant": np.frombuffer(text, np.uint8)}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Judged:
        """Those that are kept; use it inside ``decoding``."""
        relevant = json.loads(arrays["relevant"].tobytes())
        expect(isinstance(relevant, list) and all(isinstance(one, list) for one in relevant), "expected lists of ids")
        new, old = arrays["new"], arrays["old"]
        expect(new.ndim == old.ndim == 2 and len(new) == len(old) == len(relevant), "expected a list for each question")
        return cls(new, old, relevant)

    @classmethod
    def drawn(cls, new: np.ndarray, old: np.ndarray, relevant: Sequence[list[Id]]) -> Judged:
        """Those of which something is known, at most so many as are kept."""
        told = np.array([row for row, ids in enumerate(relevant) if ids], np.int64)
        some = np.sort(np.random.default_rng(0).permutation(told)[:KEPT])
        chosen = [list(relevant[row]) for row in some.tolist()]
        return cls(np.ascontiguousarray(new[some], np.float32), np.ascontiguousarray(old[some], np.float32), chosen)

    def some(self, rows: np.ndarray) -> Judged:
        """These questions alone."""
        return Judged(self.new[rows], self.old[rows], [self.relevant[row] for row in rows.tolist()])


@dataclass(frozen=True)
class Taught:
    """What the map was learnt from: pairs of items, old and new vectors, and sample queries by model."""

    old: np.ndarray
    new: np.ndarray
    samples: Mapping[str, np.ndarray]


def samples(queries: Mapping[str, np.ndarray], judged: Judged | None) -> dict[str, np.ndarray]:
    """The sample queries that a map is learnt from: those that are judged as well, where all are of both models."""
    if judged is None or (queries and len(queries.get("new", ())) != len(queries.get("old", ()))):
        return dict(queries)
    return {
        name: np.concatenate([*([queries[name]] if name in queries else []), rows])
        for name, rows in (("new", judged.new), ("old", judged.old))
    }


@dataclass(frozen=True)
class Measured:
    """nDCG@10 of each question: by each of the weights, (q, w), and by the new model alone, (q,).

    ``groups`` numbers the questions, those that are one observation alike; ``folds`` are rows of the questions that
    were asked of one map.
    """

    gains: np.ndarray
    alone: np.ndarray
    groups: np.ndarray
    folds: list[np.ndarray]


def told(view: View, judged: Judged, keys: Mapping[Id, int]) -> tuple[Judged, list[np.ndarray]]:
    """The questions that the store holds an answer to, and the keys of those; ``keys`` are by id."""
    every = np.array(sorted(set(keys.values())), np.int64)
    living = every[view.locate(every)[0] >= 0]  # and have not expired
    relevant = [np.unique(np.array([keys[name] for name in ids if name in keys], np.int64)) for ids in judged.relevant]
    relevant = [own[np.isin(own, living)] for own in relevant]
    rows = np.array([row for row, own in enumerate(relevant) if len(own)], np.int64)
    return judged.some(rows), [relevant[row] for row in rows.tolist()]


def refuse_few(held: int) -> None:
    """ValueError unless the store holds an answer to enough of the questions."""
    if held < LEAST:
        raise ValueError(f"relevant: expected at least {LEAST} queries with an answer in the store, got {held}")


def weigh(view: View, judged: Judged, relevant: Sequence[np.ndarray], taught: Taught) -> dict[str, Any]:
    """What the questions tell, as plain data; ``relevant`` are the keys of what answers each.

    ``weight`` is the chosen one. ``old``, ``new`` and ``both`` are nDCG@10 of the store as it is: by the old model
    alone, by the new one alone, and by both, each question by the weight that the others chose. ``among`` compares the
    models by the items that are encoded alone, where no map is between them; None where too few questions have an
    answer there.
    """
    following = view.next
    assert following is not None
    found = measure(view, judged, relevant, taught)
    gains, groups = found.gains, found.groups
    crossed = np.zeros(len(relevant))
    for rows in found.folds:
        rest = np.setdiff1d(np.arange(len(relevant)), rows)
        crossed[rows] = gains[rows, choose(gains[rest], groups[rest])] if len(rest) else gains[rows, 0]
    old, both, chosen = float(gains[:, 0].mean()), float(crossed.mean()), choose(gains, groups)
    if both <= old:  # what others chose gave a question nothing: the best of many that only seems sure
        both, chosen = old, 0
    return {
        "weight": WEIGHTS[chosen],
        "questions": len(relevant),
        "old": old,
        "new": float(found.alone.mean()),
        "both": both,
        "among": _among(view, judged, relevant, groups),
        "done": len(following.encoded(view)),
        "learnt": following.meta["learnt"],
    }


def measure(view: View, judged: Judged, relevant: Sequence[np.ndarray], taught: Taught) -> Measured:
    """What each weight makes of each question, asked of a map that did not know it."""
    following = view.next
    assert following is not None
    groups = _groups(judged, relevant)
    folds = _folds(groups)
    mixtures = [Mixture.of(following.meta, weight) for weight in WEIGHTS]
    gains = np.zeros((len(relevant), len(mixtures)))
    alone = np.zeros(len(relevant))
    for rows, standings in _standings(view, judged, folds, taught):
        for row, one in zip(rows.tolist(), standings, strict=True):
            ideal = _ideal(len(relevant[row]))
            right = np.isin(one.keys, relevant[row])
            for column, mixture in enumerate(mixtures):
                both = mixture.scores(one.known, one.own, one.encoded)
                gains[row, column] = _gain(both, right) / ideal
            alone[row] = _gain(one.own, right) / ideal
    return Measured(gains, alone, groups, folds)


def choose(gains: np.ndarray, groups: np.ndarray) -> int:
    """The column whose gain over the first is the largest that can be vouched for.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> old = rng.random((200, 1))
    >>> choose(np.concatenate([old, old + 0.1 * rng.standard_normal((200, 1)), old + 0.2], axis=1), np.arange(200))
    2
    >>> choose(np.concatenate([old, old + rng.standard_normal((200, 2))], axis=1), np.arange(200))
    0
    """
    more = gains - gains[:, :1]
    low = [sure(column, groups) for column in more.T]
    return int(np.argmax(low))


def sure(more: np.ndarray, groups: np.ndarray, confidence: float = _CONFIDENCE) -> float:
    """The lower bound of the mean, one-sided, by Student's t; values of one group are one observation.

    The standard error of a mean of clusters (Liang and Zeger, Biometrika 1986).
    """
    mean = more.mean()
    sums = np.bincount(groups, weights=more - mean)[np.bincount(groups) > 0]
    if len(sums) < 2:
        return 0.0 if not more.any() else -np.inf
    error = np.sqrt(np.square(sums).sum() * len(sums) / (len(sums) - 1)) / len(more)
    return float(mean - special.stdtrit(len(sums) - 1, confidence) * error)


def _groups(judged: Judged, relevant: Sequence[np.ndarray]) -> np.ndarray:
    """A number for each question: the same for those with the same answers, and for equal ones."""
    found: dict[bytes, int] = {}
    numbers = np.empty(len(relevant), np.int64)
    for row, keys in enumerate(relevant):
        names = (keys.tobytes(), b"q" + judged.new[row].tobytes())
        known = [found[name] for name in names if name in found]
        numbers[row] = known[0] if known else row
        found.update(dict.fromkeys(names, int(numbers[row])))
    return np.unique(numbers, return_inverse=True)[1]


def _folds(groups: np.ndarray) -> list[np.ndarray]:
    """Rows of the questions, a group always whole."""
    order = np.random.default_rng(0).permutation(int(groups.max()) + 1)
    return [np.flatnonzero(np.isin(groups, part)) for part in np.array_split(order, _FOLDS) if len(part)]


@dataclass(frozen=True)
class _Standings:
    """Of one question: the candidates' keys, their standings by either model, and which are encoded."""

    keys: np.ndarray
    known: np.ndarray
    own: np.ndarray
    encoded: np.ndarray


def _standings(
    view: View, judged: Judged, folds: list[np.ndarray], taught: Taught
) -> Iterator[tuple[np.ndarray, list[_Standings]]]:
    """Fold by fold its rows and what is known of each; mapped by maps that did not see the fold's questions."""
    following, newer = view.next, view.newer
    assert following is not None
    before, after = get_metric(view.shape.metric), get_metric(newer.shape.metric)
    usual = [_sampled(space) for space in (view, newer)]
    encoded_keys = following.encoded(view)
    for rows in folds:
        asked = judged.some(rows)
        keys, _ = nominated(view, asked.new, asked.old, _K)
        every = np.unique(np.concatenate([keys.ravel(), *usual]))
        every = every[every >= 0]
        old = view.gather_vectors(*view.locate(every), view.shape).astype(np.float32)
        new = newer.gather_vectors(*newer.locate(every), newer.shape).astype(np.float32)
        encoded = np.isin(every, encoded_keys)
        map_ = _without(view, asked, taught)
        if map_ is not None and not encoded.all():
            new[~encoded] = map_.transform(old[~encoded])
        known = _scores(asked.old, old, before)
        own = _scores(asked.new, new, after)
        own[:, ~encoded] = following.calibration.scores(own[:, ~encoded], after)
        known, own = (
            _standing(scores, np.searchsorted(every, some)) for scores, some in zip((known, own), usual, strict=True)
        )
        found = []
        for row, mine in enumerate(keys):
            columns = np.searchsorted(every, mine[mine >= 0])
            found.append(_Standings(every[columns], known[row, columns], own[row, columns], encoded[columns]))
        yield rows, found


def _sampled(view: View) -> np.ndarray:
    """The keys of the items by which a search knows what scores usually are."""
    places = zip(*(column.tolist() for column in view.sample), strict=True)
    return np.array([view.parts[part].part.keys[row] for part, row in places], np.int64)


def _without(view: View, asked: Judged, taught: Taught) -> Any:
    """The map as it would be without these questions; None where they had no part in it."""
    following = view.next
    assert following is not None
    choice = following.meta["choice"]
    if not choice["candidates"][0].get("queries") or not {"new", "old"} <= taught.samples.keys():
        return None
    there = {row.tobytes() for row in asked.new}
    rest = np.array([row.tobytes() not in there for row in taught.samples["new"]], bool)
    if rest.all():
        return None
    before, after = get_metric(view.shape.metric), get_metric(following.shape.metric)
    some = np.sort(np.random.default_rng(0).permutation(len(taught.old))[: choice["pairs"]])
    old = np.concatenate([ready(taught.old[some], before), ready(taught.samples["old"][rest], before)])
    new = np.concatenate([ready(taught.new[some], after), ready(taught.samples["new"][rest], after)])
    return clone(CANDIDATES[choice["name"]]).fit(old, new).export(unit=before.nonzero)


def _scores(asked: np.ndarray, rows: np.ndarray, metric: Metric) -> np.ndarray:
    """Native scores, smaller is nearer."""
    asked, rows = ready(asked, metric), ready(rows, metric)
    scores = -(asked @ rows.T)
    if metric.native == "l2":
        scores = 2 * scores + np.square(asked).sum(axis=1)[:, None] + np.square(rows).sum(axis=1)
    return scores


def _standing(scores: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """In standard deviations of each question's scores of the sampled columns, as a search counts them."""
    some = scores[:, usual].astype(np.float64)
    mean, spread = some.mean(axis=1, keepdims=True), some.std(axis=1, keepdims=True)
    return np.asarray((scores - mean) / np.where(spread > 0, spread, 1.0))


def _gain(scores: np.ndarray, right: np.ndarray) -> float:
    """DCG@10 of candidates that stand in the order of their keys, ties to the older."""
    top = np.argsort(scores, kind="stable")[:_K]
    return float(right[top] @ _DISCOUNTS[: len(top)])


def _ideal(relevant: int) -> float:
    return float(_DISCOUNTS[:relevant].sum())


def _among(view: View, judged: Judged, relevant: Sequence[np.ndarray], groups: np.ndarray) -> dict[str, Any] | None:
    """Both models by the encoded items alone: ``old`` and ``new``, and which is better, where that can be told."""
    following, newer = view.next, view.newer
    assert following is not None
    encoded = following.encoded(view)
    there = [keys[np.isin(keys, encoded)] for keys in relevant]
    rows = np.flatnonzero([len(keys) > 0 for keys in there])
    if len(rows) < LEAST:
        return None
    rest = np.concatenate([np.empty(0, np.int64), *(live.part.keys[live.rows()] for live in _mapped(newer))])
    spaces = {
        "old": (view.without(rest), judged.old),
        "new": (newer.without(rest), judged.new),
    }
    gains = {}
    for name, (space, queries) in spaces.items():
        found = nearest(space, space.shape.metric, queries[rows], _K).keys
        gains[name] = np.array(
            [
                float(np.isin(hits, there[row]) @ _DISCOUNTS) / _ideal(len(there[row]))
                for row, hits in zip(rows.tolist(), found, strict=True)
            ]
        )
    more = gains["new"] - gains["old"]
    numbers = np.unique(groups[rows], return_inverse=True)[1]
    worse, better = sure(-more, numbers, 0.975) > 0, sure(more, numbers, 0.975) > 0
    means = {name: float(values.mean()) for name, values in gains.items()}
    return {**means, "questions": len(rows), "better": "new" if better else "old" if worse else None}


def _mapped(newer: View) -> list[Live]:
    return [live for live in newer.parts if not isinstance(live.part, EncodedPart)]
