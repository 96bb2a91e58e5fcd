"""The index of an MTEB run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import native
from ..common.checks import check_choice, check_int, check_real, check_vectors
from ..index import Flat, Graph
from ..metric import get_metric
from ..tune import Plan, tune

if TYPE_CHECKING:
    from ..index import IVF

# What MTEB calls the similarity of a model -> our metric.
_SIMILARITIES = {"cosine": "cosine", "dot": "ip", "euclidean": "l2"}
_TUNED_FOR = 10


class MTEBIndex:
    """An ``IndexEncoderSearchProtocol`` of MTEB: retrieval and reranking tasks searched by our index.

    Give it to MTEB's ``SearchEncoderWrapper(model, index_backend=MTEBIndex(model))``, and run any task with that as the
    model. By default it scans exactly, a corpus of any size in one piece, so that scores are those of the model. With
    ``recall`` an index is tuned as it would be in service: the scores are then those of the model *and* the index.
    Needs ``pip install 'nearfield[mteb]'`` for MTEB itself; this class imports nothing of it.

    Parameters
    ----------
    model : the model, whose metadata say how its vectors are compared; or None with ``metric``.
    metric : "cosine", "ip" or "l2"; None takes the model's, and cosine without a model.
    recall : None scans exactly; else of the ten nearest, in (0, 1], as in :func:`nearfield.tune.tune`.
    memory : most bytes of the index, such as "200MB"; only with ``recall``.
    random_state : seed of the tuning.

    Attributes
    ----------
    plan : what the tuner found for the last corpus; None when it was scanned.

    Notes
    -----
    Indices are positions in the corpus, and in reranking those in the list of candidates, as MTEB's wrapper reads them
    (2.26; the docstring of its protocol says corpus for both). Similarities are larger for nearer: the cosine, the
    inner product, or the Euclidean distance below zero.

    Examples
    --------
    >>> index = MTEBIndex(metric="ip")
    >>> index.add_documents(np.float32([[1, 0], [0, 2]]), ["a", "b"])
    >>> index.search(np.float32([[1, 1]]), 2, None)
    ([[2.0, 1.0]], [[1, 0]])
    >>> index.clear()
    """

    def __init__(
        self,
        model: Any = None,
        *,
        metric: str | None = None,
        recall: float | None = None,
        memory: int | str | None = None,
        random_state: int = 0,
    ):
        self.metric = get_metric(_metric_of(model) if metric is None else check_choice(metric, "metric", _METRICS))
        self.recall = None if recall is None else check_real(recall, "recall", 0.0, 1.0, open_low=True)
        if memory is not None and recall is None:
            raise ValueError(f"memory: expected None where recall is None, for an exact scan, got {memory!r}")
        self.memory = memory
        self.random_state = random_state
        self.plan: Plan | None = None
        self._parts: list[np.ndarray] = []
        self._ids: list[str] = []
        self._rows: np.ndarray | None = None
        self._index: Flat | Graph | IVF | None = None
        self._scale: np.ndarray | None = None

    def add_documents(self, embeddings: Any, idxs: Sequence[str]) -> None:
        """Take documents, their vectors (n, d) and ids; as often as wanted. The index is made by the next search."""
        rows = self._checked(embeddings, "embeddings")
        ids = list(idxs)
        if len(ids) != len(rows):
            raise ValueError(f"idxs: expected one id per vector, got {len(ids)} ids for {len(rows)} vectors")
        if self._parts and self._parts[0].shape[1] != rows.shape[1]:
            raise ValueError(f"embeddings: expected {self._parts[0].shape[1]} dimensions, got {rows.shape[1]}")
        self._parts.append(rows)
        self._ids += ids
        self._rows = self._index = self._scale = None

    def search(
        self,
        embeddings: Any,
        top_k: int,
        similarity_fn: Callable[[Any, Any], Any] | None,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        query_idx_to_id: Mapping[int, str] | None = None,
    ) -> tuple[list[list[float]], list[list[int]]]:
        """Similarities and indices of the ``top_k`` best documents of each query, the best first.

        Parameters
        ----------
        embeddings : the queries' vectors (q, d).
        top_k : how many documents; fewer come back where there are not so many.
        similarity_fn : MTEB's; not called, since the metric is known.
        top_ranked : query id -> ids of the documents to rank, for reranking tasks; needs ``query_idx_to_id``.
        query_idx_to_id : number of a query -> its id.
        """
        check_int(top_k, "top_k", 1)
        if not self._parts:
            raise ValueError("embeddings: no documents to search; call add_documents first")
        if self._rows is None:
            self._rows = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
            self._parts = [self._rows]
        queries = self._checked(embeddings, "embeddings")
        if top_ranked is not None:
            if query_idx_to_id is None:
                raise ValueError("query_idx_to_id: expected a dict beside top_ranked, got None")
            return self._rerank(queries, top_k, top_ranked, query_idx_to_id)
        k = min(top_k, len(self._rows), native.MAX_K)
        distances, rows = self._scan(queries, k) if self.recall is None else self._search(queries, k)
        there = rows >= 0
        scores = self._similarities(distances)
        return (
            [score[here].tolist() for score, here in zip(scores, there, strict=True)],
            [row[here].tolist() for row, here in zip(rows, there, strict=True)],
        )

    def clear(self) -> None:
        """Forget all documents."""
        self._parts, self._ids = [], []
        self._rows = self._index = self._scale = None

    def _scan(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        assert self._rows is not None
        if self.metric.nonzero and self._scale is None:
            self._scale = (1 / np.linalg.norm(self._rows.astype(np.float64), axis=1)).astype(np.float32)
        prepared = self.metric.prepare_queries(queries)
        found = native.exact_search(self._rows, prepared, k, metric=self.metric.native, scale=self._scale)
        return self.metric.distances_from_scores(found.scores), found.rows

    def _search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        assert self._rows is not None and self.recall is not None
        if self._index is None:
            self.plan = tune(
                self._rows,
                metric=self.metric,
                recall=self.recall,
                memory=self.memory,
                k=min(_TUNED_FOR, len(self._rows)),
                random_state=self.random_state,
            )
            self._index = self.plan.build(self._rows, random_state=self.random_state)
        assert self.plan is not None
        return self._index.search(queries, k, **self.plan.recipe.search_settings())

    def _rerank(
        self,
        queries: np.ndarray,
        top_k: int,
        top_ranked: Mapping[str, Sequence[str]],
        query_idx_to_id: Mapping[int, str],
    ) -> tuple[list[list[float]], list[list[int]]]:
        assert self._rows is not None
        where = {identifier: row for row, identifier in enumerate(self._ids)}
        values: list[list[float]] = []
        places: list[list[int]] = []
        for number, query in enumerate(queries):
            ranked = top_ranked.get(query_idx_to_id[number]) or []
            unknown = [identifier for identifier in ranked if identifier not in where]
            if unknown:
                raise ValueError(f"top_ranked: expected ids of documents that were added, got {unknown[0]!r}")
            rows = self._rows[[where[identifier] for identifier in ranked]]
            scores = self._similarities(self.metric.to_many(query, rows)) if ranked else np.empty(0, np.float32)
            best = np.argsort(-scores, kind="stable")[:top_k]
            values.append(scores[best].tolist())
            places.append(best.tolist())
        return values, places

    def _similarities(self, distances: np.ndarray) -> np.ndarray:
        return 1 - distances if self.metric.name == "cosine" else -distances

    def _checked(self, embeddings: Any, name: str) -> np.ndarray:
        """Vectors of torch or NumPy as float32 (n, d)."""
        if hasattr(embeddings, "detach"):
            embeddings = embeddings.detach().cpu().float().numpy()
        array = np.asarray(embeddings)
        if array.dtype.kind == "f":
            array = array.astype(np.float32, copy=False)
        rows, single = check_vectors(array, name, nonzero=self.metric.nonzero)
        if single:
            raise ValueError(f"{name}: expected shape (n, d), got {array.shape}")
        return rows


_METRICS = tuple(_SIMILARITIES.values())


def _metric_of(model: Any) -> str:
    """The metric of a model by its metadata."""
    if model is None:
        return "cosine"
    said = getattr(getattr(model, "mteb_model_meta", None), "similarity_fn_name", None)
    name = getattr(said, "value", said)
    if name not in _SIMILARITIES:
        raise ValueError(
            f"model: expected one whose similarity is one of {', '.join(_SIMILARITIES)}, got {name!r}; say metric="
        )
    return _SIMILARITIES[name]
