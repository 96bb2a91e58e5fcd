"""A memory budget in, the codec that loses least at that budget out, with all that were tried beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_bytes, check_choice, check_int, check_random_state
from ..common.progress import Progress
from ..index import Flat
from ..metric import Metric, get_metric
from ..native import additive
from ..quantize import (
    Codec,
    CodecLoss,
    Float16,
    LowRankQuantizer,
    ProductQuantizer,
    RecurrentBinary,
    ResidualQuantizer,
    RotatedQuantizer,
    ScalarQuantizer,
    VarianceQuantizer,
    codec_loss,
)
from ..transform.linear import LinearMap
from .pareto import undominated
from .plan import format_bytes
from .truth import check_rows, hold_out

# A budget counts as hit from here on; nothing ever takes more than it.
_HIT = 0.95
_QUERIES = 500
_SCANNED = 20
_STAGES = 4  # a row of additive codes grows in steps of four bytes
_WORDS = 256 * 4
# Most bits of a dimension kept. Longer rows at the cost of books, and so of dimensions, pay up to about there (WordNet
# glosses in 0.1 of float32: residual codes of 136 bytes over 283 components find 0.932, of 132 over 366 of them 0.899,
# of 144 over 116 of them 0.761).
_RATE = 4.5


@dataclass(frozen=True)
class Method:
    """One way to fill a budget: a codec of ``units`` bytes a row over ``kept`` dimensions.

    Attributes
    ----------
    make : the unfitted codec from (units, kept, seed).
    reduction : how dimensions are dropped: "components" or "first".
    books : bytes of what is fitted, from (units, kept), for codecs whose rows are named in bytes; None for codecs
        whose row follows from the dimensions kept.
    most : units go up to this share of the dimensions, in fours, since rows do.
    centred : whether a mean is kept.
    """

    make: Callable[[int, int, int], Codec]
    reduction: str = "components"
    books: Callable[[int, int], int] | None = None
    most: float = 0.5
    centred: bool = True


METHODS: dict[str, Method] = {
    "float16": Method(lambda units, kept, seed: Float16(), centred=False),
    "scalar-8": Method(lambda units, kept, seed: ScalarQuantizer(8)),
    "scalar-4": Method(lambda units, kept, seed: ScalarQuantizer(4)),
    "truncated-8": Method(lambda units, kept, seed: ScalarQuantizer(8), "first"),
    "rotated-4": Method(lambda units, kept, seed: RotatedQuantizer(4, seed)),
    "rotated-2": Method(lambda units, kept, seed: RotatedQuantizer(2, seed)),
    "rotated-1": Method(lambda units, kept, seed: RotatedQuantizer(1, seed)),
    "recurrent-4": Method(lambda units, kept, seed: RecurrentBinary(4)),
    "recurrent-2": Method(lambda units, kept, seed: RecurrentBinary(2)),
    "recurrent-1": Method(lambda units, kept, seed: RecurrentBinary(1)),
    "product": Method(
        lambda units, kept, seed: ProductQuantizer(units, random_state=seed),
        books=lambda units, kept: _WORDS * kept + 12 * units,
    ),
    "residual": Method(
        lambda units, kept, seed: ResidualQuantizer(_STAGES, units // _STAGES, random_state=seed),
        books=lambda units, kept: _STAGES * _WORDS * kept + 12 * units,
    ),
    "low-rank": Method(
        lambda units, kept, seed: LowRankQuantizer(units, random_state=seed),
        books=lambda units, kept: 4 * -(-kept // units) * (256 + -(-kept // units)),
    ),
    "variance": Method(
        lambda units, kept, seed: VarianceQuantizer(8 * units / kept),
        books=lambda units, kept: 4 * kept * (kept + 1) + _WORDS * min(kept, 8 * units) + 12 * units,
        most=1.0,
    ),
}


@dataclass(frozen=True)
class Compressed:
    """What one method reached at the budget.

    Attributes
    ----------
    method : its name in the table.
    text : its size in words: bytes of codes, where they are chosen, and dimensions.
    memory : bytes for all rows: their codes, and once the books, rotations and components.
    loss : what was measured, a :class:`~nearfield.quantize.CodecLoss`.
    encode_seconds : to encode all rows, told from those of the sample; without fitting.
    scan_seconds : to compare one query with all rows on one thread, told from the sample.
    hit : whether ``memory`` is within 5% of the budget.
    codec : fitted; its ``encode``, ``decode`` and ``scorer`` take vectors as they were given (under cosine at unit
        length) and include the reduction.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((500, 32), np.float32)
    >>> best = compress(rows, memory=0.2, methods=["scalar-4"]).best
    >>> best.codec.encode(rows[0]).nbytes == best.loss.bytes_per_vector
    True
    """

    method: str
    text: str
    memory: int
    loss: CodecLoss
    encode_seconds: float
    scan_seconds: float
    hit: bool
    codec: Codec = field(repr=False, compare=False)

    @property
    def transform(self) -> LinearMap | None:
        """The reduction alone, as an index takes it; None where all dimensions are kept."""
        return self.codec.map if isinstance(self.codec, Reduced) else None

    def index(self, metric: Any = "cosine", *, rescore: Codec | str | None = None) -> Flat:
        """An unbuilt scan over this codec, which its ``build`` fits to the rows it is given."""
        inner = self.codec.inner if isinstance(self.codec, Reduced) else self.codec
        return Flat(metric, transform=self.transform, codec=inner, rescore=rescore)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the codec."""
        described = {name: getattr(self, name) for name in ("method", "text", "memory")}
        described |= {name: getattr(self, name) for name in ("encode_seconds", "scan_seconds", "hit")}
        return described | {"loss": asdict(self.loss)}


@dataclass(frozen=True)
class Compression:
    """The outcome of :func:`compress`; ``print`` shows the table.

    Attributes
    ----------
    best : of all within the budget, the one that finds most; of equals the one scanned fastest.
    trials : all that were measured, most recall first.
    missed : method -> why it was not measured.
    pareto : those that no other beats in memory, recall, time to encode and time to scan at once.
    budget, rows, dim, metric, measured_rows : what was asked, and on how many rows it was measured.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((500, 32), np.float32)
    >>> found = compress(rows, memory="8kB", methods=["scalar-8", "rotated-1"])
    >>> [trial.method for trial in found.trials], found.missed
    (['rotated-1'], {'scalar-8': 'its rows take 17 bytes at least'})
    """

    best: Compressed
    trials: list[Compressed]
    missed: dict[str, str]
    pareto: list[Compressed]
    budget: int
    rows: int
    dim: int
    metric: str
    measured_rows: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the codecs."""
        described = {name: getattr(self, name) for name in ("budget", "rows", "dim", "metric", "measured_rows")}
        described |= {"missed": self.missed, "best": self.best.method}
        described["pareto"] = [trial.method for trial in self.pareto]
        return described | {"trials": [trial.to_dict() for trial in self.trials]}

    def __str__(self) -> str:
        share = self.budget / (4 * self.rows * self.dim)
        lines = [
            f"{self.rows:,} rows of {self.dim} dimensions under {self.metric} in {format_bytes(self.budget)}, "
            f"{share:.3g} of float32; measured on {self.measured_rows:,} rows, {self.best.loss.queries} queries"
        ]
        head = ["", "method", "codes", "memory", f"recall@{self.best.loss.k}", "95% interval", "error"]
        table = [[*head, "encode s", "scan ms", "front"]]
        for trial in self.trials:
            loss = trial.loss
            table.append(
                [
                    ">" if trial is self.best else "",
                    trial.method,
                    trial.text,
                    format_bytes(trial.memory) + ("" if trial.hit else f" ({1 - trial.memory / self.budget:.0%} less)"),
                    f"{loss.recall:.4f}",
                    f"{loss.recall_low:.4f} - {loss.recall_high:.4f}",
                    f"{loss.reconstruction:.3g}",
                    f"{trial.encode_seconds:.3g}",
                    f"{1000 * trial.scan_seconds:.3g}",
                    "*" if trial in self.pareto else "",
                ]
            )
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        lines += [
            "  ".join(
                cell.ljust(width) if column in (0, 1, 2, 9) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        lines += [f"Not measured: {method}, {why}." for method, why in self.missed.items()]
        return "\n".join(lines)


def compress(
    vectors: Any,
    *,
    memory: int | str | float,
    metric: str | Metric = "cosine",
    k: int = 10,
    queries: Any = None,
    methods: Sequence[str] | None = None,
    sample: int = 20_000,
    random_state: int = 0,
    progress: bool | None = None,
) -> Compression:
    """Find the codec that loses least within a memory budget, by trying every kind of codec at that budget.

    Each kind is sized so that the codes of all rows, with everything that is fitted, come within 5% of the budget and
    never above it: by its bytes a row, by principal components before it, or both. Choose it over :func:`tune` when
    the memory of the vectors is what you have to meet and how they are searched is decided elsewhere; with rescoring
    by finer vectors a search loses less than is shown here.

    Parameters
    ----------
    vectors : (n, d) float32 or float16, at least 3 rows.
    memory : bytes for all rows, as an int or a text such as "10MB", or a float below 1: a share of float32 (0.1 is a
        good start for text vectors).
    metric : "cosine", "ip" or "l2".
    k : neighbours whose recall is measured; fewer where there are fewer rows.
    queries : (q, d) queries as they will come, at most 500 of which are used. None holds rows out.
    methods : names of :data:`METHODS` to try; None tries all. "product", "residual" and "low-rank" are tried up to
        an eighth of float32: above it they take long and others lose less.
    sample : most rows that codecs are fitted to and measured on. Recall on all rows is a little lower, for every
        method.
    random_state : seed of the sample, the rows held out and the codecs.
    progress : None shows a bar on a terminal; True or False decides.

    Returns
    -------
    Compression : with the best one fitted, the table, and the front.

    Raises
    ------
    ValueError : parameters that are not allowed, and a budget that no method can meet.

    Notes
    -----
    Source: Experimental Analysis of Large-scale Learnable Vector Storage Compression (Zhang et al., PVLDB 2024), for
    one budget given to every method and all measured alike. Of its fourteen methods those for trained tables of
    features (hashing, compositional and tensor-train tables, pruning by training) have no place here, where vectors
    are given.

    Examples
    --------
    >>> spread = np.float32(0.9) ** np.arange(64, dtype=np.float32)
    >>> rows = np.random.default_rng(0).standard_normal((2000, 64), np.float32) * spread
    >>> found = compress(rows, memory=0.1, methods=["scalar-8", "rotated-1", "variance"])
    >>> found.best.method, found.best.hit, found.best.memory <= found.budget
    ('variance', True, True)
    """
    measure = get_metric(metric)
    array = np.asarray(vectors)
    check_random_state(random_state)
    names = list(METHODS) if methods is None else [check_choice(name, "methods", tuple(METHODS)) for name in methods]
    if not names:
        raise ValueError("methods: expected at least one name or None, got none")
    if array.ndim == 2 and len(array) > check_int(sample, "sample", 100):
        array = array[np.sort(np.random.default_rng(random_state).permutation(len(array))[:sample])]
    base = check_rows(array, measure)
    if len(base) < 3:
        raise ValueError(f"vectors: expected at least 3 rows, got {len(base)}")
    n, d = len(np.asarray(vectors)), base.shape[1]
    budget = _budget(memory, 4 * n * d)
    asked = _asked(queries, base, measure, random_state)
    if asked is None:
        taken, kept = hold_out(len(base), _QUERIES, min(check_int(k, "k", 1), len(base) - 1), random_state)
        asked, base = (base[taken], base[kept]) if len(taken) else (base, base)
    rows = measure.prepare_base(base)
    asked = measure.prepare_queries(asked.astype(np.float32, copy=False))
    bench = _Bench(rows, asked, measure, min(check_int(k, "k", 1), len(rows)), n, budget, random_state)
    trials, missed = [], {}
    with Progress(f"compressing {len(rows):,} rows", total=len(names), unit="methods", enabled=progress) as bar:
        for name in dict.fromkeys(names):
            found = bench.attempt(name)
            if isinstance(found, str):
                missed[name] = found
            else:
                trials.append(found)
            bar.update(1)
    if not trials:
        raise ValueError(
            f"memory: expected enough for one of the methods, got {format_bytes(budget)} for {n:,} x {d}: "
            + "; ".join(f"{name}, {why}" for name, why in missed.items())
        )
    trials.sort(key=lambda trial: (-trial.loss.recall, trial.scan_seconds))
    merits = [(t.loss.recall, -t.memory, -t.encode_seconds, -t.scan_seconds) for t in trials]
    front = [trials[at] for at in undominated(merits)]
    return Compression(trials[0], trials, missed, front, budget, n, d, measure.name, len(rows))


def _budget(memory: Any, whole: int) -> int:
    if isinstance(memory, float | np.floating):
        if not 0 < memory < 1:
            raise ValueError(f"memory: expected bytes, or a share of float32 in (0, 1), got {memory!r}")
        return int(memory * whole)
    return check_bytes(memory, "memory")


def _asked(queries: Any, base: np.ndarray, metric: Metric, random_state: int) -> np.ndarray | None:
    if queries is None:
        return None
    asked = check_rows(queries, metric, "queries")
    if asked.shape[1] != base.shape[1]:
        raise ValueError(f"queries: expected {base.shape[1]} dimensions, got {asked.shape[1]}")
    return asked[np.sort(np.random.default_rng(random_state).permutation(len(asked))[:_QUERIES])]


class _Bench:
    """Prepared rows and queries, on which every method is sized, fitted and measured."""

    def __init__(self, rows: np.ndarray, asked: np.ndarray, metric: Metric, k: int, n: int, budget: int, seed: int):
        self.rows, self.asked, self.metric, self.k = rows, asked, metric, k
        self.n, self.budget, self.seed = n, budget, seed
        self._components: LinearMap | None = None

    @property
    def dim(self) -> int:
        return int(self.rows.shape[1])

    def attempt(self, name: str) -> Compressed | str:
        """The method at the budget; or why not."""
        method = METHODS[name]
        sized = self._size(name, method)
        if isinstance(sized, str):
            return sized
        units, kept = sized
        inner = method.make(units, kept, self.seed)
        codec: Codec = inner if kept == self.dim else Reduced(inner, self._map(method, kept), self.metric.nonzero)
        codec.fit(self.rows)
        started = perf_counter()
        codes = codec.encode(self.rows)
        encoding = (perf_counter() - started) / len(self.rows)
        fitted = sum(part.nbytes for part in codec.to_arrays().values())
        memory = self.n * codec.bytes_per_vector + fitted
        what = "dimensions" if kept == self.dim else "components" if method.reduction == "components" else "first"
        return Compressed(
            name,
            f"{units} bytes of {kept} {what}" if units else f"{kept} {what}",
            memory,
            codec_loss(codec, self.rows, self.asked, self.k, self.metric.name, random_state=self.seed),
            encoding * self.n,
            self._scan(codec, codes) * self.n / len(self.rows),
            _HIT * self.budget <= memory <= self.budget,
            codec,
        )

    def _size(self, name: str, method: Method) -> tuple[int, int] | str:
        """``(units, dimensions kept)`` that fill the budget best, or why there are none."""
        if method.books is None:
            kept = _largest(self.dim, partial(self._fits, method, 0))
            if kept == self.dim and method.reduction == "first":
                return "nothing has to be cut off"
            return (0, kept) if kept else f"its rows take {method.make(0, 1, 0).row_bytes(1)} bytes at least"
        most = max(4, int(method.most * self.dim) // 4 * 4)
        best: tuple[int, float] = (0, 0.0)
        found, filled = None, 0
        for units in range(min(most, self.budget // self.n // 4 * 4), 0, -4):
            kept = _largest(self.dim, partial(self._fits, method, units))
            if kept < (units / _STAGES if name == "residual" else units):
                continue
            if name == "low-rank":  # parts are of equal size
                kept = kept // units * units
            total = self._total(method, units, kept)
            # Of those that fill the budget the longest rows, unless they leave room for too few dimensions; where none
            # fills it, the fullest.
            rate = 8 * units / kept
            rank = (1, units if rate <= _RATE else -rate) if total >= _HIT * self.budget else (0, total)
            if rank > best:
                best, found, filled = rank, (units, kept), total
        if found is None:
            return "its rows and what is fitted take more than the budget"
        if best[0] == 0 and found[0] == most:
            return f"it is not tried above {format_bytes(filled)}"
        return found

    def _fits(self, method: Method, units: int, kept: int) -> bool:
        return self._total(method, units, kept) <= self.budget

    def _total(self, method: Method, units: int, kept: int) -> int:
        """Bytes for all rows, at most, with this many units and dimensions."""
        if method.books is None:
            row, books = method.make(units, kept, self.seed).row_bytes(kept), 0
        else:
            row, books = additive.row_bytes(units), method.books(units, kept)
        matrix = 4 * self.dim * (kept + 1) if kept < self.dim and method.reduction == "components" else 0
        center = 4 * kept if method.centred else 0
        return self.n * row + matrix + center + books

    def _map(self, method: Method, kept: int) -> LinearMap:
        if method.reduction == "first":
            return LinearMap(np.eye(kept, self.dim, dtype=np.float32))
        if self._components is None:
            from ..transform import PCA

            center = self.metric.native == "l2"
            self._components = PCA(center=center, random_state=self.seed).fit(self.rows).export()
        return LinearMap(self._components.matrix[:kept], self._components.offset)

    def _scan(self, codec: Codec, codes: np.ndarray) -> float:
        """Seconds of one query on one thread: the fastest of three passes."""
        kind = "l2" if self.metric.native == "l2" else "ip"
        space, times = codec.space(codes), []
        for _ in range(3):
            started = perf_counter()
            prepared = codec.prepare_queries(self.asked[:_SCANNED])
            native.scan(space, prepared, self.k, metric=kind, threads=1)
            times.append((perf_counter() - started) / len(prepared))
        return min(times)


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to ``most`` that fits, 0 where none does; what fits, fits when it is smaller."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


class Reduced(Codec):
    """A codec over fewer dimensions, asked and answered in all of them; within this room alone.

    Under cosine (``unit``) what is mapped is brought to unit length again, as an index does.
    """

    def __init__(self, inner: Codec, reduction: LinearMap, unit: bool):
        self.inner, self.map, self.unit = inner, reduction, unit

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self.inner.kind

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        return self.inner.dtype

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "reduced", "inner": self.inner.to_dict(), "kept": len(self.map.matrix), "unit": self.unit}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Those of the codec, and the map, of which a prefix of the dimensions needs nothing."""
        kept, dim = self.map.matrix.shape
        prefix = np.array_equal(self.map.matrix, np.eye(kept, dim, dtype=np.float32))
        return self.inner.to_arrays() | ({} if prefix else {"matrix": self.map.matrix, "offset": self.map.offset})

    def prepare_queries(self, queries: np.ndarray) -> np.ndarray:
        """Queries mapped, as the codec is asked."""
        return self.inner.prepare_queries(self._mapped(queries))

    def space(self, codes: np.ndarray, scale: np.ndarray | None = None) -> native.Space:
        """The code rows as the native core takes them."""
        return self.inner.space(codes, scale)

    def _mapped(self, vectors: np.ndarray) -> np.ndarray:
        mapped = self.map.transform(vectors)
        if self.unit:
            lengths = np.sqrt(np.einsum("ij,ij->i", mapped, mapped))
            mapped = mapped / np.where(lengths > 0, lengths, np.float32(1))[:, None]
        return np.ascontiguousarray(mapped)

    def _fit(self, vectors: np.ndarray) -> None:
        self.inner.fit(self._mapped(vectors))

    def _row_bytes(self, dim: int) -> int:
        return self.inner.bytes_per_vector

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return self.inner.encode(self._mapped(vectors))

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return self.map.inverse_transform(self.inner.decode(codes))
