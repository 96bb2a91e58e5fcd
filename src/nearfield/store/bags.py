"""What a store that keeps bags knows of them: the codec of their vectors, and what one vector stands for a bag.

That is the setting ``bags`` and the arrays of the same name, what was fitted. The codes themselves are in
:mod:`.coded_bags`; they stay as they were coded for as long as their item stays.
"""

from __future__ import annotations

import base64
import sqlite3
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_int
from ..common.decoding import decoding
from ..common.errors import CorruptFileError
from .coded_bags import CodedBags
from .description import check_kept_bags
from .tables import drop_arrays, read_arrays, read_meta, set_meta, write_arrays

if TYPE_CHECKING:
    from ..encode.bags import Bags
    from ..index.multivector.encoding import BagEncoding
    from ..index.multivector.tokens import TokenCodec
    from .catalogue import Catalogue
    from .rows import Part

# The formats of older stores have no bags.
FORMAT = 5
ARRAYS = "bags"
NO_BAGS = "bags: this store keeps none; create it with bags=, or call index_bags()"
# A bag is one value of the catalogue while it is pending, and SQLite takes no gigabyte there.
MOST_BYTES = 256 << 20
_PARAMETERS = ("dim", "codec", "means", "encoding", "sample", "queries")
# What these codecs fit is a mean, which may be left at zero.
_WITHOUT_SAMPLE = ("float32", "float16", "scalar", "rotated", "recurrent")


@dataclass(frozen=True, eq=False)
class BagSpace:
    """How a store keeps bags; codec and encoding are made by the first search or add that needs them.

    Attributes
    ----------
    setting : ``identity``; ``dim``; ``codec``, ``means`` and ``encoding`` as they describe themselves, or null.
    arrays : what they fitted, by name.
    path : of the catalogue, to name damage.
    """

    setting: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    path: Path | None = None

    @property
    def identity(self) -> str:
        """Another in every store and after every change."""
        return str(self.setting["identity"])

    @property
    def dim(self) -> int:
        """Dimensions of the vectors in bags."""
        return int(self.setting["dim"])

    @cached_property
    def tokens(self) -> TokenCodec:
        """The codecs, fitted."""
        from ..index.multivector.tokens import TokenCodec
        from ..quantize.codec import codec_from_dict

        with decoding(self.path or Path(), "the codec of the bags"):
            codec = codec_from_dict(self.setting["codec"], self.dim, self._fitted("codec"))
            means = self.setting["means"]
            return TokenCodec(codec, means and codec_from_dict(means, self.dim, self._fitted("means")))

    @cached_property
    def encoding(self) -> BagEncoding | None:
        """What one vector stands for a bag, fitted; None where the caller says it with every bag."""
        from ..index.multivector.encoding import encoding_from_dict

        if self.setting["encoding"] is None:
            return None
        with decoding(self.path or Path(), "the encoding of the bags"):
            return encoding_from_dict(self.setting["encoding"], self.dim, self._fitted("encoding"))

    def _fitted(self, group: str) -> dict[str, np.ndarray]:
        start = f"{group}."
        return {name[len(start) :]: array for name, array in self.arrays.items() if name.startswith(start)}

    @property
    def widths(self) -> tuple[int, int]:
        """Bytes of the code row of a vector, and of a mean."""
        means = self.tokens.means
        return self.tokens.codec.bytes_per_vector, 0 if means is None else means.bytes_per_vector

    def check(self, value: Any, rows: int) -> Bags:
        """What an add brings as bags, one a row; an empty one says that the row has none."""
        from ..encode.bags import Bags

        if isinstance(value, Bags):
            bags = value
        elif isinstance(value, list | tuple):
            none = np.empty((0, self.dim), np.float32)
            try:
                bags = Bags.from_list([none if one is None else one for one in value], dim=self.dim)
            except (TypeError, ValueError) as error:
                raise type(error)(f"bags: {error}") from None
        else:
            raise TypeError(f"bags: expected Bags, or a list of one (t, d) array per item, got {type(value).__name__}")
        if len(bags) != rows:
            raise ValueError(f"bags: expected {rows} bags, one per item, got {len(bags)}")
        if bags.dim != self.dim:
            raise ValueError(f"bags: expected vectors of {self.dim} dimensions, got {bags.dim}")
        width, mean = self.widths
        most = (MOST_BYTES - mean) // width
        if rows and bags.lengths.max() > most:
            raise ValueError(
                f"bags: expected at most {most} vectors in a bag, got {bags.lengths.max()} in bag "
                f"{int(bags.lengths.argmax())}"
            )
        return bags

    def encode(self, bags: Bags) -> CodedBags | None:
        """The codes of checked bags; None where all are empty."""
        if not len(bags.vectors):
            return None
        filled = bags.take(bags.lengths > 0) if (bags.lengths == 0).any() else bags
        codes, centers = self.tokens.encode(filled)
        return CodedBags(bags.offsets.copy(), _as_bytes(codes), _as_bytes(centers))

    def decode(self, coded: CodedBags) -> Bags:
        """The vectors that codes stand for, float32."""
        from ..encode.bags import Bags

        counts = np.diff(coded.starts)
        codes, centers = self._read(coded)
        vectors = self.tokens.decode(codes, centers, counts) if len(codes) else np.empty((0, self.dim), np.float32)
        return Bags(vectors, coded.offsets)

    def of(self, part: Part) -> CodedBags | None:
        """The bags of a part of the store, which must be coded as the store codes them."""
        coded = part.bags
        if coded is not None and (coded.codes.shape[1], coded.centers.shape[1]) != self.widths:
            found = f"codes of {coded.codes.shape[1]} and means of {coded.centers.shape[1]} bytes"
            raise CorruptFileError(self.path or Path(), f"expected bags of {self.widths} bytes, found {found}")
        return coded

    def scores(self, coded: CodedBags, queries: Bags, slots: np.ndarray) -> np.ndarray:
        """Minus the MaxSim of each query with its bags ``slots`` (q, c); float32, +inf where that is -1."""
        scores = np.full(slots.shape, np.inf, np.float32)
        if not slots.size or not len(coded.codes):
            return scores
        found = self.tokens.maxsim(*self._read(coded), coded.starts, queries, slots, slots.shape[1], None)
        for number, (own, named, values) in enumerate(zip(slots, found.bags, found.scores, strict=True)):
            order = np.argsort(own, kind="stable")
            kept = named >= 0
            scores[number, order[np.searchsorted(own, named[kept], sorter=order)]] = values[kept]
        return scores

    def _read(self, coded: CodedBags) -> tuple[np.ndarray, np.ndarray]:
        """Codes and means in the types of their codecs."""
        codec, means = self.tokens.codec, self.tokens.means
        codes = coded.codes.view(codec.dtype)
        return codes, coded.centers if means is None else coded.centers.view(means.dtype)

    def odd(self, coded: CodedBags) -> str | None:
        """What is wrong with codes that no add would have written; None where nothing is."""
        if (coded.codes.shape[1], coded.centers.shape[1]) != self.widths:
            return f"codes of {coded.codes.shape[1]} and {coded.centers.shape[1]} bytes, expected {self.widths}"
        codes, centers = self._read(coded)
        for codec, rows in ((self.tokens.codec, codes), (self.tokens.means, centers)):
            if codec is None or not len(rows):
                continue
            if codec.dtype == np.uint8:
                rows = np.ascontiguousarray(rows[:, : 4 * codec.header_floats]).view(np.float32)
            if not np.isfinite(rows).all():
                return "a code row whose numbers are not finite"
        return None

    def to_json(self) -> dict[str, Any]:
        """Everything, for a dump: the setting, and as base64 what was fitted."""
        fitted = {
            name: [array.dtype.str, list(array.shape), base64.b64encode(array.tobytes()).decode()]
            for name, array in self.arrays.items()
        }
        return {**self.setting, "fitted": fitted}

    @classmethod
    def from_json(cls, said: Mapping[str, Any], path: Path) -> BagSpace:
        """The inverse, under an identity of its own; KeyError, TypeError or ValueError for something else."""
        check_kept_bags(said)
        arrays = {
            str(name): np.frombuffer(base64.b64decode(data, validate=True), form).reshape(shape)
            for name, (form, shape, data) in said["fitted"].items()
        }
        setting = {name: said[name] for name in said if name != "fitted"}
        made = cls({**setting, "identity": uuid.uuid4().hex}, arrays, path)
        made.widths, made.encoding  # noqa: B018
        return made

    def describe(self) -> dict[str, Any]:
        """Dimensions, codecs and encoding, as they describe themselves."""
        return {name: self.setting[name] for name in ("dim", "codec", "means", "encoding")}


def _as_bytes(rows: np.ndarray) -> np.ndarray:
    width = rows.shape[1] * rows.dtype.itemsize
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), width)


def check_space(value: Any, dim: int, metric: str) -> BagSpace:
    """What ``Store.create(bags=)`` was given, for a store of vectors of ``dim`` dimensions."""
    if isinstance(value, BagSpace):
        return value
    said = dict(value) if isinstance(value, Mapping) else {"dim": value}
    unknown = [name for name in said if name not in _PARAMETERS]
    if unknown:
        raise ValueError(f"bags: expected {', '.join(_PARAMETERS)}, got {unknown[0]!r}")
    from ..encode.bags import Bags
    from ..index.multivector.encoding import check_bags
    from ..index.multivector.tokens import TokenCodec
    from ..quantize.scalar import ScalarQuantizer

    sample, queries = said.get("sample"), said.get("queries")
    if sample is not None:
        check_bags(sample, "bags: sample")
        if not len(sample):
            raise ValueError("bags: sample: expected at least one bag, got none")
    given = sample.dim if sample is not None and said.get("dim") is None else said.get("dim")
    width = check_int(given, "bags: dim", 1, 16384)
    for bags, name in ((sample, "sample"), (queries, "queries")):
        if bags is not None:
            check_bags(bags, f"bags: {name}", width)
    codec, means = _codec(said.get("codec"), "codec", width), _codec(said.get("means"), "means", width)
    codec = ScalarQuantizer(8) if codec is None else codec
    tokens = TokenCodec(codec, means)
    nothing = Bags(np.zeros((1, width), np.float32), np.array([0, 1]))
    if means is not None or not hasattr(codec, "dim_"):
        if sample is None and (means is not None or codec.to_dict()["codec"] not in _WITHOUT_SAMPLE):
            what = "means" if means is not None else f"{codec!r}"
            raise ValueError(f"bags: expected sample=, bags to fit {what} to, or a fitted codec without means")
        tokens.fit(nothing if sample is None else sample)
    encoding = _encoding(said.get("encoding"), nothing, sample, queries, width)
    arrays = tokens.arrays()
    if encoding is not None:
        _fits(encoding, dim, metric)
        arrays |= {f"encoding.{name}": array for name, array in encoding.to_arrays().items()}
    setting = {
        "identity": uuid.uuid4().hex,
        "dim": width,
        "codec": codec.to_dict(),
        "means": None if means is None else means.to_dict(),
        "encoding": None if encoding is None else encoding.to_dict(),
    }
    return BagSpace(setting, arrays)


def _codec(codec: Any, name: str, dim: int) -> Any:
    from ..quantize.codec import Codec

    if codec is None:
        return None
    if not isinstance(codec, Codec):
        raise TypeError(f"bags: {name}: expected a Codec or None, got {codec!r}")
    if getattr(codec, "dim_", dim) != dim:
        raise ValueError(f"bags: {name}: expected it fitted to {dim} dimensions, got {codec.dim_}")
    return codec


def _encoding(encoding: Any, nothing: Bags, sample: Bags | None, queries: Bags | None, dim: int) -> Any:
    import copy

    from ..index.multivector.encoding import BagEncoding

    if encoding is None:
        return None
    if not isinstance(encoding, BagEncoding):
        raise TypeError(f"bags: encoding: expected a BagEncoding or None, got {encoding!r}")
    if hasattr(encoding, "dim_"):
        if encoding.dim_ != dim:
            raise ValueError(f"bags: encoding: expected it fitted to {dim} dimensions, got {encoding.dim_}")
        return encoding
    learns = encoding.name not in ("mean", "fixed") or getattr(encoding, "partition", "") == "kmeans"
    if sample is None and learns:
        raise ValueError(f"bags: expected sample=, bags to fit {encoding!r} to, or a fitted encoding")
    return copy.deepcopy(encoding).fit(nothing if sample is None else sample, queries)


def _fits(encoding: Any, dim: int, metric: str) -> None:
    """Whether the vectors of an encoding can be the store's, ranked as it means them."""
    if encoding.dimensions_ != dim:
        raise ValueError(
            f"dim: expected {encoding.dimensions_}, the dimensions of the vectors that {encoding!r} gives, got {dim}"
        )
    if metric != "ip" and not (metric == "cosine" and encoding.name == "mean"):
        raise ValueError(f"metric: expected 'ip', by which vectors of {encoding!r} rank as MaxSim does, got {metric!r}")


class BagReader:
    """Follows the setting from one transaction to the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._space: BagSpace | None = None

    def read(self, connection: sqlite3.Connection, path: Path, meta: Mapping[str, Any]) -> BagSpace | None:
        """As this transaction shows it; None where the store keeps no bags."""
        said = meta.get("bags")
        if said is None:
            return None
        with self._lock:
            if self._space is None or self._space.identity != said["identity"]:
                self._space = BagSpace(said, read_arrays(connection, path, ARRAYS), path)
            return self._space


def store_space(connection: sqlite3.Connection, space: BagSpace) -> None:
    """Make this the store's."""
    set_meta(connection, "bags", dict(space.setting))
    write_arrays(connection, ARRAYS, space.arrays)


def choose(catalogue: Catalogue, space: BagSpace) -> None:
    """Make a store that keeps none keep bags, in one transaction."""
    with catalogue.writing() as connection:
        if read_meta(connection, catalogue.path, "bags").get("bags") is not None:
            raise ValueError("bags: this store keeps bags already, and codes stay as they are")
        if space.encoding is not None:
            held = connection.execute("SELECT items FROM state").fetchone()[0]
            if held:
                raise ValueError(
                    f"bags: expected encoding=None, as the store holds {held} vectors that come from somewhere else"
                )
        store_space(connection, space)


def drop_encoding(connection: sqlite3.Connection, path: Path) -> None:
    """Of a store whose vectors are now of another model: nothing of the old encoding."""
    said = read_meta(connection, path, "bags").get("bags")
    if said is not None and said["encoding"] is not None:
        set_meta(connection, "bags", {**said, "encoding": None, "identity": uuid.uuid4().hex})
        drop_arrays(connection, f"{ARRAYS}.encoding")
