"""What every index shares: vectors -> metric -> transform -> codes, and a second, finer look at the best candidates.

Build: rows are prepared by the metric (cosine: unit length), mapped by the transform, encoded by the codec.
Search: queries take the same way; the ``candidates`` best rows by their codes are scored again, by the finer codec, the
codec's own second level or the caller's vectors, and the ``k`` best of those returned. Without ``rescore`` the codes
decide alone.
"""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import xxhash

from .. import native
from ..common.checks import check_bytes, check_int, check_vectors
from ..common.memory import available_bytes
from ..metric import get_metric
from ..metric.inner_product import InnerProduct
from ..metric.queries import prepared_queries
from ..quantize.codec import Codec
from ..quantize.floats import Float32
from ..quantize.two_level import TwoLevelQuantizer
from ..transform.chain import is_fitted, is_linear, linear_map
from ..transform.linear import LinearMap
from .blocks import block_rows, encode_blocks, fill_rows
from .estimate import BuildMemory, estimate_build

MAX_ROWS = 1 << 31
# Rows that a rescoring codec is fitted on.
_FITTED_ROWS = 1 << 16
# What the core reads as it is.
_KEPT = (np.float32, np.float16)
# How many candidates are scored again when the caller does not say: enough for 4-bit codes to lose nothing visible.
CANDIDATES_PER_K = 4
MIN_CANDIDATES = 32
# So many rows for every candidate, or fewer, are scored by what rescores alone: the first look would save nothing.
_FEW = 4
_PART_OF = {"codes": "codes", "codec": "codes", "rescore": "rescore", "scale": "rescore", "map": "transform"}
_PART_OF |= dict.fromkeys(("centroids", "offsets", "order", "planes", "keys"), "lists")

Progress = Callable[[int], Any]


class Neighbors(NamedTuple):
    """What a search returns: float32 ``(q, k)`` distances, ascending, and int64 ``(q, k)`` row numbers.

    A single query ``(d,)`` is answered with shape ``(k,)``. Missing rows are -1 with distance ``+inf``.

    Examples
    --------
    >>> Neighbors(np.float32([0.5]), np.array([3])).rows
    array([3])
    """

    distances: np.ndarray
    rows: np.ndarray


class Index(ABC):
    """The interface of every index: :class:`Flat` scans, :class:`Graph` walks, :class:`IVF` reads lists,
    :class:`Hash` buckets. For several vectors a document there is :class:`MultiVector`, over any of them.

    Parameters
    ----------
    metric : "cosine", "ip" or "l2".
    transform : a fitted :class:`~nearfield.transform.LinearMap`, an estimator with ``export()`` such as
        :class:`~nearfield.transform.PCA` (fitted on the prepared rows when it is not yet), a scikit-learn Pipeline of
        such, which becomes one map, or None. One with a true attribute ``fits_queries``, such as
        :class:`~nearfield.transform.LeanVec`, is fitted with ``fit(rows, queries=...)`` when the build is given some.
    codec : a :class:`~nearfield.quantize.Codec`, unfitted; None keeps float32.
    rescore : how the best candidates are scored again: None; a codec, over all dimensions; "residual": the second
        level of a :class:`~nearfield.quantize.TwoLevelQuantizer`, which must be the ``codec``; or "vectors": the array
        given to :meth:`build`, of which the index keeps a reference (it may be memory-mapped), not a copy.

    Examples
    --------
    >>> from nearfield.index import Flat
    >>> isinstance(Flat("l2"), Index)
    True
    """

    kind: ClassVar[str]
    _gathers: ClassVar[bool] = False  # all mapped rows at once, to fit the codec and more

    def __init__(
        self,
        metric: Any = "cosine",
        *,
        transform: Any = None,
        codec: Codec | None = None,
        rescore: Codec | str | None = None,
    ):
        self.metric = get_metric(metric)
        if transform is not None and not is_linear(transform):
            raise TypeError(
                f"transform: expected None, a LinearMap or an estimator with export(), or a Pipeline, got {transform!r}"
            )
        if codec is not None and not isinstance(codec, Codec):
            raise TypeError(f"codec: expected a Codec or None, got {codec!r}")
        if not (rescore is None or isinstance(rescore, Codec) or rescore in ("vectors", "residual")):
            raise ValueError(f"rescore: expected None, a Codec, 'residual' or 'vectors', got {rescore!r}")
        if rescore == "residual" and not isinstance(codec, TwoLevelQuantizer):
            raise ValueError(f"codec: expected a TwoLevelQuantizer with rescore='residual', got {codec!r}")
        self.transform = transform
        self._fits_transform = not is_fitted(transform)
        # Codecs are fitted by the build; copies, so that one given to two indexes does not serve the wrong one.
        self.codec: Codec = copy.copy(codec) if codec is not None else Float32()
        self.rescore = copy.copy(rescore)
        self._n = 0
        self._dim = 0
        self._map: LinearMap | None = None
        self._reduces = False
        self._codes: np.ndarray
        self._space: native.Space
        self._second: native.Space | None = None
        self._second_codes: np.ndarray | None = None
        self._scale: np.ndarray | None = None
        self._vectors: np.ndarray | None = None
        self._sample: np.ndarray | None = None

    # -- building ----------------------------------------------------------------------------------------------------

    def build(
        self, vectors: Any, *, queries: Any = None, memory: int | str | None = None, progress: Progress | None = None
    ) -> Self:
        """Index ``vectors``, ``(n, d)`` with n >= 1; returns self.

        Parameters
        ----------
        vectors : float32 or float16; may be memory-mapped, and is read in blocks. Other types are converted where no
            value changes. No rows are refused: codes have nothing to be fitted on. A :class:`~nearfield.Store` may be
            empty.
        queries : float32 (q, d), a few thousand queries of the kind that will be asked, without answers: a transform
            that can use them is fitted to them. A scan has no other use for them.
        memory : most bytes the build may take beside ``vectors``, as a number or "2GB". A build that needs more (see
            :meth:`estimate_build`) is refused with a MemoryError, which names both, before anything is allocated. None
            means what the system says is available: the machine's, or that of the container.
        progress : called now and then with the number of rows done.

        Notes
        -----
        Interrupting leaves the index unbuilt; what is refused leaves it as it was.
        """
        raw = self._check_shape(vectors)
        self._sample = self._check_sample(raw, queries)
        try:
            self._check_memory(raw, memory)
            return self._build(self._check_rows(raw), progress)
        finally:
            self._sample = None

    def _check_sample(self, vectors: Any, queries: Any) -> np.ndarray | None:
        if queries is None:
            return None
        dim = np.shape(vectors)[1] if np.ndim(vectors) == 2 else None
        sample, _ = check_vectors(queries, "queries", dim=dim, nonzero=self.metric.nonzero)
        return sample if len(sample) else None

    def _build(self, raw: np.ndarray, progress: Progress | None) -> Self:
        self._n, self._scale = 0, None
        self._fit_transform(raw)
        self._dim = raw.shape[1]
        self._attach(self._encode(raw, progress))
        self._attach_second(raw)
        self._link(raw if self.codec.coarse else None, progress)
        if progress is not None:
            progress(len(raw))
        self._n = len(raw)
        return self

    def _encode(self, raw: np.ndarray, progress: Progress | None) -> np.ndarray:
        """The codes of all rows, in the order in which the index keeps them; rescoring keeps the caller's."""
        return encode_blocks(self.codec, partial(self._mapped, raw), len(raw))

    def estimate_build(self, n: int, dim: int, *, threads: int | None = None, queries: int = 0) -> BuildMemory:
        """What a build of ``n`` rows of ``dim`` dimensions will take, found without allocating: :class:`BuildMemory`.

        ``threads`` are those that build, ``queries`` how many sample queries it is given. Within a tenth of what was
        measured on 115,659 x 384 and 60,000 x 784 rows, codes of 8 and 4 bits, both layouts, with and without PCA. For
        the fast layout without ``link_dims``, which chooses them by the rows, it is the most that can come of it.
        """
        return estimate_build(self, n, dim, threads=threads, queries=queries)

    def _check_shape(self, vectors: Any) -> np.ndarray:
        raw = np.asarray(vectors)
        if raw.ndim != 2:
            raise ValueError(f"vectors: expected shape (n, d), got {raw.shape}")
        if raw.shape[1] > native.MAX_DIM:
            raise ValueError(f"vectors: expected at most {native.MAX_DIM} dimensions, got {raw.shape[1]}")
        if len(raw) < 1:
            raise ValueError("vectors: expected at least 1 row, got 0")
        if len(raw) >= MAX_ROWS:
            raise ValueError(f"vectors: expected fewer than 2**31 rows, got {len(raw)}")
        if raw.shape[1] == 0:
            raise ValueError("vectors: expected at least 1 dimension, got 0")
        return raw

    def _check_memory(self, raw: np.ndarray, memory: int | str | None) -> None:
        needed = self.estimate_build(*raw.shape, queries=0 if self._sample is None else len(self._sample)).peak
        if self.rescore == "vectors" and (raw.dtype not in _KEPT or not raw.flags.c_contiguous):
            needed += 4 * raw.size
        allowed = available_bytes() if memory is None else check_bytes(memory, "memory")
        if allowed is not None and needed > allowed:
            who = "the system has available" if memory is None else "memory allows"
            raise MemoryError(
                f"vectors: building {type(self).__name__} over {raw.shape[0]} x {raw.shape[1]} needs about "
                f"{needed:,} bytes at its peak, {who} {allowed:,}; fewer bits, dimensions or links need less"
            )

    def _graph_phases(self, n: int, dim: int, threads: int, queries: int) -> list[dict[str, int]]:
        """What links take while they are built; see :mod:`nearfield.index.estimate`."""
        return []

    def _check_rows(self, raw: np.ndarray) -> np.ndarray:
        """Every row checked; the array itself, or float32 of it where an index goes on reading it as it is."""
        step = block_rows(raw.shape[1])
        for start in range(0, len(raw), step):
            check_vectors(raw[start : start + step], "vectors", nonzero=self.metric.nonzero, first_row=start)
        if self.rescore == "vectors" and raw.dtype not in _KEPT:
            return raw.astype(np.float32)
        return np.ascontiguousarray(raw) if self.rescore == "vectors" else raw

    def _prepared(self, raw: np.ndarray, limit: int | None = None) -> Iterator[np.ndarray]:
        """The first ``limit`` rows, prepared by the metric, in blocks: float32 (n_i, d)."""
        step = block_rows(raw.shape[1])
        end = len(raw) if limit is None else min(limit, len(raw))
        for start in range(0, end, step):
            yield self.metric.prepare_base(raw[start : min(start + step, end)])

    def _reduced(self, raw: np.ndarray) -> Iterator[np.ndarray]:
        """Prepared rows, and where links go by Euclidean distance, reduced to it: float32 (n_i, d or d + 1)."""
        if not (self._reduces and isinstance(self.metric, InnerProduct)):
            yield from self._prepared(raw)
            return
        squares = (np.einsum("ij,ij->i", block, block, dtype=np.float64).max() for block in self._prepared(raw))
        longest = float(np.sqrt(max(squares)))
        for block in self._prepared(raw):
            yield self.metric.reduce_base(block, max_norm=longest)

    def _fit_transform(self, raw: np.ndarray) -> None:
        self._map = None
        if self.transform is None:
            return
        if self._fits_transform:
            self._fit_to(raw)
        self._map = linear_map(self.transform)
        self._check_map()

    def _fit_to(self, raw: np.ndarray) -> None:
        """Fit the transform to the rows, and to the sample queries where it can use them."""
        sample = self._sample if getattr(self.transform, "fits_queries", False) else None
        if hasattr(self.transform, "fit_blocks") and sample is None:
            self.transform.fit_blocks(self._reduced(raw))
            return
        prepared = np.concatenate(list(self._reduced(raw)))
        if sample is not None:
            self.transform.fit(prepared, queries=self._prepared_queries(sample))
        else:
            self.transform.fit(prepared)

    def _mapped(self, raw: np.ndarray) -> Iterator[np.ndarray]:
        """Rows as the codec gets them, in blocks: prepared, reduced and transformed, float32 (n_i, d').

        They are computed again for each use: all of them at once would take several times the memory of their codes.
        """
        for block in self._reduced(raw):
            yield block if self._map is None else self._transformed(block)

    def _check_map(self) -> None:
        if self._map is not None and self._map.queries is not None and self.metric.native == "l2":
            raise ValueError(
                "transform: expected one map for rows and queries under metric 'l2', got a map of their own for "
                "queries; two maps keep inner products, not Euclidean distances (LeanVec: choose method='shared')"
            )

    def _transformed(self, prepared: np.ndarray, *, queries: bool = False) -> np.ndarray:
        """Mapped rows, under cosine at unit length again: what the map dropped is no part of the angle it leaves.

        On 117,659 sentence vectors, 384 -> 128 dimensions, the truth inside the best 64 rises from 0.990 to 0.995, and
        with queries from elsewhere from 0.81 to 0.89. Where queries have a map of their own it is the same (384 -> 160,
        best 30, queries from elsewhere: 0.968 with lengths kept, 0.980 at unit length; queries like the rows: 0.982
        and 0.995): both maps have orthonormal rows, so that a short image means a bad one, not a far one.
        """
        assert self._map is not None
        mapped = self._map.transform_queries(prepared) if queries else self._map.transform(prepared)
        if self.metric.nonzero:
            lengths = np.sqrt(np.einsum("ij,ij->i", mapped, mapped))
            mapped /= np.where(lengths > 0, lengths, np.float32(1))[:, None]
        return mapped

    def _attach(self, codes: np.ndarray) -> None:
        self._codes = codes
        self._space = self.codec.space(codes)

    def _attach_second(self, raw: np.ndarray | None) -> None:
        if self.rescore is None:
            return
        if self.rescore == "residual":
            codec = self.codec
            assert isinstance(codec, TwoLevelQuantizer)
            if raw is not None:
                self._second_codes = np.empty((len(raw), codec.residual_bytes_per_vector), np.uint8)
                fill_rows(self._second_codes, map(codec.encode_residual, self._mapped(raw)))
            assert self._second_codes is not None
            self._second = codec.residual_space(self._codes, self._second_codes)
            return
        if isinstance(self.rescore, Codec):
            if raw is not None:
                # The mean of the first rows serves as well as the mean of all: it only centres the grid.
                self.rescore.fit_blocks(self._prepared(raw, _FITTED_ROWS))
                self._second_codes = encode_blocks(self.rescore, partial(self._prepared, raw), len(raw), fit=False)
            assert self._second_codes is not None
            self._second = self.rescore.space(self._second_codes)
            return
        if raw is None:
            raise ValueError("vectors: this index rescores with the caller's vectors; pass them")
        self._vectors = raw
        if self.metric.nonzero and self._scale is None:
            self._scale = np.empty(len(raw), np.float32)
            step = block_rows(raw.shape[1])
            for start in range(0, len(raw), step):
                block = raw[start : start + step].astype(np.float32, copy=False)
                lengths = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
                self._scale[start : start + step] = 1.0 / lengths
        self._second = native.make_space(
            "f32" if raw.dtype == np.float32 else "f16", raw, raw.shape[1], scale=self._scale
        )

    @abstractmethod
    def _link(self, raw: np.ndarray | None, progress: Progress | None) -> None:
        """Whatever a kind of index builds on top of the codes; ``raw`` are the caller's rows, for coarse ones."""

    # -- searching ---------------------------------------------------------------------------------------------------

    def _queries(self, queries: Any) -> tuple[np.ndarray, np.ndarray, bool]:
        """(queries for the codes, queries for rescoring, single)."""
        mapped, prepared, single = self._mapped_queries(queries)
        asked = self.codec.prepare_queries(mapped)
        return asked, asked if self.rescore == "residual" else prepared, single

    def _mapped_queries(self, queries: Any) -> tuple[np.ndarray, np.ndarray, bool]:
        """(queries mapped as rows are before they are encoded, queries for rescoring, single)."""
        if not self._n:
            raise ValueError(f"{type(self).__name__} is empty; call build first")
        checked, prepared, single = prepared_queries(queries, self.metric, self._dim)
        mapped = self._map_queries(checked, prepared)
        if isinstance(self.rescore, Codec):
            prepared = self.rescore.prepare_queries(prepared)
        return mapped, prepared, single

    def _map_queries(self, checked: np.ndarray, prepared: np.ndarray | None = None) -> np.ndarray:
        """Checked queries as rows are once transformed; ``prepared`` by the metric if they are already."""
        mapped = self._prepared_queries(checked, prepared)
        return np.ascontiguousarray(mapped if self._map is None else self._transformed(mapped, queries=True))

    def _prepared_queries(self, checked: np.ndarray, prepared: np.ndarray | None = None) -> np.ndarray:
        """Checked queries in the frame of :meth:`_reduced` rows."""
        if self._reduces and isinstance(self.metric, InnerProduct):
            return self.metric.reduce_queries(checked)
        return self.metric.prepare_queries(checked) if prepared is None else prepared

    def _candidates(self, k: int, candidates: int | None) -> int:
        if self._second is None:
            return 0
        if candidates is None:
            return max(CANDIDATES_PER_K * k, MIN_CANDIDATES)
        return max(check_int(candidates, "candidates", 1, native.MAX_K), k)

    def _answer(self, found: native.Scores, k: int, single: bool) -> Neighbors:
        distances = self.metric.distances_from_scores(found.scores)
        if single:
            return Neighbors(distances[0], found.rows[0])
        return Neighbors(distances, found.rows)

    def _scan(
        self,
        mapped: np.ndarray,
        prepared: np.ndarray,
        k: int,
        candidates: int,
        allow: np.ndarray | None,
        threads: int | None,
    ) -> native.Scores:
        metric = self.metric.native
        if self._second is None:
            return native.scan(self._space, mapped, k, metric=metric, allow=allow, threads=threads)
        candidates = max(k, candidates)
        words = None if allow is None else native.allow_words(allow, self._n)
        if (self._n if words is None else native.count_bits(words)) <= _FEW * candidates:
            return native.scan(self._second, prepared, k, metric=metric, allow=words, threads=threads)
        found = native.scan(self._space, mapped, candidates, metric=metric, allow=words, threads=threads)
        return native.rescore(self._second, prepared, found.rows, k, metric=metric, threads=threads)

    # -- what it is --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._n

    @property
    def dim(self) -> int:
        """Dimensions of the vectors it was built from."""
        return self._dim

    def memory(self) -> dict[str, int]:
        """Bytes: ``codes``, ``graph``, ``lists``, ``rescore``, ``transform``, their sum ``total`` (resident), and
        ``mapped`` (the caller's vectors, when they rescore: read at random, but the system may drop them)."""
        arrays = self.arrays() if self._n else {}
        parts = dict.fromkeys(("codes", "graph", "lists", "rescore", "transform"), 0)
        for name, array in arrays.items():
            parts[_PART_OF.get(name.split(".")[0], "graph")] += array.nbytes
        mapped = self._vectors.nbytes if self._vectors is not None else 0
        return {**parts, "total": sum(parts.values()), "mapped": mapped}

    def digest(self) -> str:
        """A fingerprint of everything a search depends on: equal for equal builds, whatever the number of threads."""
        state = xxhash.xxh3_64(json.dumps(self.meta(), sort_keys=True).encode())
        for name, array in sorted(self.arrays().items()):
            state.update(f"{name} {array.dtype.str} {array.shape}".encode())
            state.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
        return str(state.hexdigest())

    # -- files -------------------------------------------------------------------------------------------------------

    def _own_arrays(self) -> dict[str, np.ndarray]:
        return {}

    def _own_meta(self) -> dict[str, Any]:
        return {}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take what :meth:`_own_arrays` gave, from a file; ValueError when it contradicts itself or the codes."""
        return

    def meta(self) -> dict[str, Any]:
        """What a file of this index says of it, beside the arrays: its kind, shape and parameters, as JSON."""
        return {
            "index": self.kind,
            "n": len(self),
            "dim": self.dim,
            "metric": self.metric.name,
            "codec": self.codec.to_dict(),
            "rescore": self.rescore.to_dict() if isinstance(self.rescore, Codec) else self.rescore,
            "parameters": self._own_meta(),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything a file of this index holds, as named arrays."""
        if not self._n:
            raise ValueError(f"{type(self).__name__} is empty; call build first")
        arrays = {"codes": self._codes, **self._own_arrays()}
        arrays |= {f"codec.{name}": array for name, array in self.codec.to_arrays().items()}
        if self._map is not None:
            arrays |= {f"map.{name}": array for name, array in self._map.to_arrays().items()}
        if self._second_codes is not None:
            arrays["rescore"] = self._second_codes
        if isinstance(self.rescore, Codec):
            arrays |= {f"rescore.{name}": array for name, array in self.rescore.to_arrays().items()}
        if self._scale is not None:
            arrays["scale"] = self._scale
        return arrays

    def save(self, path: str | Path) -> int:
        """Write the index to one file, atomically and durably; returns the bytes. The caller's vectors stay outside."""
        from .files import save

        return save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, vectors: np.ndarray | None = None, check: bool = True) -> Self:
        """Open a saved index, memory-mapped. ``vectors`` are needed when it rescores with them.

        Raises FileNotFoundError, CorruptFileError, FormatVersionError; ValueError when the vectors do not fit.
        """
        from .files import load

        index = load(path, vectors=vectors, check=check)
        if not isinstance(index, cls):
            raise ValueError(f"path: expected a {cls.__name__} index, {path} holds a {type(index).__name__}")
        return index

    def __repr__(self) -> str:
        parts = [repr(self.metric.name)]
        if self.transform is not None:
            parts.append(f"transform={self.transform!r}")
        parts.append(f"codec={self.codec!r}")
        if self.rescore is not None:
            parts.append(f"rescore={self.rescore!r}")
        parts += [f"{name}={value!r}" for name, value in self._own_meta().items()]
        return f"{type(self).__name__}({', '.join(parts)})"
