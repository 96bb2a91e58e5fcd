"""Nearest items by a scorer that is called, not computed: a few calls a query instead of one for every item.

Build: the anchor queries are scored against all items, once. Search: some items are scored, the rest predicted from
them (:mod:`nearfield.index.crossencoder_model`), the best predictions scored next, and so on in rounds until the budget
of calls is spent. Every item that was scored is a candidate for the answer, by its true score. Predictions are inner
products, so the items to score next are found by :class:`~nearfield.index.Flat`, over any codec and under any filter.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from .. import native
from ..common.checks import check_choice, check_int, check_random_state, check_real
from ..quantize.codec import Codec
from .base import Progress
from .crossencoder_calls import Calls, Scorer, Stopped, checked_scores, score_all
from .crossencoder_choice import STARTS, Setting, choose, sizes_of
from .crossencoder_inputs import as_leading, as_list, as_vectors, count_items, is_number, mask_of
from .crossencoder_model import ScoreModel
from .flat import Flat

_FAILURES = ("raise", "partial")


class ScoredNeighbors(NamedTuple):
    """What :meth:`CrossEncoder.search` returns; a single query is answered without the first axis.

    Attributes
    ----------
    distances : float32 (q, k), minus the scores, ascending; +inf where missing.
    rows : int64 (q, k); -1 where missing.
    calls : int64 (q,), how many items were scored.
    complete : bool (q,): False where the scorer failed or the time was over, and the answer is the best of what was
        scored until then.
    reasons : for each query why it is not complete, else None.

    Examples
    --------
    >>> ScoredNeighbors(np.float32([-0.5]), np.array([3]), np.int64(20), np.bool_(True), None).rows
    array([3])
    """

    distances: np.ndarray
    rows: np.ndarray
    calls: Any
    complete: Any
    reasons: Any


class CrossEncoder:
    """The ``k`` best items by a black-box scorer, under a budget of scorer calls a query.

    Choose it over scoring the best of a bi-encoder again when more than the first few answers are wanted: re-ranking
    finds nothing that the bi-encoder left out, while here what was scored decides what is scored next. It needs the
    scores of some hundred anchor queries for all items, once: that many calls an item.

    Parameters
    ----------
    noise : how far a score may lie from what the anchor queries explain, in mean squares of their residuals (the ridge
        of the pseudo-inverse); 0 where the scorer is exactly of low rank. None: chosen at the build.
    rounds : how many times a query's scores are looked at to choose what is scored next; 1 is re-ranking. None: chosen.
    start : what the first round scores: "best": what ``first`` or the bi-encoder puts highest (the items that score
        best on average where there is neither); "random": any items, as in ANNCUR; "mixed": half of either. None:
        chosen.
    codec : a :class:`~nearfield.quantize.Codec` for the rows that predictions are made from; None keeps float32. 8 bits
        take a quarter of the memory.
    random_state : draws random starts, and the anchor queries that the choice is measured on.

    Attributes
    ----------
    setting_ : the noise, rounds and start in use.
    trials_ : what was tried for them, with the share of the true best that each found; empty where all were given.

    Notes
    -----
    What is None is chosen by measurement that costs no call: some anchor queries, whose scores are all known, are asked
    as queries of a model of the others. Sources: ANNCUR (Yadav et al., EMNLP 2022), CUR with fixed anchor items;
    AdaCUR (Yadav et al., Findings of EMNLP 2023), anchor items added in rounds. Departures: see
    :mod:`nearfield.index.crossencoder_model`; all calls of a query, not a part of them, condition its predictions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.standard_normal((1000, 5))
    >>> def score(query, rows):        # stands for a network that reads query and item together
    ...     return hidden[rows] @ query
    >>> index = CrossEncoder().build(score, 1000, rng.standard_normal((40, 5)))
    >>> query = rng.standard_normal(5)
    >>> found = index.search([query], 10, budget=50)
    >>> bool((found.rows[0] == np.argsort(-hidden @ query)[:10]).all()), int(found.calls[0])
    (True, 50)
    """

    def __init__(
        self,
        *,
        noise: float | None = None,
        rounds: int | None = None,
        start: str | None = None,
        codec: Codec | None = None,
        random_state: int = 0,
    ):
        self.noise = noise
        self.rounds = rounds
        self.start = start
        self.codec = codec
        self.random_state = random_state

    # -- building ----------------------------------------------------------------------------------------------------

    def build(
        self,
        scorer: Scorer,
        items: Any,
        anchor_queries: Any,
        *,
        item_vectors: Any = None,
        anchor_vectors: Any = None,
        scores: Any = None,
        k: int = 50,
        budget: int | None = None,
        batch: int | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Score the anchor queries against every item; returns self.

        Parameters
        ----------
        scorer : ``score(query, items) -> (n,)``, larger is better, finite. It gets one query and a list (an array of an
            array) of items, or their row numbers.
        items : a sequence of items, of which a reference is kept; or their number, and the scorer gets row numbers.
        anchor_queries : queries of the kind that will be asked: 100 help, 200 to 500 are good, beyond that little is
            gained. At least 2.
        item_vectors, anchor_vectors : float32 (n, d) and (a, d), of a bi-encoder whose inner product goes with the
            score; both or neither. Worth it wherever there is one: fewer calls find the same.
        scores : (a, n) scores that are known already; the scorer is not called.
        k, budget : what the choice is made for: the best ``k`` within so many calls; None: a twentieth of the items.
        batch : items a call; None gives the scorer all at once.
        progress : called after each anchor query with the number done.

        Raises
        ------
        ValueError : the scorer raised, or gave a wrong shape or NaN (says for which anchor query); wrong arguments.
        """
        self._check_parameters()
        _check_scorer(scorer)
        n = count_items(items)
        queries = as_list(anchor_queries, "anchor_queries")
        if len(queries) < 2:
            raise ValueError(f"anchor_queries: expected at least 2, got {len(queries)}")
        if (item_vectors is None) != (anchor_vectors is None):
            raise ValueError("item_vectors, anchor_vectors: expected both or neither, got one")
        check_int(k, "k", 1, native.MAX_K)
        calls = max(k, n // 20) if budget is None else check_int(budget, "budget", k)
        beside = theirs = None
        if item_vectors is not None:
            beside = as_vectors(item_vectors, "item_vectors", n, None)
            theirs = as_vectors(anchor_vectors, "anchor_vectors", len(queries), beside.shape[1])
        if batch is not None:
            check_int(batch, "batch", 1)
        width = len(queries) + 1 + (0 if beside is None else beside.shape[1])
        if width > native.MAX_DIM:
            raise ValueError(
                f"anchor_queries: expected at most {native.MAX_DIM - width + len(queries)}, got {len(queries)}"
            )
        if scores is None:
            known = score_all(scorer, None if is_number(items) else items, n, queries, batch, progress)
        else:
            known = checked_scores(scores, (len(queries), n))
        given = Setting(self.noise, self.rounds, self.start)
        setting, trials = choose(given, known, beside, theirs, k, calls, self.random_state)
        model, rows = ScoreModel.fit(known, beside, theirs)
        self._flat = Flat("ip", codec=self.codec).build(rows)  # the last that may fail
        self._model, self.setting_, self.trials_ = model, setting, trials
        self._serve(scorer, items)
        return self

    def _check_parameters(self) -> None:
        if self.noise is not None:
            check_real(self.noise, "noise", 0.0, 1e6)
        if self.rounds is not None:
            check_int(self.rounds, "rounds", 1, 1000)
        if self.start is not None:
            check_choice(self.start, "start", STARTS)
        if self.codec is not None and not isinstance(self.codec, Codec):
            raise TypeError(f"codec: expected a Codec or None, got {self.codec!r}")
        check_random_state(self.random_state)

    def _serve(self, scorer: Scorer, items: Any) -> None:
        _check_scorer(scorer)
        if count_items(items) != len(self._flat):
            raise ValueError(f"items: expected {len(self._flat)}, got {count_items(items)}")
        self._scorer, self._items = scorer, None if is_number(items) else items

    # -- searching ---------------------------------------------------------------------------------------------------

    def search(
        self,
        queries: Any,
        k: int,
        *,
        budget: int,
        vectors: Any = None,
        first: Any = None,
        allow: np.ndarray | None = None,
        timeout: float | None = None,
        batch: int | None = None,
        on_error: str = "raise",
    ) -> ScoredNeighbors:
        """The ``k`` best items of each query among at most ``budget`` that are scored for it.

        Parameters
        ----------
        queries : a sequence of queries as the scorer takes them; a str is a single one.
        budget : items scored a query, at least ``k``. A twentieth of some thousand items is a good start.
        vectors : float32 (q, d), the bi-encoder's vectors of the queries, where the build was given such.
        first : int (q, m) rows in the order of another search, -1 missing: what "best" and "mixed" starts score first.
        allow : bool (n,) or packed uint64 words: items that may be scored and returned. When they are no more than
            ``budget``, all of them are scored.
        timeout : seconds a query; None waits as long as the scorer takes. When they are over, the answer is the best of
            what was scored, marked as not complete; a call under way goes on in a thread that is left behind, and may
            run beside those of the next query.
        batch : items a call; None gives a round at once, but 64 where there is a timeout.
        on_error : "raise": a scorer that raises or answers with NaN, infinity or a wrong shape is a ValueError, its own
            error the cause. "partial": such a query is answered from what was scored before, marked as not complete.
        """
        flat, single = self._ready(), isinstance(queries, str)
        asked = as_list(queries, "queries")
        check_int(k, "k", 1, native.MAX_K)
        check_int(budget, "budget", k)
        check_choice(on_error, "on_error", _FAILURES)
        if timeout is not None:
            check_real(timeout, "timeout", 0.0, 1e9)
        if batch is not None:
            check_int(batch, "batch", 1)
        beside = self._beside(vectors, len(asked))
        leading = None if first is None else as_leading(first, len(asked), len(flat))
        words = None if allow is None else native.allow_words(allow, len(flat))
        mask = np.ones(len(flat), bool) if words is None else mask_of(words, len(flat))

        shape = (len(asked), k)
        distances, rows = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int64)
        calls, reasons = np.zeros(len(asked), np.int64), np.full(len(asked), None, object)
        for place, query in enumerate(asked):
            deadline = None if timeout is None else time.monotonic() + timeout
            scored = Calls(self._scorer, self._items, query, batch, deadline)
            try:
                self._spend(
                    scored,
                    budget,
                    None if beside is None else beside[place],
                    None if leading is None else leading[place],
                    mask,
                )
            except Stopped as stopped:
                reasons[place] = str(stopped)
                if on_error == "raise" and not stopped.timeout:
                    raise ValueError(f"{stopped} (query {place})") from stopped.__cause__
            best = np.lexsort((scored.rows, -scored.scores))[:k]
            distances[place, : len(best)] = -scored.scores[best]
            rows[place, : len(best)] = scored.rows[best]
            calls[place] = len(scored.rows)
        complete = np.array([reason is None for reason in reasons], bool)
        if single:
            return ScoredNeighbors(distances[0], rows[0], calls[0], complete[0], reasons[0])
        return ScoredNeighbors(distances, rows, calls, complete, list(reasons))

    def estimate(self, query: Any, *, scored: Any, vector: Any = None) -> np.ndarray:
        """Predicted scores of all items for one query, float32 (n,), from the true scores of the rows ``scored``.

        The scorer is called for these rows. To look at how well the anchor queries explain a scorer; a search needs no
        more than the best predictions.
        """
        flat = self._ready()
        chosen = np.unique(np.asarray(scored))
        if chosen.dtype.kind not in "iu" or not len(chosen) or chosen[0] < 0 or chosen[-1] >= len(flat):
            raise ValueError(f"scored: expected row numbers from 0 to {len(flat) - 1}, got {scored!r}")
        beside = self._beside(None if vector is None else [vector], 1)
        calls = Calls(self._scorer, self._items, query, None, None)
        try:
            calls.ask(chosen.astype(np.int64))
        except Stopped as stopped:
            raise ValueError(str(stopped)) from stopped.__cause__
        v, offset = self._condition(calls, None if beside is None else beside[0])
        every = np.concatenate(
            [self._rows(np.arange(at, min(at + 4096, len(flat)))) @ v for at in range(0, len(flat), 4096)]
        )
        return (every + offset).astype(np.float32)

    def _spend(
        self, scored: Calls, budget: int, vector: np.ndarray | None, first: np.ndarray | None, mask: np.ndarray
    ) -> None:
        """Score up to ``budget`` allowed items in rounds."""
        open_, left = mask.copy(), int(mask.sum())
        if left <= budget:
            scored.ask(np.flatnonzero(open_))
            return
        v = self._model.start(vector)
        for number, size in enumerate(sizes_of(self.setting_.rounds, budget)):
            if number:
                v, _ = self._condition(scored, vector)
            rows = self._best(v, size, open_) if number else self._first(v, size, open_, first)
            open_[rows] = False
            scored.ask(rows)

    def _first(self, v: np.ndarray, size: int, open_: np.ndarray, first: np.ndarray | None) -> np.ndarray:
        start = self.setting_.start
        lead = size if start == "best" else size // 2 if start == "mixed" else 0
        chosen = np.empty(0, np.int64)
        if lead and first is not None:
            there = first[first >= 0]
            there = there[open_[there]]
            chosen = there[np.sort(np.unique(there, return_index=True)[1])][:lead]
        rest = open_.copy()
        rest[chosen] = False
        if len(chosen) < lead:
            more = self._best(v, lead - len(chosen), rest)
            rest[more] = False
            chosen = np.concatenate([chosen, more])
        if len(chosen) < size:
            there = np.flatnonzero(rest)
            drawn = np.random.default_rng(self.random_state).permutation(there)[: size - len(chosen)]
            chosen = np.concatenate([chosen, drawn])
        return chosen

    def _best(self, v: np.ndarray, size: int, open_: np.ndarray) -> np.ndarray:
        query = np.asarray(v, np.float32)
        found: list[np.ndarray] = []
        rest = open_
        while size:  # no engine call returns more than MAX_K
            some = min(size, native.MAX_K)
            found.append(self._flat.search(query, some, allow=rest).rows)
            size -= some
            if size:
                rest = rest.copy()
                rest[found[-1]] = False
        return np.concatenate(found)

    def _condition(self, scored: Calls, vector: np.ndarray | None) -> tuple[np.ndarray, float]:
        return self._model.condition(self._rows(scored.rows), scored.scores, vector, self.setting_.noise)

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        return self._flat.codec.decode(self._flat.arrays()["codes"][rows])

    def _beside(self, vectors: Any, count: int) -> np.ndarray | None:
        dim = self._model.dim
        if (vectors is None) != (dim == 0):
            expected = f"(q, {dim}) vectors of the bi-encoder given to build" if dim else "None, as in build"
            raise ValueError(f"vectors: expected {expected}, got {'None' if vectors is None else 'vectors'}")
        return None if vectors is None else as_vectors(vectors, "vectors", count, dim)

    def _ready(self) -> Flat:
        if not hasattr(self, "_flat"):
            raise ValueError("CrossEncoder is empty; call build first")
        return self._flat

    # -- what it is --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._flat) if hasattr(self, "_flat") else 0

    def memory(self) -> dict[str, int]:
        """Bytes: ``codes`` of the rows predictions are made from, and the ``total``; the items are the caller's."""
        held = self._ready().memory()
        return {"codes": held["codes"], "total": held["total"]}

    def __repr__(self) -> str:
        return (
            f"CrossEncoder(noise={self.noise!r}, rounds={self.rounds!r}, start={self.start!r}, codec={self.codec!r}, "
            f"random_state={self.random_state!r})"
        )

    # -- files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> int:
        """Write the index to one file, atomically and durably; returns the bytes. Scorer and items stay outside."""
        from .crossencoder_files import save

        self._ready()
        return save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, scorer: Scorer, items: Any) -> Self:
        """Open a saved index, memory-mapped, with the scorer and the items (or their number) it was built with.

        Raises FileNotFoundError, CorruptFileError, FormatVersionError; ValueError when the number of items differs.
        """
        from .crossencoder_files import load

        index = load(cls, Path(path))
        index._serve(scorer, items)
        return index


def _check_scorer(scorer: Any) -> None:
    if not callable(scorer):
        raise TypeError(f"scorer: expected a function of a query and items, got {type(scorer).__name__}")
