"""A multi-vector index as one file: an array container of kind ``multivector``.

======================  ===============  =====================================================================
array                   dtype            content
======================  ===============  =====================================================================
``tokens``              codec            code rows of all vectors, bag after bag, (t, bytes or dimensions)
``centers``             codec            code rows of the bags' means, (bags, bytes or dimensions); of width 0 without
``offsets``             int64            where each bag begins among them, and t (bags + 1,)
``slot_rows``           int64            the row each bag is or was under (bags,)
``row_slots``           int64            the bag of each row, -1 where it was deleted (rows,)
``codec.*``             float32, int32   what the codec of the vectors fitted
``means.*``             float32, int32   what the codec of the means fitted
``index.*``             various          the index of the candidate generator, named as in a file of an index
``pending``             float32          vectors of the candidate generator that the index does not hold yet (p, d')
``encoding.*``          float32, int32   what the encoding of bags fitted; of encodings only
``owners``              uint32           the bag of each vector (t,); of per-token search only
======================  ===============  =====================================================================

Version 2: additive codes hold in their header the factor of a row's length; version 1 held a squared length and no
means. ``meta`` holds the dimensions, the parameters of the codecs and of the candidate generator, and the index it
was made with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import native
from ...common.checks import check_int
from ...common.container import read_container, write_container
from ...common.decoding import decoding
from ...quantize.codec import Codec, codec_from_dict
from ..files import part
from .candidates import EncodedCandidates, restore_candidates
from .tokens import TokenCodec

if TYPE_CHECKING:
    from .index import MultiVector

VERSION = 2


def save(index: MultiVector, path: Path) -> int:
    """Write ``index`` to ``path``; returns the bytes."""
    arrays = {
        "tokens": index._codes.rows,
        "centers": index._centers.rows,
        "offsets": index._offsets.rows,
        "slot_rows": index._slot_rows.rows,
        "row_slots": index._rows.rows,
    }
    arrays |= index._codec.arrays() | index._made.arrays()
    codec, means = index._codec.codec, index._codec.means
    meta = {"dim": index.dim, "codec": codec.to_dict(), "candidates": index._made.meta()}
    meta["means"] = None if means is None else means.to_dict()
    return write_container(path, "multivector", VERSION, meta, arrays)


def load(path: Path, *, check: bool = True) -> MultiVector:
    """Open the index saved in ``path``, memory-mapped."""
    from .index import MultiVector

    container = read_container(path, "multivector", VERSION, check=check)
    meta, arrays = container.meta, container.arrays
    with decoding(path, "multi-vector index"):
        dim = check_int(meta["dim"], "dim", 1, native.MAX_DIM)
        codec = codec_from_dict(meta["codec"], dim, part(arrays, "codec."))
        means = codec_from_dict(meta["means"], dim, part(arrays, "means.")) if meta["means"] is not None else None
        offsets, slot_rows, row_slots = (arrays[name] for name in ("offsets", "slot_rows", "row_slots"))
        _check_lists(offsets, slot_rows, row_slots, len(arrays["tokens"]))
        _check_codes("tokens", codec, arrays["tokens"], check)
        centers = _check_centers(means, arrays["centers"], len(slot_rows), check)
        made = restore_candidates(meta["candidates"], arrays, dim, np.diff(offsets), check)
        how = made.encoding if isinstance(made, EncodedCandidates) else made.how
        index = MultiVector(how, index=made.rows.index, codec=codec, means=means)
        tokens = TokenCodec(codec, means)
        index._start(made, tokens, dim, arrays["tokens"], centers, offsets, slot_rows, row_slots)
    return index


def _check_lists(offsets: np.ndarray, slot_rows: np.ndarray, row_slots: np.ndarray, tokens: int) -> None:
    for name, array in (("offsets", offsets), ("slot_rows", slot_rows), ("row_slots", row_slots)):
        if array.dtype != np.int64 or array.ndim != 1:
            raise ValueError(f"{name}: expected int64 (n,), got {array.dtype} {array.shape}")
    slots, rows = len(slot_rows), len(row_slots)
    if len(offsets) != slots + 1 or offsets[0] != 0 or offsets[-1] != tokens or (np.diff(offsets) < 1).any():
        raise ValueError(f"offsets: expected to rise from 0 to {tokens} in {slots} steps")
    if not slots or slot_rows.min() < 0 or slot_rows.max() >= rows:
        raise ValueError(f"slot_rows: expected rows of {rows}")
    live = row_slots[row_slots >= 0]
    if (row_slots < -1).any() or (live >= slots).any() or (slot_rows[live] != np.flatnonzero(row_slots >= 0)).any():
        raise ValueError("row_slots: expected each row's bag to be under that row")


def _check_centers(means: Codec | None, centers: np.ndarray, bags: int, check: bool) -> np.ndarray:
    if len(centers) != bags or (means is None and centers.shape != (bags, 0)):
        raise ValueError(f"centers: expected those of {bags} bags, got {centers.shape}")
    if means is not None:
        _check_codes("centers", means, centers, check)
    return centers


def _check_codes(name: str, codec: Codec, codes: np.ndarray, check: bool) -> None:
    width = codec.bytes_per_vector // codec.dtype.itemsize
    if codes.dtype != codec.dtype or codes.ndim != 2 or codes.shape[1] != width:
        raise ValueError(f"{name}: expected {codec.dtype} (n, {width}), got {codes.dtype} {codes.shape}")
    floats = codec.header_floats if codec.dtype == np.uint8 else 0
    if check and floats and not np.isfinite(np.ascontiguousarray(codes[:, : 4 * floats]).view(np.float32)).all():
        raise ValueError(f"{name}: a row whose header is not finite")
