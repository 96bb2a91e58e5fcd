"""From the text of a ``where=`` to its tree; what is not in the small language is refused with its position."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from ..common.errors import FilterError
from .attributes import parse_timestamp
from .predicates import (
    And,
    Box,
    Circle,
    Constant,
    Element,
    Like,
    Node,
    Not,
    Null,
    Numbers,
    Or,
    Substring,
    Text,
    Texts,
    compared,
    points,
)

MAX_CHARACTERS = 1_000_000

_KNOWN_ARGUMENTS = {"this", "expression", "expressions", "low", "high", "negate", "query"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNKNOWN = Constant(None)


def parse(text: str, schema: Mapping[str, str]) -> Node:
    """The tree of a text; :class:`FilterError` says what is wrong and where."""
    if len(text) > MAX_CHARACTERS:
        raise FilterError(f"expected at most {MAX_CHARACTERS:,} characters, got {len(text):,}")
    if not text.strip():
        raise FilterError("expected a condition, got empty text", text, 0)
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, TokenError

    try:
        tree = sqlglot.parse_one(text, into=exp.Condition)
        return _Compiler(text, schema).compile(tree)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        reason = (
            str(first.get("description") or error).split(" for <class")[0].replace("Required keyword: ", "missing ")
        )
        raise FilterError(f"cannot be read: {reason.rstrip('.')}", text, _offset(text, first)) from None
    except TokenError:
        raise FilterError(
            "cannot be read: a quote is not closed or a character is unknown", text, _open_quote(text)
        ) from None
    except RecursionError:
        raise FilterError("nested too deeply") from None


def _offset(text: str, error: Mapping[str, Any]) -> int | None:
    """Where in the text sqlglot's error points: ``col`` is the last character of the token, counted from one."""
    if "line" not in error:
        return None
    lines = text.split("\n")
    line = min(int(error["line"]), len(lines)) - 1
    start = sum(len(part) + 1 for part in lines[:line])
    return max(0, start + int(error["col"]) - max(1, len(str(error.get("highlight") or ""))))


def _open_quote(text: str) -> int | None:
    position, quote = None, ""
    for index, character in enumerate(text):
        if not quote and character in "'\"`":
            position, quote = index, character
        elif character == quote:
            position, quote = None, ""
    return position


class _Compiler:
    """Turns sqlglot's tree into ours."""

    def __init__(self, text: str, schema: Mapping[str, str]):
        self.text = text
        self.schema = schema

    def fail(self, reason: str, node: Any = None) -> FilterError:
        return FilterError(reason, self.text, _position(node))

    def compile(self, node: Any) -> Node:
        """The tree below one node. sqlglot notes variants ("not like", "between symmetric") as extra arguments of the
        node: one that is not known here is refused, since passing over it would answer another question."""
        extra = {name for name, value in node.args.items() if value} - _KNOWN_ARGUMENTS
        if extra:
            raise self.fail(f"{_shown(node)} is not understood here ({', '.join(sorted(extra))})", node)
        condition = self.condition(node)
        return Not(condition) if node.args.get("negate") else condition

    def condition(self, node: Any) -> Node:
        from sqlglot import exp

        if isinstance(node, exp.Paren):
            return self.compile(node.this)
        if isinstance(node, exp.And | exp.Or):
            parts = tuple(self.compile(part) for part in _flatten(node, type(node)))
            return And(parts) if isinstance(node, exp.And) else Or(parts)
        if isinstance(node, exp.Not):
            return Not(self.compile(node.this))
        if isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
            return self.comparison(node)
        if isinstance(node, exp.Between):
            name, kind = self.ordered_column(node.this)
            low, high = self.literal(node.args["low"], kind, name), self.literal(node.args["high"], kind, name)
            return _between(name, kind, low, high)
        if isinstance(node, exp.In):
            return self.membership(node)
        if isinstance(node, exp.Is):
            return self.null_test(node)
        if isinstance(node, exp.Like | exp.ILike):
            return self.pattern(node)
        if isinstance(node, exp.Contains):
            return self.contains(node)
        if isinstance(node, exp.Anonymous) and str(node.this).lower() == "within":
            return self.within(node)
        if isinstance(node, exp.Column):
            name, kind = self.column(node)
            if kind != "bool":
                raise self.fail(f"column {name!r} is of type {kind}; only a bool column may stand alone", node)
            return _compare(name, kind, "=", True)
        if isinstance(node, exp.Boolean):
            return Constant(bool(node.this))
        raise self.fail(f"expected a comparison, got {_shown(node)}", node)

    def column(self, node: Any) -> tuple[str, str]:
        from sqlglot import exp

        while isinstance(node, exp.Paren):
            node = node.this
        if not isinstance(node, exp.Column):
            raise self.fail(f"expected a column, got {_shown(node)}", node)
        name = node.name if not node.args.get("table") else _shown(node)
        if name not in self.schema:
            raise self.fail(f"unknown column {name!r}; columns: {', '.join(self.schema)}", node)
        return name, self.schema[name]

    def ordered_column(self, node: Any) -> tuple[str, str]:
        """A column whose values are compared with literals."""
        name, kind = self.column(node)
        if kind == "strings":
            raise self.fail(f"column {name!r} holds lists of strings; ask contains({name}, '...')", node)
        if kind == "geo":
            raise self.fail(f"column {name!r} holds places; ask within({name}, lat, lon, km)", node)
        return name, kind

    def literal(self, node: Any, kind: str, column: str) -> Any:
        """The value of a literal, typed against its column: microseconds for a timestamp, None for null."""
        from sqlglot import exp

        place, sign = node, 1
        while isinstance(node, exp.Paren | exp.Neg):
            sign = -sign if isinstance(node, exp.Neg) else sign
            node = node.this
        if isinstance(node, exp.Null):
            return None
        wrong = f"column {column!r} is of type {kind}, got {_shown(place)}"
        if isinstance(node, exp.Boolean) and kind == "bool" and sign == 1:
            return bool(node.this)
        if isinstance(node, exp.Cast) and kind == "timestamp":
            node = node.this
        if not isinstance(node, exp.Literal):
            raise self.fail(f"{wrong}; expected a literal (text takes single quotes)", place)
        if node.is_string:
            if sign == 1 and kind == "string":
                return self.text_of(node)
            if sign == 1 and kind == "timestamp":
                try:
                    moment = parse_timestamp(node.this, f"column {column!r} is of type {kind}")
                except (ValueError, OverflowError) as error:
                    raise self.fail(str(error), place) from None
                return (moment - _EPOCH) // dt.timedelta(microseconds=1)
        elif kind in ("int", "float"):
            return self.number(sign, node, kind, wrong)
        raise self.fail(wrong, place)

    def text_of(self, node: Any) -> str:
        """A text literal, which a caller may have written with characters that UTF-8 lacks."""
        text = str(node.this)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.fail("expected text that UTF-8 can hold", node) from None
        return text

    def number(self, sign: int, node: Any, kind: str, wrong: str) -> int | float:
        try:
            whole = sign * int(node.this)
        except ValueError:
            try:
                return sign * float(node.this)
            except ValueError:
                raise self.fail(wrong, node) from None
        if kind == "int" and not -(2**63) <= whole < 2**63:
            raise self.fail(f"{wrong}, which needs more than 64 bits", node)
        return whole

    def comparison(self, node: Any) -> Node:
        from sqlglot import exp

        operators: dict[Any, str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
        mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
        operator = operators[type(node)]
        left, right = node.this, node.expression
        if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
            operator, left, right = mirrored.get(operator, operator), right, left
        name, kind = self.ordered_column(left)
        if isinstance(right, exp.Column):
            raise self.fail("columns are compared with literals (text takes single quotes), not with columns", right)
        if kind == "bool" and operator not in ("=", "<>"):
            raise self.fail(f"column {name!r} is of type bool, which has no order", left)
        value = self.literal(right, kind, name)
        if operator == "<>":
            return Not(_compare(name, kind, "=", value))
        return _compare(name, kind, operator, value)

    def membership(self, node: Any) -> Node:
        name, kind = self.ordered_column(node.this)
        if node.args.get("query") is not None or not node.expressions:
            raise self.fail("expected a list of literals after 'in', such as (1, 2)", node)
        values = [self.literal(item, kind, name) for item in node.expressions]
        known = [value for value in values if value is not None]
        found: Node
        if kind == "string":
            found = Texts(name, tuple(sorted(set(known))))
        elif kind in ("int", "float"):
            ranges = (compared(kind, "=", value) for value in known)
            found = Numbers(name, kind, points([same[0] for same in ranges if same is not None]))
        else:
            found = Numbers(name, kind, points([int(value) for value in known]))
        return found if len(known) == len(values) else Or((found, _UNKNOWN))

    def null_test(self, node: Any) -> Node:
        from sqlglot import exp

        name, kind = self.column(node.this)
        if isinstance(node.expression, exp.Null):
            return Null(name)
        if isinstance(node.expression, exp.Boolean) and kind == "bool":
            return And((_compare(name, kind, "=", bool(node.expression.this)), Not(Null(name))))
        raise self.fail("expected 'is null' or 'is not null'", node.expression)

    def pattern(self, node: Any) -> Node:
        from sqlglot import exp

        name, kind = self.column(node.this)
        literal = node.expression
        if kind != "string":
            raise self.fail(f"column {name!r} is of type {kind}; 'like' needs a string column", node.this)
        if not isinstance(literal, exp.Literal) or not literal.is_string:
            raise self.fail(f"expected a pattern in single quotes, got {_shown(literal)}", literal)
        return Like(name, self.text_of(literal), isinstance(node, exp.ILike))

    def contains(self, node: Any) -> Node:
        from sqlglot import exp

        name, kind = self.column(node.this)
        literal = node.expression
        if kind not in ("string", "strings"):
            raise self.fail(f"column {name!r} is of type {kind}; 'contains' needs strings", node.this)
        if not isinstance(literal, exp.Literal) or not literal.is_string:
            raise self.fail(f"expected text in single quotes, got {_shown(literal)}", literal)
        text = self.text_of(literal)
        return Element(name, text) if kind == "strings" else Substring(name, text)

    def within(self, node: Any) -> Node:
        arguments = list(node.expressions)
        if not arguments:
            raise self.fail("expected within(column, lat, lon, km) or within(column, south, west, north, east)", node)
        name, kind = self.column(arguments[0])
        if kind != "geo":
            raise self.fail(f"column {name!r} is of type {kind}; 'within' needs a geo column", arguments[0])
        if len(arguments) not in (4, 5):
            raise self.fail(
                f"expected within({name}, lat, lon, km) or within({name}, south, west, north, east)", arguments[0]
            )
        numbers = [self.degrees(argument) for argument in arguments[1:]]
        self.in_range(numbers[:2], arguments[1:3])
        if len(numbers) == 3:
            if numbers[2] < 0:
                raise self.fail(f"expected a radius of at least 0 km, got {_shown(arguments[3])}", arguments[3])
            return Circle(name, *numbers)
        self.in_range(numbers[2:], arguments[3:])
        if numbers[0] > numbers[2]:
            raise self.fail(f"expected the south, got {numbers[0]:g}, which is north of {numbers[2]:g}", arguments[1])
        return Box(name, *numbers)

    def degrees(self, node: Any) -> float:
        from sqlglot import exp

        place, sign = node, 1
        while isinstance(node, exp.Paren | exp.Neg):
            sign = -sign if isinstance(node, exp.Neg) else sign
            node = node.this
        if isinstance(node, exp.Literal) and not node.is_string:
            value = float(node.this) if len(node.this) < 400 else math.inf
            if math.isfinite(value):
                return sign * value
        raise self.fail(f"expected a number, got {_shown(place)}", place)

    def in_range(self, numbers: list[float], nodes: list[Any]) -> None:
        for value, node, limit, name in zip(numbers, nodes, (90, 180), ("latitude", "longitude"), strict=True):
            if not -limit <= value <= limit:
                raise self.fail(f"expected a {name} of -{limit} to {limit} degrees, got {value:g}", node)


def _compare(name: str, kind: str, operator: str, value: Any) -> Node:
    """The comparison of a column with a value; with null it is unknown, whatever the row."""
    if value is None:
        return _UNKNOWN
    if kind == "string":
        return {
            "=": Texts(name, (value,)),
            "<": Text(name, high=value, high_open=True),
            "<=": Text(name, high=value),
            ">": Text(name, low=value, low_open=True),
            ">=": Text(name, low=value),
        }[operator]
    found = compared("int" if kind != "float" else kind, operator, int(value) if kind == "bool" else value)
    return Numbers(name, kind, () if found is None else (found,))


def _between(name: str, kind: str, low: Any, high: Any) -> Node:
    above, below = _compare(name, kind, ">=", low), _compare(name, kind, "<=", high)
    if isinstance(above, Numbers) and isinstance(below, Numbers):
        both = [(max(a, c), min(b, d)) for a, b in above.ranges for c, d in below.ranges]
        return Numbers(name, kind, tuple((a, b) for a, b in both if a <= b))
    if isinstance(above, Text) and isinstance(below, Text):
        return Text(name, low, high)
    return And((above, below))


def _flatten(node: Any, kind: Any) -> list[Any]:
    """The operands of a chain of one connective, in order, without recursion: chains may be long."""
    found: list[Any] = []
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, kind):
            stack += [top.expression, top.this]
        else:
            found.append(top)
    return found


def _position(node: Any) -> int | None:
    """The first character of the leftmost token below ``node`` that knows its place."""
    if node is None:
        return None
    starts = [inner.meta["start"] for inner in node.walk() if "start" in inner.meta]
    return min(starts) if starts else None


def _shown(node: Any) -> str:
    text = node.sql()
    return text if len(text) <= 60 else text[:57] + "..."
