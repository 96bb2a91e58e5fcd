"""What a store will take before it is there: memory to build, memory to search, bytes on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_bytes, check_choice, check_int, check_real
from ..common.container import container_bytes
from ..common.memory import available_bytes
from .attributes import check_schema
from .rows import Live
from .segment import KIND, VECTORS_VERSION, Segment

if TYPE_CHECKING:
    from ..tune import Recipe
    from .snapshot import Shape

# An index's file beside its arrays: the header.
_HEADER = 3_000
# A catalogue with nothing in it, and what an item takes there: a row, and an entry of the index of ids.
_CATALOGUE = 98_304
_ITEM = 29
# Text ids come in any order, which leaves pages of their index three quarters full.
_TEXT_FILL = 0.75
# A page of the catalogue, and what of a long payload stays in the row's own page at least.
_PAGE, _INLINE = 8192, 8157
# Rows that a small graph is built of, to learn how many directions the links of the fast layout take: of 5,000 glosses
# one step too few is found (160 instead of 176).
_SAMPLE = 10_000
_SAMPLE_BEAM = 60
# Bytes that each byte of a text id takes for a moment when its column is gathered.
_GATHERING = 24
# And each value of a column while it is coded.
_CODING = 24
# And each bag: its length and where it begins, twice; the codes themselves are copied some megabytes at a time.
_BAGS = 32


@dataclass(frozen=True)
class Estimate:
    """What a store of some size takes, all in bytes.

    Attributes
    ----------
    peak : of memory, while :meth:`Store.compact <nearfield.store.Store.compact>` builds its one segment, beside what
        the process holds before; pages of mapped files, which the system may drop, are not counted.
    resident : of memory, while it is searched: the index. Vectors, ids and attributes are mapped.
    disk : all files of the compacted store.
    parts : the files: ``vectors``, ``index``, ``attributes``, ``columns`` (codes, as if every value were another),
        ``catalogue``.

    Examples
    --------
    >>> Estimate(3_000_000, 1_000_000, 5_000_000, {"vectors": 5_000_000}).disk
    5000000
    """

    peak: int
    resident: int
    disk: int
    parts: dict[str, int]

    def __str__(self) -> str:
        from ..tune.plan import format_bytes

        sizes = (format_bytes(size) for size in (self.peak, self.resident, self.disk))
        return "{} of memory to build, {} to search, {} on disk".format(*sizes)


def estimate(
    n: int,
    dim: int,
    recipe: Recipe | None = None,
    *,
    metric: str = "cosine",
    dtype: str = "float32",
    id_bytes: float | None = None,
    attributes: Mapping[str, str] | None = None,
    string_bytes: float = 16,
    payload_bytes: float = 0,
    sample: Any = None,
    threads: int | None = None,
) -> Estimate:
    """What a compacted store of ``n`` items will take, before there is one.

    Use it to choose a machine or a recipe; of a store that is there, :meth:`Store.reclaimable` says what compacting
    will do, and a limit given to :meth:`Store.open` is held against the same figures.

    Parameters
    ----------
    n, dim : how many items, of how many dimensions.
    recipe : how they are indexed, as in a plan; None keeps vectors alone, which are scanned.
    metric, dtype, attributes : of the store, see :meth:`Store.create`.
    id_bytes : mean length of text ids; None for ints.
    string_bytes : mean length of the values of string attributes.
    payload_bytes : mean length of payloads as JSON text.
    sample : ten thousand vectors, for a graph in the fast layout without ``link_dims``: how many directions its links
        take is measured on a small graph of them. Without a sample the figures are the most that can come of it.
    threads : that build; None means the default.

    Returns
    -------
    Estimate

    Notes
    -----
    Within 5% of what was measured on 10,000 x 64 to 115,659 x 384 rows, or 4 MB where that is more: a process takes
    some megabytes for itself whatever it builds (bench/results/sizing.md).

    Examples
    --------
    >>> from nearfield.tune import Recipe
    >>> print(estimate(1_000_000, 384, Recipe("graph", bits=8, rescore="vectors"), threads=1))
    637 MB of memory to build, 532 MB to search, 2.12 GB on disk
    """
    check_int(n, "n", 1)
    check_int(dim, "dim", 1, 16384)
    check_choice(metric, "metric", ("cosine", "ip", "l2"))
    check_choice(dtype, "dtype", ("float32", "float16"))
    for value, name in ((string_bytes, "string_bytes"), (payload_bytes, "payload_bytes")):
        check_real(value, name, 0.0, 1e9)
    text = None if id_bytes is None else check_real(id_bytes, "id_bytes", 1.0, 1e9)
    columns = 0
    for kind in check_schema(attributes).values():
        columns += n // 8 if kind == "bool" else round(n * (8 + string_bytes)) if kind == "string" else 8 * n
    ids = round(n * text) if text is not None else None
    parts = {"vectors": vectors_file(n, dim, metric, dtype, ids)}
    parts["index"] = parts["attributes"] = 0
    if recipe is not None and not recipe.exact:
        recipe = with_link_dims(recipe, metric, sample)
        parts["index"] = index_file(n, dim, metric, recipe)
    parts["columns"] = 0
    if columns:
        parts["attributes"] = columns + 1_000 * (1 + len(attributes or {}))
        parts["columns"] = sum(_codes(n, kind) for kind in check_schema(attributes).values())
    parts["catalogue"] = _catalogue(n, text, payload_bytes)
    peak, resident = memory(n, dim, metric, recipe, ids=ids, columns=columns, threads=threads)
    return Estimate(peak, resident, sum(parts.values()), parts)


def vectors_file(n: int, dim: int, metric: str, dtype: Any, text_ids: int | None) -> int:
    """Bytes of a segment's file of vectors; ``text_ids`` are the bytes of all ids, None for ints."""
    arrays: dict[str, tuple[str, tuple[int, ...]]] = {"keys": ("<i8", (n,))}
    arrays["vectors"] = (np.dtype(dtype).newbyteorder("<").str, (n, dim))
    if text_ids is None:
        arrays["ids"] = ("<i8", (n,))
    else:
        arrays |= {"ids_utf8": ("|u1", (text_ids,)), "ids_offsets": ("<i8", (n + 1,))}
    if metric == "cosine":
        arrays["scale"] = ("<f4", (n,))
    return container_bytes(KIND, VECTORS_VERSION, {"metric": metric}, arrays)


def index_file(n: int, dim: int, metric: str, recipe: Recipe) -> int:
    """Bytes of the file of an index."""
    return recipe.make(metric).estimate_build(n, dim).resident + _HEADER


def memory(
    n: int,
    dim: int,
    metric: str,
    recipe: Recipe | None,
    *,
    ids: int | None = None,
    columns: int = 0,
    threads: int | None = None,
) -> tuple[int, int]:
    """Most memory while a segment of ``n`` rows is written and indexed, and what its index keeps.

    ``ids`` are the bytes of text ids, ``columns`` those of the attributes.
    """
    held = 8 * n + (8 * n if ids is None else 8 * n + ids) + columns + (4 * n if metric == "cosine" else 0)
    gathering = held + max(_GATHERING * (ids or 0), _CODING * n if columns else 0) + columns
    if recipe is None or recipe.exact:
        return gathering, 0
    build = recipe.make(metric).estimate_build(n, dim, threads=threads)
    return max(gathering, held + build.peak), build.resident


def with_link_dims(recipe: Recipe, metric: str, sample: Any) -> Recipe:
    """The recipe with the number of directions that the links of its fast layout will take, measured on a sample."""
    if recipe.kind != "graph" or recipe.layout != "fast" or recipe.link_dims is not None or sample is None:
        return recipe
    rows = np.asarray(sample)
    rows = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:_SAMPLE])]
    index: Any = replace(recipe, build_beam=min(recipe.build_beam, _SAMPLE_BEAM)).make(metric).build(rows)
    return replace(recipe, link_dims=index.link_dims_)


class Limit:
    """The most memory that jobs of a store may take, and their refusal beforehand.

    Parameters
    ----------
    memory : bytes; None means what the system has available when a job begins.
    """

    def __init__(self, memory: int | None):
        self.memory = memory

    def refuse_segment(self, shape: Shape, parts: Sequence[Live], recipe: Recipe | None, job: str) -> None:
        """MemoryError when writing the living rows of these parts as one segment needs more."""
        rows, ids, columns = living(parts, bool(shape.schema))
        if not rows:
            return
        needed = memory(rows, shape.dim, shape.metric, recipe, ids=ids, columns=columns)[0]
        if self._exceeds(needed) and recipe is not None:  # the most that can come of it: look what will
            recipe = settled(recipe, shape.metric, parts)
            needed = memory(rows, shape.dim, shape.metric, recipe, ids=ids, columns=columns)[0]
        self._refuse(needed, f"{job} {rows:,} x {shape.dim} items")

    def refuse_tuning(self, shape: Shape, parts: Sequence[Live], sample: int) -> None:
        """MemoryError when the largest build of a tuning run, beside its copies of the rows, needs more."""
        from ..tune.candidates import GRAPHS

        rows = sum(live.count for live in parts)
        tried = min(rows, sample)
        row = shape.dim * shape.dtype.itemsize
        gathered = 0 if len(parts) == 1 and parts[0].words is None else rows * row
        builds = [recipe.make(shape.metric).estimate_build(tried, shape.dim).peak for recipe in GRAPHS]
        self._refuse(gathered + tried * row + max(builds), f"tuning on {tried:,} x {shape.dim} items")

    def refuse_rebuild(self, rows: int, shape: Shape, recipe: Recipe) -> None:
        """MemoryError when building an index over the rows of a segment needs more."""
        needed = recipe.make(shape.metric).estimate_build(rows, shape.dim).peak
        self._refuse(needed, f"building the index of {rows:,} x {shape.dim} items")

    def _exceeds(self, needed: int) -> bool:
        allowed = available_bytes() if self.memory is None else self.memory
        return allowed is not None and needed > allowed

    def _refuse(self, needed: int, job: str) -> None:
        if self._exceeds(needed):
            allowed = available_bytes() if self.memory is None else self.memory
            who = "the system has available" if self.memory is None else "memory allows"
            raise MemoryError(
                f"memory: {job} needs about {needed:,} bytes at its peak, {who} {allowed:,}; "
                "fewer bits, dimensions or links need less"
            )


def living(parts: Sequence[Live], typed: bool) -> tuple[int, int | None, int]:
    """Of some parts: how many rows live, the bytes of their text ids (None for ints), about those of their columns.

    Where bags begin counts as a column.
    """
    rows, ids, columns = 0, 0, 0
    text = False
    for live in parts:
        if not live.count:
            continue
        rows += live.count
        column = live.part.select_ids(live.rows())
        if column.kind == "str":
            text, ids = True, ids + len(column.values)
        if typed:
            columns += live.part.table().nbytes * live.count // len(live.part)
        if live.part.bags is not None:
            columns += _BAGS * live.count
    return rows, ids if text else None, columns


def settled(recipe: Recipe, metric: str, parts: Sequence[Live]) -> Recipe:
    """The recipe with what only vectors can tell: of the fast layout, along how many directions links are coded.

    Taken from the largest index with the same links, or where there is none, from one of a sample of the largest part.
    """
    if recipe.kind != "graph" or recipe.layout != "fast" or recipe.link_dims is not None:
        return recipe
    by_size = sorted(parts, key=lambda live: -live.count)
    for live in by_size:
        entry = live.part.description.get("index") if isinstance(live.part, Segment) else None
        if entry and live.part.index is not None and type(recipe).from_dict(entry["recipe"]).links == recipe.links:
            return replace(recipe, link_dims=live.part.index.link_dims_)
    rows = by_size[0].rows()
    return with_link_dims(recipe, metric, by_size[0].part.vectors[rows[:: -(-len(rows) // (2 * _SAMPLE))]])


def check_limit(memory: int | str | None) -> int | None:
    """A limit as a caller gives it, in bytes."""
    return None if memory is None else check_bytes(memory, "memory")


def _codes(n: int, kind: str) -> int:
    """Bytes of a coded column at most: where every value is another."""
    wide = 1 if n + 2 <= 256 else 2 if n + 2 <= 65_536 else 4
    if kind == "bool":
        return n
    if kind == "string":
        return n * (wide + 4)
    if kind == "strings":
        return 13 * n
    if kind == "geo":
        return 2 * n + 32 * min(n // 16, 16_384)
    return n * min(wide, 2) + 8 * min(n, 65_534)


def _catalogue(n: int, text_ids: float | None, payload: float) -> int:
    row = float(_ITEM)
    if text_ids is not None:
        row += text_ids + text_ids / _TEXT_FILL
    if payload:
        row += 10 + payload
        if payload > _INLINE:  # the rest lies in pages of its own
            row += _PAGE / 2
    return _CATALOGUE + round(n * row)
