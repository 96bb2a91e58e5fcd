"""The tree of a ``where=``: what a filter says, apart from the text it was written in and from how it is evaluated.

Two evaluations give the same answer: :meth:`Node.arrow` on an Arrow table, with null as SQL's *unknown*, and
:mod:`nearfield.store.programs` on the codes of a segment. Numbers are compared as numbers: the literal of an int column
may be a fraction, that of a float column an integer no float holds, and the answer is that of exact arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import native
from ..native.predicates import Program
from .places import EARTH_KM

if TYPE_CHECKING:
    import pyarrow as pa

INT_LOW, INT_HIGH = -(2**63), 2**63 - 1

Range = tuple[Any, Any]


class Node:
    """One condition; ``columns()`` names those it looks at."""

    def columns(self) -> Iterator[str]:
        """The columns below this node, with repetitions."""
        yield from ()

    def arrow(self, table: pa.Table) -> Any:
        """True, false or null (unknown) for every row of ``table``."""
        raise TypeError(f"{type(self).__name__} has no evaluation")


@dataclass(frozen=True)
class Constant(Node):
    """The same for every row; None is unknown."""

    value: bool | None

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow as pa

        if self.value is None:
            return pa.nulls(table.num_rows, pa.bool_())
        return pa.array(np.full(table.num_rows, self.value))


@dataclass(frozen=True)
class And(Node):
    """All parts are true; false when one is false."""

    parts: tuple[Node, ...]

    def columns(self) -> Iterator[str]:
        """See :class:`Node`."""
        for part in self.parts:
            yield from part.columns()

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow.compute as pc

        return _joined(pc.and_kleene, self.parts, table)


@dataclass(frozen=True)
class Or(Node):
    """One part is true; false when all are false."""

    parts: tuple[Node, ...]

    def columns(self) -> Iterator[str]:
        """See :class:`Node`."""
        for part in self.parts:
            yield from part.columns()

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow.compute as pc

        return _joined(pc.or_kleene, self.parts, table)


def _joined(join: Any, parts: tuple[Node, ...], table: pa.Table) -> Any:
    result = parts[0].arrow(table)
    for part in parts[1:]:
        result = join(result, part.arrow(table))
    return result


@dataclass(frozen=True)
class Not(Node):
    """True where the part is false; unknown stays unknown."""

    part: Node

    def columns(self) -> Iterator[str]:
        """See :class:`Node`."""
        return self.part.columns()

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow.compute as pc

        return pc.invert(self.part.arrow(table))


@dataclass(frozen=True)
class Leaf(Node):
    """A condition on one column."""

    column: str

    def columns(self) -> Iterator[str]:
        """See :class:`Node`."""
        yield self.column


@dataclass(frozen=True)
class Null(Leaf):
    """The value is missing."""

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow.compute as pc

        return pc.is_null(table.column(self.column))


@dataclass(frozen=True)
class Numbers(Leaf):
    """The value lies in one of some closed ranges, ascending and disjoint; NaN lies in none.

    ``kind`` is "bool" (values 0 and 1), "int", "float" or "timestamp" (microseconds since 1970).
    """

    kind: str
    ranges: tuple[Range, ...]

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = table.column(self.column)
        if self.kind == "bool":
            column = column.cast(pa.int64())
        elif self.kind == "timestamp":
            column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        kind = pa.float64() if self.kind == "float" else pa.int64()
        if len(self.ranges) > 1 and all(low == high for low, high in self.ranges):
            points = [low for low, _ in self.ranges]
            if self.kind == "float" and 0.0 in points:
                points += [0.0, -0.0]  # one number of two forms, which a set of values tells apart
            found = pc.is_in(column, value_set=pa.array(points, kind))
            return pc.if_else(pc.is_valid(column), found, pa.scalar(None, pa.bool_()))
        result = None
        for low, high in self.ranges:
            low, high = pa.scalar(low, kind), pa.scalar(high, kind)
            inside = pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))
            result = inside if result is None else pc.or_(result, inside)
        return _never(column) if result is None else result


@dataclass(frozen=True)
class Text(Leaf):
    """The text lies between two others, None being no bound, in the order of its UTF-8 bytes."""

    low: str | None = None
    high: str | None = None
    low_open: bool = False
    high_open: bool = False

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = table.column(self.column)
        result = None
        if self.low is not None:
            low = pa.scalar(self.low, pa.large_string())
            result = pc.greater(column, low) if self.low_open else pc.greater_equal(column, low)
        if self.high is not None:
            high = pa.scalar(self.high, pa.large_string())
            below = pc.less(column, high) if self.high_open else pc.less_equal(column, high)
            result = below if result is None else pc.and_(result, below)
        return result


@dataclass(frozen=True)
class Texts(Leaf):
    """The text is one of some."""

    values: tuple[str, ...]

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = table.column(self.column)
        if len(self.values) == 1:
            return pc.equal(column, pa.scalar(self.values[0], pa.large_string()))
        found = pc.is_in(column, value_set=pa.array(self.values, column.type))
        return pc.if_else(pc.is_valid(column), found, pa.scalar(None, pa.bool_()))


@dataclass(frozen=True)
class Like(Leaf):
    """The text fits an SQL pattern."""

    pattern: str
    ignore_case: bool

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        return self.match(table.column(self.column))

    def match(self, values: Any) -> Any:
        """The same for an array of text."""
        import pyarrow.compute as pc

        return pc.match_like(values, self.pattern, ignore_case=self.ignore_case)


@dataclass(frozen=True)
class Substring(Leaf):
    """The text holds another."""

    text: str

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        return self.match(table.column(self.column))

    def match(self, values: Any) -> Any:
        """The same for an array of text."""
        import pyarrow.compute as pc

        return pc.match_substring(values, self.text)


@dataclass(frozen=True)
class Element(Leaf):
    """The list holds a text; false for an empty list, unknown for a missing one."""

    text: str

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = table.column(self.column).combine_chunks()
        hits = pc.equal(column.flatten(), pa.scalar(self.text, pa.large_string()))
        found = np.zeros(len(column), bool)
        found[list_rows(column)[hits.to_numpy(zero_copy_only=False)]] = True
        return _known(column, found)


@dataclass(frozen=True)
class Circle(Leaf):
    """The place lies within some kilometres of a point, along a great circle of the mean earth."""

    lat: float
    lon: float
    km: float

    @property
    def angle(self) -> float:
        """The radius in radians."""
        return self.km / EARTH_KM

    def keep(self, program: Program, lat: np.ndarray, lon: np.ndarray, turned: bool = False) -> None:
        """Of a program's topmost bitset keep the places inside; ``turned``, those outside."""
        program.keep_circle(lat, lon, (self.lat, self.lon), self.angle, turned=turned)

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        return _placed(self, table)


@dataclass(frozen=True)
class Box(Leaf):
    """The place lies between two latitudes and two longitudes; across the antimeridian when west > east."""

    south: float
    west: float
    north: float
    east: float

    def keep(self, program: Program, lat: np.ndarray, lon: np.ndarray, turned: bool = False) -> None:
        """Of a program's topmost bitset keep the places inside; ``turned``, those outside."""
        program.keep_box(lat, lon, (self.south, self.west, self.north, self.east), turned=turned)

    def arrow(self, table: pa.Table) -> Any:
        """See :class:`Node`."""
        return _placed(self, table)


def _placed(node: Circle | Box, table: pa.Table) -> Any:
    column = table.column(node.column).combine_chunks()
    lat, lon = coordinates(column)
    program = Program(len(column))
    program.constant(True)
    node.keep(program, lat, lon)
    return _known(column, native.unpack_bits(program.evaluate(), len(column)))


def coordinates(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of a column of places, without copying; anything where one is missing."""
    lat, lon = (raw_numbers(child) for child in column.flatten())
    return lat, lon


def raw_numbers(column: Any) -> np.ndarray:
    """The values of an int64, float64 or timestamp array, without copying; anything where one is missing."""
    import pyarrow as pa

    dtype = np.float64 if pa.types.is_floating(column.type) else np.int64
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.zeros(len(column), dtype)
    return np.frombuffer(buffer, dtype, len(column), 8 * column.offset)


def list_rows(column: Any) -> np.ndarray:
    """For every element of ``column.flatten()`` the row whose list it is in; a missing list has none."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    return np.repeat(np.arange(len(column)), lengths)


def _known(column: Any, found: np.ndarray) -> Any:
    """``found`` as an Arrow array that is null where ``column`` is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_valid(column), pa.array(found), pa.scalar(None, pa.bool_()))


def _never(column: Any) -> Any:
    return _known(column, np.zeros(len(column), bool))


# -- comparisons with a number ----------------------------------------------------------------------------------------


def compared(kind: str, operator: str, literal: int | float) -> Range | None:
    """The closed range of an int or float column that ``column operator literal`` is true in; None when there is none.

    ``operator`` is one of ``= < <= > >=``. The literal may be any number: comparisons are exact.

    Examples
    --------
    >>> compared("int", "<", 2023.5) == (INT_LOW, 2023), compared("int", "=", 2023.5)
    (True, None)
    """
    if kind == "float":
        return _float_range(operator, literal)
    if isinstance(literal, float) and math.isinf(literal):
        return (INT_LOW, INT_HIGH) if (literal > 0) == (operator in ("<", "<=")) and operator != "=" else None
    floor = math.floor(literal)
    low, high = {
        "=": (floor, floor if floor == literal else floor - 1),
        "<": (INT_LOW, floor - (floor == literal)),
        "<=": (INT_LOW, floor),
        ">": (floor + 1, INT_HIGH),
        ">=": (floor + (floor != literal), INT_HIGH),
    }[operator]
    low, high = max(low, INT_LOW), min(high, INT_HIGH)
    return (low, high) if low <= high else None


def _float_range(operator: str, literal: int | float) -> Range | None:
    try:
        near = float(literal)
    except OverflowError:
        near = math.inf if literal > 0 else -math.inf
    below, above = near < literal, near > literal  # Python compares an int and a float exactly
    if operator == "=":
        return None if below or above else (near, near)
    if operator in ("<", "<="):
        open_end = above or (operator == "<" and not below)
        if open_end and near == -math.inf:
            return None
        return -math.inf, math.nextafter(near, -math.inf) if open_end else near
    open_end = below or (operator == ">" and not above)
    if open_end and near == math.inf:
        return None
    return math.nextafter(near, math.inf) if open_end else near, math.inf


def points(values: list[int | float]) -> tuple[Range, ...]:
    """The ranges of ``in``: one a distinct value, ascending."""
    return tuple((value, value) for value in sorted(set(values)))
