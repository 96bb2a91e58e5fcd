"""Entity linking: which of a few candidates a mention means, by matches on several levels, or that it means none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_random_state, check_real
from .classifier import FLOATS, support_cut
from .link_ranking import Example, Ranking, calibrated, learn_ranking, present
from .match_levels import COLUMNS, LEVELS, Matcher
from .texts import nearest
from .views import Views

# Linked mentions that weights are learnt from at most: eight weights are no surer by more.
_EXAMPLES = 5_000


class EntityLinker(BaseEstimator):
    """Link mentions to entities: block to a few candidates, match each on several levels, weigh the levels, or refuse.

    A mention and an entity each have a vector and, where there are any, token vectors and a second view: see
    :class:`Views`; plain rows will do. Choose it over a search by one vector when the candidates are few and alike,
    such as the senses of a word or the records that share a key, and some tens of linked mentions are at hand. Over
    :class:`ZeroShotClassifier` when the classes are too many to compare, differ from mention to mention, or keep
    growing. On senses of WordNet it was nearly 4 points above the cosine of the vectors (docs/evidence.md).

    Parameters
    ----------
    levels : which of "global", "attention", "local", "second" and "cross" to match on; what a side lacks is left out by
        itself.
    n_candidates : entities that blocking keeps for a mention that comes without a list; 10 to 50.
    penalty : of large weights, on columns of unit spread, against the summed log-loss of the linked mentions. 3 is good
        from 50 mentions up; 10 for fewer.
    temperature : of the attention over tokens, in cosine. Small ones read the nearest token alone; 0.05 to 0.2.
    random_state : seed of the folds that set temperature and rejection.

    Attributes
    ----------
    entity_ids_ : (m,) what :meth:`predict` answers with.
    weights_ : dictionary from level to its share of the score where nothing is missing.
    n_features_in_ : dimensions of the vectors.

    Notes
    -----
    Source: Hu et al., Multi-level Matching Network for Multimodal Entity Linking, 2025 (M3EL): global-to-global and
    global-to-local matches within a modality, and matches across modalities in both directions. Departures: nothing is
    trained but one non-negative weight a column (conditional logistic regression on linked mentions) and the map
    between the views (ridge regression on the entities themselves, no links needed) that stands for the paper's
    cross-modal attention; there is no contrastive loss; local-to-local matches (MaxSim, both ways) are added.

    Missing parts do no harm: there is a ranking for each combination of what a mention and its candidates have, learnt
    from the same examples without the rest; so a mention without a second view is linked exactly as by a linker that
    never knew of one. Of a single candidate that lacks what others have, the columns are taken to be their average.
    Without linked mentions the score is the cosine of the vectors alone, or without that level the mean of the others.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> vectors, graph, truth = rng.standard_normal((40, 16)), rng.standard_normal((40, 8)), np.arange(40).repeat(3)
    >>> seen, met = (each[truth] + 0.7 * rng.standard_normal((120, each.shape[1])) for each in (vectors, graph))
    >>> entities, mentions = Views(vectors, second=graph), Views(seen, second=met)
    >>> linker = EntityLinker(n_candidates=10).fit(entities, mentions=mentions[:60], links=truth[:60])
    >>> bool((linker.predict(mentions[60:]) == truth[60:]).mean() > 0.9)
    True
    >>> linker.predict(mentions[60:61], [[20, 21]]).tolist()
    [20]
    >>> stranger = Views(rng.standard_normal((1, 16)), second=rng.standard_normal((1, 8)))
    >>> linker.predict(stranger, reject=0.05).tolist()
    [None]
    """

    entity_ids_: np.ndarray
    n_features_in_: int

    def __init__(
        self,
        levels: Sequence[str] = LEVELS,
        *,
        n_candidates: int = 16,
        penalty: float = 3.0,
        temperature: float = 0.1,
        random_state: int = 0,
    ):
        self.levels = levels
        self.n_candidates = n_candidates
        self.penalty = penalty
        self.temperature = temperature
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        mentions: Any = None,
        links: Any = None,
        candidates: Any = None,
        index: Any = None,
    ) -> Self:
        """Keep the entities, and learn the weights where there are linked mentions.

        Parameters
        ----------
        X : the entities, :class:`Views` or vectors (m, d).
        y : (m,) their ids, integers or strings; None numbers them. Rows with one id are one entity, which fits as well
            as its best row.
        mentions : linked mentions, :class:`Views` or vectors.
        links : (n,) the id of the entity that each means.
        candidates : for each mention the ids it may mean; None finds them as :meth:`block` does. A mention whose
            entity is not among them teaches nothing.
        index : anything with ``search(queries, k)`` whose answer has ``rows`` (q, k), such as a cosine index of
            :mod:`nearfield.index` over the entities' vectors; None scans them all.
        """
        self._check_parameters()
        entities = self._views(X, "X", reset=True)
        ids = np.arange(len(entities)) if y is None else np.asarray(y)
        if ids.shape != (len(entities),):
            raise ValueError(f"y: expected {len(entities)} ids, one an entity, got shape {ids.shape}")
        if ids.dtype.kind == "f" and not np.isfinite(ids).all():
            raise ValueError("y: expected ids, got NaN or infinity")
        if (mentions is None) != (links is None):
            raise ValueError("links: expected both mentions and links, or neither, got one of them")
        self.entity_ids_, self._entities, self._index = ids, entities, index
        self._rows: dict[Any, list[int]] = {}
        for row, name in enumerate(ids.tolist()):
            self._rows.setdefault(name, []).append(row)
        self._columns = tuple(column for column, level in enumerate(COLUMNS) if level in self.levels)
        self._rankings: dict[tuple[int, ...], Ranking] = {}
        with one_blas_thread():
            self._matcher = Matcher(entities, float(self.temperature), self.levels)
            if mentions is not None:
                seed = check_random_state(self.random_state)
                examples = self._examples(self._views(mentions, "mentions"), links, candidates, seed)
                for columns in self._combinations():
                    self._rankings[columns] = learn_ranking(examples, columns, float(self.penalty), seed)
        return self

    def calibrate(self, X: Any, y: Any, candidates: Any = None) -> Self:
        """Set temperature and rejection anew, from linked mentions it was *not* fitted on and the ids they mean.

        Needs no weights: it also serves a linker that was fitted without links.
        """
        check_is_fitted(self, "entity_ids_")
        with one_blas_thread():
            examples = self._examples(self._views(X, "X"), y, candidates, check_random_state(self.random_state))
            for columns in self._combinations():
                ranking = self._rankings.get(columns, Ranking.plain(columns))
                able = [e for e in examples if present(e.features, columns) == columns]
                scores = [ranking.score(e.features) for e in able]
                self._rankings[columns] = calibrated(ranking, scores, [e.right for e in able])
        return self

    def block(self, X: Any) -> list[list[Any]]:
        """For each mention the ids of the ``n_candidates`` entities whose vectors are nearest, by cosine."""
        check_is_fitted(self, "entity_ids_")
        mentions = self._views(X, "X")
        return [self._names(rows) for rows in self._nearest(mentions)]

    def predict(self, X: Any, candidates: Any = None, *, reject: float | None = None) -> np.ndarray:
        """The id each mention most likely means (n,); None where it has no candidates.

        Parameters
        ----------
        X : mentions, :class:`Views` or vectors (n, d).
        candidates : for each mention the ids it may mean, in any number, also none. None finds them by :meth:`block`.
        reject : a rate, see :meth:`reject`; mentions that are rejected are answered with None.
        """
        answers = []
        for names, scores, ranking in self._judged(X, candidates):
            out = not names or (reject is not None and scores.max() < _threshold(ranking, reject))
            answers.append(None if out else names[int(scores.argmax())])
        if None in answers or not answers:
            found = np.empty(len(answers), object)
            found[:] = answers
            return found
        return np.array(answers, self.entity_ids_.dtype)

    def predict_proba(self, X: Any, candidates: Any = None) -> list[np.ndarray]:
        """For each mention the probability of each candidate (k_i,), given that it means one of them.

        In the order of ``candidates``, or of :meth:`block`.
        """
        check_is_fitted(self, "entity_ids_")
        mentions = self._views(X, "X")
        kept = mentions.vectors.dtype
        return [_shares(scores, ranking).astype(kept) for _, scores, ranking in self._judged(mentions, candidates)]

    def candidates(self, X: Any, candidates: Any = None) -> list[list[tuple[Any, float]]]:
        """For each mention its candidates with their probabilities, the best first."""
        found = []
        for names, scores, ranking in self._judged(X, candidates):
            shares = _shares(scores, ranking)
            found.append([(names[at], float(shares[at])) for at in np.argsort(-scores, kind="stable")])
        return found

    def reject(self, X: Any, candidates: Any = None, *, max_false: float = 0.05) -> np.ndarray:
        """True (n,) where a mention seems to mean none of its candidates, or has none.

        Of mentions that mean one of them, drawn like the linked ones, at most the share ``max_false`` is rejected by
        mistake (split-conformal quantile of the scores of held-out linked mentions). ValueError where it has seen none.
        """
        found = [
            not names or scores.max() < _threshold(ranking, max_false)
            for names, scores, ranking in self._judged(X, candidates)
        ]
        return np.array(found, bool)

    def explain(self, X: Any, candidates: Any = None) -> list[str]:
        """One sentence for each mention: the likeliest entity, the next one, and which level tells them apart most."""
        check_is_fitted(self, "entity_ids_")
        sentences = []
        for names, features, ranking in self._matched(self._views(X, "X"), candidates):
            if not names:
                sentences.append("No candidates.")
                continue
            parts = ranking.parts(features)
            scores = parts.sum(axis=1)
            shares, best = _shares(scores, ranking), np.argsort(-scores, kind="stable")[:2]
            text = f"{names[best[0]]} with probability {shares[best[0]]:.2f}"
            if len(best) > 1:
                gains = parts[best[0]] - parts[best[1]]
                level = COLUMNS[ranking.columns[int(gains.argmax())]]
                text += f", then {names[best[1]]} with {shares[best[1]]:.2f}; told apart most by the level {level}"
            sentences.append(text + ".")
        return sentences

    @property
    def weights_(self) -> dict[str, float]:
        """Share of each level in the score where nothing is missing: weights on columns of unit spread."""
        check_is_fitted(self, "entity_ids_")
        columns = max(self._combinations(), key=len)
        ranking = self._rankings.get(columns, Ranking.plain(columns))
        found = dict.fromkeys((COLUMNS[column] for column in columns), 0.0)
        total = float(ranking.weights.sum())
        for column, weight in zip(ranking.columns, ranking.weights, strict=True):
            found[COLUMNS[column]] += float(weight) / (total or 1.0)
        return found

    def _check_parameters(self) -> None:
        known = isinstance(self.levels, Sequence) and not isinstance(self.levels, str)
        if not known or not len(self.levels) or any(level not in LEVELS for level in self.levels):
            raise ValueError(f"levels: expected some of {', '.join(map(repr, LEVELS))}, got {self.levels!r}")
        check_int(self.n_candidates, "n_candidates", 1)
        check_real(self.penalty, "penalty", 0.0, 1e9)
        check_real(self.temperature, "temperature", 0.0, 1e6, open_low=True)

    def _views(self, X: Any, name: str, *, reset: bool = False) -> Views:
        if not isinstance(X, Views):
            return Views(validate_data(self, X, dtype=FLOATS, reset=reset))
        width = X.vectors.shape[1]
        if reset:
            self.n_features_in_ = width
        elif width != self.n_features_in_:
            raise ValueError(f"{name}: expected vectors of {self.n_features_in_} dimensions, got {width}")
        theirs = None if reset else self._entities.second
        if theirs is not None and X.second is not None and theirs.shape[1] != X.second.shape[1]:
            raise ValueError(f"{name}: expected a second view of {theirs.shape[1]} dimensions, got {X.second.shape[1]}")
        return X

    def _examples(self, mentions: Views, links: Any, candidates: Any, seed: int) -> list[Example]:
        truth = np.asarray(links)
        if truth.shape != (len(mentions),):
            raise ValueError(f"links: expected {len(mentions)} ids, one a mention, got shape {truth.shape}")
        meant = truth.tolist()
        unknown = next((name for name in meant if name not in self._rows), None)
        if unknown is not None:
            raise ValueError(f"links: expected ids of entities, got {unknown!r}, which none has")
        names = self._named(mentions, candidates)
        able = [place for place, own in enumerate(names) if meant[place] in own]
        if not able:
            raise ValueError("candidates: expected some that hold the entity of a linked mention, got none")
        if len(able) > _EXAMPLES:
            able = sorted(np.random.default_rng(seed).choice(able, _EXAMPLES, replace=False).tolist())
        prepared = self._matcher.prepared(mentions)
        examples = []
        for place in able:
            rows, _ = self._rows_of(names[place])
            right = np.isin(rows, self._rows[meant[place]])
            examples.append(Example(self._matcher.features(prepared, place, rows), right))
        return examples

    def _combinations(self) -> list[tuple[int, ...]]:
        """The columns that can be there together, for whatever a mention and its candidates have."""
        entities = self._entities
        tokens, seconds = set(entities.has_tokens.tolist()), set(entities.has_second.tolist())
        found: dict[tuple[int, ...], None] = {}
        for own_tokens, theirs, own_second, their_second in product((False, True), tokens, (False, True), seconds):
            there = np.full((1, len(COLUMNS)), np.nan)
            both, own_second = own_tokens and theirs, own_second and True in seconds
            have = (True, theirs, own_tokens, both, both, own_second and their_second, their_second, own_second)
            there[0, list(have)] = 0.0
            found[present(there, self._columns)] = None
        return sorted(found)

    def _nearest(self, mentions: Views) -> list[np.ndarray]:
        k = min(self.n_candidates, len(self._entities))
        with one_blas_thread():
            if self._index is None:
                return list(nearest(mentions.vectors, self._entities.vectors, k)[1])
        rows = np.asarray(self._index.search(mentions.vectors.astype(np.float32), k).rows)
        return [own[own >= 0] for own in rows]

    def _names(self, rows: np.ndarray) -> list[Any]:
        return list(dict.fromkeys(self.entity_ids_[rows].tolist()))

    def _named(self, mentions: Views, candidates: Any) -> list[list[Any]]:
        """The candidates of each mention, checked."""
        if candidates is None:
            return [self._names(rows) for rows in self._nearest(mentions)]
        if len(candidates) != len(mentions):
            raise ValueError(f"candidates: expected {len(mentions)} lists of ids, one a mention, got {len(candidates)}")
        found = []
        for place, own in enumerate(candidates):
            if isinstance(own, str) or not isinstance(own, Sequence | np.ndarray):
                raise TypeError(f"candidates: expected a list of ids for each mention, got {own!r} at {place}")
            names = np.asarray(own).tolist() if isinstance(own, np.ndarray) else list(own)
            unknown = next((name for name in names if name not in self._rows), None)
            if unknown is not None:
                raise ValueError(f"candidates: expected ids of entities, got {unknown!r} at {place}, which none has")
            found.append(names)
        return found

    def _rows_of(self, names: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the candidates, and which candidate each belongs to."""
        rows = [self._rows[name] for name in names]
        owners = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        return np.array([row for own in rows for row in own], np.int64), owners

    def _matched(self, mentions: Views, candidates: Any) -> Iterator[tuple[list[Any], np.ndarray, Ranking]]:
        """Candidates, features and ranking of each mention; of an entity with several rows the best one speaks."""
        names = self._named(mentions, candidates)
        with one_blas_thread():
            prepared = self._matcher.prepared(mentions)
            for place, own in enumerate(names):
                rows, owners = self._rows_of(own)
                features = self._matcher.features(prepared, place, rows)
                columns = present(features, self._columns)
                ranking = self._rankings.get(columns, Ranking.plain(columns))
                if len(rows) > len(own):
                    order = np.lexsort((-ranking.score(features), owners))
                    first = np.searchsorted(owners, np.arange(len(own)))
                    features = features[order[first]]
                yield own, features, ranking

    def _judged(self, X: Any, candidates: Any) -> Iterator[tuple[list[Any], np.ndarray, Ranking]]:
        check_is_fitted(self, "entity_ids_")
        for names, features, ranking in self._matched(self._views(X, "X"), candidates):
            yield names, ranking.score(features), ranking


def _shares(scores: np.ndarray, ranking: Ranking) -> np.ndarray:
    return np.asarray(softmax(scores / ranking.temperature)) if len(scores) else scores


def _threshold(ranking: Ranking, max_false: float) -> float:
    if not len(ranking.support):
        raise ValueError("reject: expected linked mentions to set its rate by, got none; give some to fit or calibrate")
    return support_cut(ranking.support, max_false)
