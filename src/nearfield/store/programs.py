"""From the tree of a filter to a program over the codes of a segment.

NOT is pushed down to the leaves (De Morgan's laws hold in three-valued logic), so that only *true* needs a bit: each
leaf says for which codes it is true, or for which it is false. The code of a missing value is in neither, except for
``is null``; that of NaN is where a comparison is false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import native
from ..native.predicates import Program
from .columns import Column, numbers_of, one_array
from .filters import true_rows
from .predicates import (
    And,
    Box,
    Circle,
    Constant,
    Element,
    Leaf,
    Like,
    Node,
    Not,
    Null,
    Numbers,
    Or,
    Substring,
    Text,
    Texts,
    coordinates,
)

if TYPE_CHECKING:
    import pyarrow as pa

# So many ranges of codes are compared one after another; more are looked up in a table.
_RANGES = 3
_MARGIN = 1e-7  # radians, 0.6 m: above the rounding of an angle, which is largest at the other end of the earth


def evaluate(
    tree: Node, columns: Mapping[str, Column], table: Callable[[], pa.Table], rows: int, *, threads: int | None = None
) -> np.ndarray:
    """The rows for which ``tree`` is true, packed in words.

    ``table()`` gives the Arrow columns; it is asked only for text, for cells that a condition cuts, and for columns
    without codes.
    """
    maker = _Maker(columns, table, rows)
    maker.emit(tree, False)
    return maker.program.evaluate(threads=threads)


class _Maker:
    def __init__(self, columns: Mapping[str, Column], table: Callable[[], pa.Table], rows: int):
        self.columns = columns
        self.table = table
        self.program = Program(rows)

    def emit(self, node: Node, negated: bool) -> None:
        """Push the rows where ``node`` is true; ``negated``, where it is false."""
        if isinstance(node, Not):
            self.emit(node.part, not negated)
        elif isinstance(node, And | Or):
            self.join(node.parts, isinstance(node, And) != negated, negated)
        elif isinstance(node, Constant):
            self.program.constant(node.value is not None and node.value != negated)
        elif isinstance(node, Element) and node.column in self.columns:
            self.element(node, self.columns[node.column], negated)
        else:
            assert isinstance(node, Leaf)
            column = self.columns.get(node.column)
            if column is None:
                self.program.bits(native.pack_bits(true_rows(Not(node) if negated else node, self.table())))
                return
            self.leaf(node, column, negated, *self.codes(node, column, negated))

    def leaf(self, node: Leaf, column: Column, negated: bool, passing: np.ndarray, cut: np.ndarray) -> None:
        """Push the rows whose code passes, and of those with a cut code the ones whose value does."""
        self.push(column, passing)
        if cut.any():
            self.push(column, cut)
            self.keep(node, negated)
            self.program.any()

    def join(self, parts: tuple[Node, ...], every: bool, negated: bool) -> None:
        """Push the rows where every part is true, or any; parts that are sets of codes of one column become one set."""
        sets: dict[str, np.ndarray] = {}
        others: list[Callable[[], None]] = []
        for part in parts:
            leaf, turned = part, negated
            while isinstance(leaf, Not):
                leaf, turned = leaf.part, not turned
            if not isinstance(leaf, Leaf) or isinstance(leaf, Element) or leaf.column not in self.columns:
                others.append(partial(self.emit, leaf, turned))
                continue
            column = self.columns[leaf.column]
            passing, cut = self.codes(leaf, column, turned)
            if cut.any():
                others.append(partial(self.leaf, leaf, column, turned, passing, cut))
                continue
            before = sets.get(leaf.column)
            sets[leaf.column] = passing if before is None else before & passing if every else before | passing
        pushes: list[Callable[[], None]] = [
            partial(self.push, self.columns[name], passing) for name, passing in sets.items()
        ]
        pushes += others
        for number, push in enumerate(pushes):
            push()
            if number:
                (self.program.all if every else self.program.any)()

    def codes(self, node: Leaf, column: Column, negated: bool) -> tuple[np.ndarray, np.ndarray]:
        """For which codes ``node`` is true (``negated``: false), and for which some rows are and others not."""
        if isinstance(node, Null):
            missing = np.arange(column.count + 2) == column.count
            return missing != negated, np.zeros(column.count + 2, bool)
        if isinstance(node, Circle | Box):
            inside, cut = _cells_of(node, column.arrays["bounds"])
        elif isinstance(node, Numbers):
            inside, cut = _ranges_of(node, column)
        else:
            inside = _texts_of(node, _Dictionary(self.arrow(node), column.arrays["first"]))
            cut = np.zeros(column.count, bool)
        passing = np.zeros(column.count + 2, bool)
        passing[: column.count] = ~inside & ~cut if negated else inside
        passing[column.count + 1] = negated  # NaN
        return passing, np.concatenate([cut, [False, False]])

    def keep(self, node: Leaf, negated: bool) -> None:
        """Of the topmost rows keep those whose values say that ``node`` is true (``negated``: false)."""
        if isinstance(node, Numbers):
            raw = numbers_of(self.arrow(node))
            low, high = (np.array([bounds[side] for bounds in node.ranges], raw.dtype) for side in (0, 1))
            self.program.keep_numbers(raw, low, high, turned=negated)
        elif isinstance(node, Circle | Box):
            node.keep(self.program, *coordinates(self.arrow(node)), turned=negated)

    def arrow(self, node: Leaf) -> Any:
        return one_array(self.table().column(node.column))

    def push(self, column: Column, passing: np.ndarray) -> None:
        """Push the rows whose code is true in ``passing``: by comparing codes where they form few ranges."""
        edges = np.flatnonzero(np.diff(passing, prepend=False, append=False))
        ranges = edges.reshape(-1, 2).tolist()
        if len(ranges) > _RANGES:
            self.program.among(column.codes, passing)
            return
        if not ranges or ranges == [[0, len(passing)]]:
            self.program.constant(bool(ranges))
            return
        last = int(np.iinfo(column.codes.dtype).max)
        for number, (start, stop) in enumerate(ranges):
            self.program.between(column.codes, start, min(stop - 1, last))
            if number:
                self.program.any()

    def element(self, node: Element, column: Column, negated: bool) -> None:
        dictionary = _Dictionary(self.arrow(node).flatten(), column.arrays["first"])
        code = dictionary.find(node.text)
        mask = np.zeros(self.program.n, bool)
        if code is not None:
            start, stop = column.arrays["starts"][code : code + 2].tolist()
            mask[column.arrays["rows"][start:stop]] = True
        self.program.bits(native.pack_bits(mask))
        if negated:
            self.program.none()
            self.program.between(column.codes, 0, 0)
            self.program.all()


def _ranges_of(node: Numbers, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Which codes lie in the ranges, and which cells are cut by one of their ends."""
    values, count = column.arrays["values"], column.count
    inside, cut = np.zeros(count, bool), np.zeros(count, bool)
    if not node.ranges or not count:
        return inside, cut
    low, high = (np.array([bounds[side] for bounds in node.ranges], values.dtype) for side in (0, 1))
    start, stop = np.searchsorted(values, low, side="left"), np.searchsorted(values, high, side="right")
    if column.form == "values":
        if len(low) == 1:
            inside[start[0] : stop[0]] = True
            return inside, cut
        # Ends and beginnings of ranges cancel where ranges meet: the sum is how many of them a code lies in.
        steps = np.bincount(start, minlength=count + 1) - np.bincount(stop, minlength=count + 1)
        return np.cumsum(steps)[:count] > 0, cut
    # A cell reaches from its value to before the next one. Its end is not known to be there: an end of a range always
    # cuts the cell it lies in, apart from a range that begins with the cell.
    steps = np.bincount(start, minlength=count + 1) - np.bincount(np.maximum(stop - 1, start), minlength=count + 1)
    inside = np.cumsum(steps)[:count] > 0
    cut[stop[stop > 0] - 1] = True
    cut[start[(start > 0) & (values[np.minimum(start, count - 1)] != low)] - 1] = True
    return inside & ~cut, cut


def _texts_of(node: Leaf, texts: _Dictionary) -> np.ndarray:
    """Which distinct texts pass."""
    passing = np.zeros(len(texts), bool)
    if isinstance(node, Text):
        start = 0 if node.low is None else texts.place(node.low, after=node.low_open)
        stop = len(texts) if node.high is None else texts.place(node.high, after=not node.high_open)
        passing[start:stop] = True
    elif isinstance(node, Texts):
        if len(node.values) > max(8, len(texts) // 400):  # one search costs as much as to look at some 400 texts
            return texts.all_of(node.values)
        codes = [texts.find(value) for value in node.values]
        passing[[code for code in codes if code is not None]] = True
    elif isinstance(node, Like | Substring):
        passing = np.asarray(node.match(texts.array()).to_numpy(zero_copy_only=False), bool)
    else:
        raise TypeError(f"{type(node).__name__} is no condition on text")
    return passing


class _Dictionary:
    """The distinct texts of a column, in order: where each first stands among all."""

    def __init__(self, values: Any, first: np.ndarray):
        self.values = values
        self.first = first

    def __len__(self) -> int:
        return len(self.first)

    def array(self) -> Any:
        return self.values.take(self.first)

    def all_of(self, wanted: tuple[str, ...]) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        found = pc.is_in(self.array(), value_set=pa.array(wanted, self.values.type))
        return np.asarray(found.to_numpy(zero_copy_only=False), bool)

    def place(self, text: str, *, after: bool) -> int:
        """How many come before ``text``; ``after`` counts it as well."""
        low, high = 0, len(self.first)
        while low < high:
            middle = (low + high) // 2
            here = self.values[int(self.first[middle])].as_py()
            if here < text or (after and here == text):
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, text: str) -> int | None:
        place = self.place(text, after=False)
        if place < len(self.first) and self.values[int(self.first[place])].as_py() == text:
            return place
        return None


def _cells_of(node: Circle | Box, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rectangles of places lie inside, and which are neither inside nor known to be outside."""
    south, west, north, east = bounds.T
    if isinstance(node, Box):
        beside = _between(west, east, node)
        inside = beside & (node.south <= south) & (north <= node.north)
        outside = (north < node.south) | (south > node.north) | _apart(west, east, node)
        return inside, ~inside & ~outside
    lat, lon = np.radians((south + north) / 2), (west + east) / 2
    a = np.sin((lat - np.radians(node.lat)) / 2)
    b = np.sin(np.radians(lon - node.lon) / 2)
    square = a * a + np.cos(lat) * np.cos(np.radians(node.lat)) * b * b
    angle = 2 * np.arcsin(np.sqrt(np.clip(square, 0, 1)))
    # From the middle to any place of a cell: along the meridian to its latitude, then along the parallel.
    widest = np.cos(np.radians(np.where(south * north <= 0, 0.0, np.minimum(np.abs(south), np.abs(north)))))
    reach = np.radians(north - south) / 2 + np.radians(east - west) / 2 * widest + _MARGIN
    inside = angle + reach < node.angle
    return inside, ~inside & (angle - reach <= node.angle)


def _between(west: np.ndarray, east: np.ndarray, box: Box) -> np.ndarray:
    if box.west <= box.east:
        return (box.west <= west) & (east <= box.east)
    return (box.west <= west) | (east <= box.east)


def _apart(west: np.ndarray, east: np.ndarray, box: Box) -> np.ndarray:
    """Rectangles that a box does not touch; one that reaches 180 degrees may be met from the other side."""
    if box.west <= box.east:
        apart = (east < box.west) | (west > box.east)
    else:
        apart = (west > box.east) & (east < box.west)
    return apart & (west > -180) & (east < 180)
