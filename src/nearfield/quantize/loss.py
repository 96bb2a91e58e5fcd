"""What a codec loses: of the vectors, of the ranking of neighbours, and of the inner product on average."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_choice, check_int, check_random_state, check_vectors
from ..common.held_out import hold_out
from ..common.interval import recall_interval
from .codec import Codec
from .two_level import TwoLevelQuantizer

_ROWS = 8192


@dataclass(frozen=True)
class CodecLoss:
    """What :func:`codec_loss` measured.

    Attributes
    ----------
    bytes_per_vector : of a code row.
    reconstruction : squared error of the decoded rows, as a share of the rows' own squared length.
    recall : mean share of the exact ``k`` nearest rows found among the ``k`` nearest by the codes alone.
    recall_low, recall_high : its 95% confidence interval over queries like these.
    bias : mean of the codes' inner product minus the true one, over each query's exact ``k`` nearest rows.
    bias_low, bias_high : its 95% confidence interval over queries like these.
    k, queries : neighbours asked for, and queries measured.

    Examples
    --------
    >>> print(CodecLoss(400, 2e-5, 0.98, 0.97, 0.99, 0.0, -1e-5, 1e-5, k=10, queries=500))
    400 bytes, error 2e-05, recall@10 0.980 [0.970, 0.990], bias +0.00000 [-0.00001, +0.00001] over 500 queries
    """

    bytes_per_vector: int
    reconstruction: float
    recall: float
    recall_low: float
    recall_high: float
    bias: float
    bias_low: float
    bias_high: float
    k: int
    queries: int

    @property
    def loss(self) -> float:
        """``1 - recall``."""
        return 1.0 - self.recall

    def __str__(self) -> str:
        return (
            f"{self.bytes_per_vector} bytes, error {self.reconstruction:.3g}, "
            f"recall@{self.k} {self.recall:.3f} [{self.recall_low:.3f}, {self.recall_high:.3f}], "
            f"bias {self.bias:+.5f} [{self.bias_low:+.5f}, {self.bias_high:+.5f}] over {self.queries} queries"
        )


def codec_loss(
    codec: Codec,
    vectors: Any,
    queries: Any = None,
    k: int = 10,
    metric: str = "cosine",
    *,
    residual: bool = False,
    random_state: int = 0,
) -> CodecLoss:
    """Measure what ``codec`` loses when nothing is rescored afterwards.

    Choose it over the reconstruction error alone whenever the codes are to be searched: two codecs of equal error may
    rank differently. With rescoring a search loses less (:func:`nearfield.tune.tune` measures that).

    Parameters
    ----------
    codec : fitted, or not: then a copy is fitted on the base. One fitted before must have been fitted on vectors as
        they are measured here: of unit length under cosine.
    vectors : (n, d) the base; at least ``k`` rows beyond those held out. 20,000 rows tell codecs apart.
    queries : (q, d) queries as they will come. None holds out up to 500 rows of ``vectors`` (at most a fifth).
    k : neighbours per query.
    metric : "cosine" (rows and queries are brought to unit length first), "ip" or "l2".
    residual : of a :class:`TwoLevelQuantizer`, measure both levels together; otherwise the first alone.
    random_state : seed of the choice of rows held out.

    Returns
    -------
    CodecLoss : reconstruction error, recall and bias, the latter two with intervals. The bias is taken at the
        nearest rows, since it is there that a codec which shrinks its rows underrates the inner product most.

    Raises
    ------
    ValueError : vectors or queries that do not fit the codec, are not finite, or are zero under cosine; ``k`` above
        the number of base rows.

    Examples
    --------
    >>> from nearfield.quantize import ScalarQuantizer
    >>> X = np.random.default_rng(0).standard_normal((600, 64), np.float32)
    >>> eight, four = (codec_loss(ScalarQuantizer(bits), X) for bits in (8, 4))
    >>> eight.recall > 0.97, eight.recall > four.recall, eight.reconstruction < four.reconstruction
    (True, True, True)
    """
    if not isinstance(codec, Codec):
        raise TypeError(f"codec: expected a Codec, got {codec!r}")
    if residual and not isinstance(codec, TwoLevelQuantizer):
        raise ValueError(f"codec: expected a TwoLevelQuantizer with residual=True, got {codec!r}")
    check_choice(metric, "metric", ("cosine", "ip", "l2"))
    cosine = metric == "cosine"
    dim = getattr(codec, "dim_", None)
    base, _ = check_vectors(vectors, "vectors", dim=dim, nonzero=cosine, min_rows=2)
    if queries is None:
        asked, base = hold_out(base, check_random_state(random_state))
    else:
        asked, _ = check_vectors(queries, "queries", dim=base.shape[1], nonzero=cosine, min_rows=1)
    k = check_int(k, "k", 1, len(base))
    if cosine:
        base, asked = _unit(base), _unit(asked)
    kind = "l2" if metric == "l2" else "ip"
    if dim is None:
        codec = copy.copy(codec).fit(base)
    codes, size = codec.encode(base), codec.bytes_per_vector
    space, decode = codec.space(codes), lambda part: codec.decode(codes[part])
    if isinstance(codec, TwoLevelQuantizer) and residual:
        both, second = codec, codec.encode_residual(base)
        space, decode = both.residual_space(codes, second), lambda part: both.decode_both(codes[part], second[part])
        size += both.residual_bytes_per_vector
    prepared = codec.prepare_queries(asked)
    truth = native.exact_search(base, asked, k, metric=kind).rows
    found = native.scan(space, prepared, k, metric=kind).rows
    errors = []
    for query, ready, rows in zip(asked, prepared, truth, strict=True):
        coded = -native.score(space, ready[None], rows, metric="ip")[0].astype(np.float64)
        errors.append(float((coded - base[rows].astype(np.float64) @ query).mean()))
    recall, bias = recall_interval(truth, found), _error_interval(np.array(errors))
    return CodecLoss(size, _reconstruction(decode, base), *recall, *bias, k=k, queries=len(asked))


def _error_interval(errors: np.ndarray) -> tuple[float, float, float]:
    """Mean with its 95% confidence interval from the spread over queries; one query tells nothing of the spread."""
    mean, n = float(errors.mean()), len(errors)
    half = 1.96 * float(errors.std(ddof=1)) / float(np.sqrt(n)) if n > 1 else float("inf")
    return mean, mean - half, mean + half


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return (vectors / lengths[:, None]).astype(np.float32)


def _reconstruction(decode: Callable[[slice], np.ndarray], base: np.ndarray) -> float:
    error = total = 0.0
    for start in range(0, len(base), _ROWS):
        rows = base[start : start + _ROWS].astype(np.float64)
        error += float(((decode(slice(start, start + _ROWS)) - rows) ** 2).sum())
        total += float((rows**2).sum())
    return error / total if total > 0 else error
