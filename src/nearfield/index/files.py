"""An index as one file: an array container of kind ``index`` (see :mod:`nearfield.common.container`).

======================  ===============  =====================================================================
array                   dtype            content
======================  ===============  =====================================================================
``codes``               codec            code rows, (n, bytes or dimensions); by list where there are lists
``codec.*``             float32, int32   what the codec fitted, such as ``codec.center`` (d,)
``map.matrix``          float32          the transform, (d', d), with ``map.offset`` (d,); absent without one
``map.queries``         float32          what queries are multiplied with instead, (d', d); absent when the same
``rescore``             codec            finer code rows, with ``rescore.*``, or the second level of ``codes``; absent
                                         without them
``scale``               float32          1 / length of the caller's vectors (n,), when those rescore under cosine
``neighbors``           uint32           links (n, degree), ended by 2**32 - 1; graphs only
``entries``             uint32           where walks begin; graphs only
``signs``               uint8            packed signs of links (n, bytes); fast graphs only, with ``signs.units``
                                         (2,), ``signs.center`` (d',) and, where codes are made along
                                         few directions, ``signs.projection`` (8-bit code rows)
``centroids``           float32          one a list (lists, d'); inverted files only, as are the next two
``offsets``             uint32           where each list begins among the code rows, and n (lists + 1,)
``order``               uint32           the caller's number of each code row, a permutation (n,); of hash tables,
                                         the rows of each by their buckets (tables, n)
``keys``                uint32           the bucket of each row of ``order``, ascending (tables, n); hashes only
``planes.*``            float32          hyperplanes: ``planes.matrix`` (tables * bits, d' or, under inner product,
                                         d' + 1), ``planes.offset``, the mean of the rows
======================  ===============  =====================================================================

Version 1. ``meta`` holds the kind of index, n, dim, metric, and the parameters of codec, rescore, graph, lists
and tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_int
from ..common.container import read_container, write_container
from ..common.decoding import decoding
from ..quantize.codec import Codec, codec_from_dict
from ..transform.linear import LinearMap
from .base import MAX_ROWS, Index

VERSION = 1


def save(index: Index, path: Path) -> int:
    """Write ``index`` to ``path``; returns the bytes."""
    return write_container(path, "index", VERSION, index.meta(), index.arrays())


def part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``prefix``, by the rest of their names."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def load(path: str | Path, *, vectors: np.ndarray | None = None, check: bool = True) -> Index:
    """Open the index saved in ``path``, of whatever kind; memory-mapped.

    ``vectors`` are needed when the index rescores with them. ``check=False`` skips the checksums.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from nearfield.index import Flat
    >>> rows = np.eye(3, dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Flat("l2").build(rows).save(Path(folder) / "a.nfa")
    ...     load(Path(folder) / "a.nfa").search(rows[2], 1).rows
    array([2])
    """
    container = read_container(Path(path), "index", VERSION, check=check)
    meta, arrays = container.meta, container.arrays
    with decoding(path, "index"):  # the checksums are right: whoever wrote it was wrong
        index = restore_index(meta, arrays, check=check)
    if index.rescore == "vectors":
        if vectors is None:
            raise ValueError("vectors: this index rescores with the caller's vectors; pass them")
        vectors = np.asarray(vectors)
        if vectors.shape != (meta["n"], meta["dim"]) or vectors.dtype not in (np.float32, np.float16):
            expected = f"float32 or float16 of shape {(meta['n'], meta['dim'])}"
            raise ValueError(f"vectors: expected {expected}, got {vectors.dtype} {vectors.shape}")
        index._attach_second(vectors)
    return index


def restore_index(meta: dict[str, Any], arrays: dict[str, np.ndarray], *, check: bool = True) -> Index:
    """The index that ``meta()`` and ``arrays()`` described, the caller's vectors missing; ValueError where they do not
    fit each other, and with ``check`` where a code row has no finite header."""
    from .flat import Flat
    from .graph import Graph
    from .hash import Hash
    from .ivf import IVF

    kinds: dict[str, type[Index]] = {"flat": Flat, "graph": Graph, "hash": Hash, "ivf": IVF}
    index = _restore(kinds[meta["index"]], meta, arrays)
    if check:
        _check_headers(index, arrays)
    return index


def _restore(kind: type[Index], meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> Index:
    from .graph import Graph

    maps = part(arrays, "map.")
    linear = LinearMap.from_arrays(maps) if maps else None
    n, dim = check_int(meta["n"], "n", 1, MAX_ROWS - 1), check_int(meta["dim"], "dim", 1, native.MAX_DIM)
    mapped_dim = dim + 1 if kind is Graph and meta["metric"] == "ip" else dim
    if linear is not None and linear.n_features_in != mapped_dim:
        raise ValueError(f"a map of {linear.n_features_in} dimensions for rows of {mapped_dim}")
    codec = codec_from_dict(meta["codec"], linear.n_features_out if linear else mapped_dim, part(arrays, "codec."))
    rescore = meta["rescore"]
    if isinstance(rescore, dict):
        rescore = codec_from_dict(rescore, dim, part(arrays, "rescore."))
    index = kind(meta["metric"], transform=linear, codec=codec, rescore=rescore, **meta["parameters"])
    index._n, index._dim, index._map = n, dim, linear
    index._check_map()
    index._attach(arrays["codes"])
    lengths = {"codes": len(arrays["codes"])}
    if isinstance(index.rescore, Codec) or rescore == "residual":
        index._second_codes = arrays["rescore"]
        index._attach_second(None)
        lengths["rescore"] = len(arrays["rescore"])
    elif rescore == "vectors" and index.metric.nonzero:
        scale = arrays["scale"]
        if scale.dtype != np.float32 or scale.ndim != 1 or not (np.isfinite(scale) & (scale > 0)).all():
            raise ValueError(f"a scale of {scale.dtype} {scale.shape}, expected positive float32 ({n},)")
        index._scale = scale
        lengths["scale"] = len(scale)
    wrong = {name: length for name, length in lengths.items() if length != n}
    if wrong:
        raise ValueError(f"{n} rows, but {wrong}")
    index._restore(arrays)
    return index


def _check_headers(index: Index, arrays: dict[str, np.ndarray]) -> None:
    """ValueError where the floats before a code row are not finite: such a row has no distance to anything."""
    codecs = [("codes", index.codec.header_floats)]
    if isinstance(index.rescore, Codec):
        codecs.append(("rescore", index.rescore.header_floats))
    elif index.rescore == "residual":
        codecs.append(("rescore", 1))
    for name, floats in codecs:
        if floats and not np.isfinite(np.ascontiguousarray(arrays[name][:, : 4 * floats]).view(np.float32)).all():
            raise ValueError(f"{name}: a row whose header is not finite")
