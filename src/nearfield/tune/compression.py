"""A memory budget in, the codec that loses least at that budget out, with all that were tried beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_bytes, check_choice, check_int, check_random_state
from ..common.progress import Progress
from ..index import Flat
from ..metric import Metric, get_metric
from ..quantize import Codec, CodecLoss, codec_loss
from ..transform.linear import LinearMap
from .methods import HIT, METHODS, Budget, Method
from .pareto import undominated
from .plan import format_bytes
from .reduced import Reduced
from .truth import check_rows, hold_out

_QUERIES = 500
_SCANNED = 20


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
    >>> found = compress(rows, memory="8kB", methods=["float16", "rotated-1"])
    >>> [trial.method for trial in found.trials], found.missed
    (['float16'], {'rotated-1': 'its rows take 20 bytes at least'})
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
    methods : names to try; None tries all: "float16", "scalar-8", "scalar-4", "truncated-8" (the first coordinates),
        "rotated-4", -2 and -1, "recurrent-4", -2 and -1, "product", "residual", "low-rank", "variance". "product",
        "residual" and "low-rank" are tried up to an eighth of float32: above it they take long and others lose less.
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
    bench = _Bench(rows, asked, measure, min(check_int(k, "k", 1), len(rows)), Budget(n, d, budget), random_state)
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

    def __init__(self, rows: np.ndarray, asked: np.ndarray, metric: Metric, k: int, budget: Budget, seed: int):
        self.rows, self.asked, self.metric, self.k = rows, asked, metric, k
        self.budget, self.seed = budget, seed
        self._components: LinearMap | None = None

    @property
    def dim(self) -> int:
        return int(self.rows.shape[1])

    def attempt(self, name: str) -> Compressed | str:
        """The method at the budget; or why not."""
        method = METHODS[name]
        sized = self.budget.fill(method)
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
        memory = self.budget.rows * codec.bytes_per_vector + fitted
        what = "dimensions" if kept == self.dim else "components" if method.reduction == "components" else "first"
        return Compressed(
            name,
            f"{units} bytes of {kept} {what}" if units else f"{kept} {what}",
            memory,
            codec_loss(codec, self.rows, self.asked, self.k, self.metric.name, random_state=self.seed),
            encoding * self.budget.rows,
            self._scan(codec, codes) * self.budget.rows / len(self.rows),
            HIT * self.budget.size <= memory <= self.budget.size,
            codec,
        )

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
