"""``where=``: which items may be returned, as a small SQL expression over the attributes or a pyarrow expression.

The SQL: ``and or not``, ``= != <> < <= > >=``, ``in (...)``, ``between a and b``, ``is null``, ``is not null``,
``like`` and ``ilike`` (``%`` any text, ``_`` one character, a backslash escapes them), parentheses, ``true``,
``false``, ``null``; a bool column may stand alone. Text takes single quotes; a column whose name is no plain word takes
double quotes. Timestamps are ISO text, in UTC unless they say a zone.

Missing values follow SQL's three-valued logic: a comparison with null is unknown, ``not unknown`` is unknown, and an
item passes only when the whole expression is true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import FilterError
from .attributes import arrow_type, parse_timestamp

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CHARACTERS = 1_000_000

_KNOWN_ARGUMENTS = {"this", "expression", "expressions", "low", "high", "negate", "query"}

Predicate = Callable[["pa.Table"], Any]


class Filter:
    """A checked ``where=``: :meth:`mask` says which rows of an attribute table pass.

    ``key`` is equal for equal filters; segments remember masks by it.

    Examples
    --------
    >>> import pyarrow as pa
    >>> schema = {"year": "int", "topic": "string"}
    >>> table = pa.table({"year": [2023, 2024, None], "topic": ["vision", "nlp", "nlp"]})
    >>> Filter("year >= 2024 or topic = 'vision'", schema).mask(table)
    array([ True,  True, False])
    """

    def __init__(self, where: Any, schema: Mapping[str, str]):
        if not schema:
            raise FilterError("this store has no attributes to filter by; name them in Store.create(attributes={...})")
        self.key: str
        self._predicate: Predicate
        if isinstance(where, str):
            self.key = f"sql:{where}"
            self._predicate = _parse(where, schema)
        else:
            import pyarrow.compute as pc

            if not isinstance(where, pc.Expression):
                raise TypeError(f"where: expected SQL text or a pyarrow expression, got {type(where).__name__}")
            self.key = f"arrow:{where}"
            self._predicate = _expression(where)
            _try_expression(self._predicate, schema)

    def mask(self, table: pa.Table) -> np.ndarray:
        """Bool per row of ``table``: true where the filter is true."""
        import pyarrow as pa

        result = self._predicate(table)
        if isinstance(result, np.ndarray):
            return result
        if isinstance(result, pa.Scalar):
            return np.full(table.num_rows, result.as_py() is True)
        return np.asarray(result.fill_null(False).to_numpy(zero_copy_only=False), bool)


def _expression(where: Any) -> Predicate:
    def evaluate(table: pa.Table) -> np.ndarray:
        import pyarrow as pa

        row = "__nearfield_row__"
        numbered = table.append_column(row, pa.array(np.arange(table.num_rows)))
        mask = np.zeros(table.num_rows, bool)
        mask[numbered.filter(where).column(row).to_numpy()] = True
        return mask

    return evaluate


def _try_expression(predicate: Predicate, schema: Mapping[str, str]) -> None:
    import pyarrow as pa

    from .attributes import arrow_schema

    try:
        predicate(arrow_schema(schema).empty_table())
    except (pa.ArrowException, TypeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise FilterError(f"{reason}; columns: {', '.join(schema)}") from None


# -- from text to a predicate -----------------------------------------------------------------------------------------


def _parse(text: str, schema: Mapping[str, str]) -> Predicate:
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
    """Turns sqlglot's tree into a function of a table, refusing what is not in the small language."""

    def __init__(self, text: str, schema: Mapping[str, str]):
        self.text = text
        self.schema = schema

    def fail(self, reason: str, node: Any = None) -> FilterError:
        return FilterError(reason, self.text, _position(node))

    def compile(self, node: Any) -> Predicate:
        """The predicate of one node. sqlglot notes variants ("not like", "between symmetric") as extra arguments of the
        node: one that is not known here is refused, since passing over it would answer another question."""
        import pyarrow.compute as pc

        extra = {name for name, value in node.args.items() if value} - _KNOWN_ARGUMENTS
        if extra:
            raise self.fail(f"{_shown(node)} is not understood here ({', '.join(sorted(extra))})", node)
        predicate = self.condition(node)
        if node.args.get("negate"):
            return lambda table: pc.invert(predicate(table))
        return predicate

    def condition(self, node: Any) -> Predicate:
        import pyarrow.compute as pc
        from sqlglot import exp

        if isinstance(node, exp.Paren):
            return self.compile(node.this)
        if isinstance(node, exp.And | exp.Or):
            parts = [self.compile(part) for part in _flatten(node, type(node))]
            join = pc.and_kleene if isinstance(node, exp.And) else pc.or_kleene

            def joined(table: pa.Table) -> Any:
                result = parts[0](table)
                for part in parts[1:]:
                    result = join(result, part(table))
                return result

            return joined
        if isinstance(node, exp.Not):
            inner = self.compile(node.this)
            return lambda table: pc.invert(inner(table))
        if isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
            return self.comparison(node)
        if isinstance(node, exp.Between):
            name, kind = self.column(node.this)
            low, high = self.literal(node.args["low"], kind, name), self.literal(node.args["high"], kind, name)
            return lambda table: pc.and_kleene(
                pc.greater_equal(table.column(name), low), pc.less_equal(table.column(name), high)
            )
        if isinstance(node, exp.In):
            return self.membership(node)
        if isinstance(node, exp.Is):
            return self.null_test(node)
        if isinstance(node, exp.Like | exp.ILike):
            return self.pattern(node)
        if isinstance(node, exp.Column):
            name, kind = self.column(node)
            if kind != "bool":
                raise self.fail(f"column {name!r} is of type {kind}; only a bool column may stand alone", node)
            return lambda table: table.column(name)
        if isinstance(node, exp.Boolean):
            import pyarrow as pa

            constant = pa.scalar(bool(node.this))
            return lambda table: pa.array(np.full(table.num_rows, constant.as_py()))
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

    def literal(self, node: Any, kind: str, column: str) -> pa.Scalar:
        """The value of a literal, typed against its column."""
        import pyarrow as pa
        from sqlglot import exp

        place, sign = node, 1
        while isinstance(node, exp.Paren | exp.Neg):
            sign = -sign if isinstance(node, exp.Neg) else sign
            node = node.this
        target = arrow_type(kind)
        if isinstance(node, exp.Null):
            return pa.scalar(None, target)
        wrong = f"column {column!r} is of type {kind}, got {_shown(place)}"
        if isinstance(node, exp.Boolean) and kind == "bool" and sign == 1:
            return pa.scalar(bool(node.this), target)
        if isinstance(node, exp.Cast) and kind == "timestamp":
            node = node.this
        if not isinstance(node, exp.Literal):
            raise self.fail(f"{wrong}; expected a literal (text takes single quotes)", place)
        if node.is_string:
            if sign == 1 and kind == "string":
                return pa.scalar(node.this, target)
            if sign == 1 and kind == "timestamp":
                try:
                    return pa.scalar(parse_timestamp(node.this, f"column {column!r} is of type {kind}"), target)
                except ValueError as error:
                    raise self.fail(str(error), place) from None
        elif kind in ("int", "float"):
            return self.number(sign, node, kind, wrong)
        raise self.fail(wrong, place)

    def number(self, sign: int, node: Any, kind: str, wrong: str) -> pa.Scalar:
        import pyarrow as pa

        try:
            whole = sign * int(node.this)
        except ValueError:
            try:
                return pa.scalar(sign * float(node.this), pa.float64())
            except ValueError:
                raise self.fail(wrong, node) from None
        if kind == "float":
            return pa.scalar(float(whole), pa.float64())
        if not -(2**63) <= whole < 2**63:
            raise self.fail(f"{wrong}, which needs more than 64 bits", node)
        return pa.scalar(whole, pa.int64())

    def comparison(self, node: Any) -> Predicate:
        import pyarrow.compute as pc
        from sqlglot import exp

        functions: dict[Any, Any] = {
            exp.EQ: pc.equal,
            exp.NEQ: pc.not_equal,
            exp.LT: pc.less,
            exp.LTE: pc.less_equal,
            exp.GT: pc.greater,
            exp.GTE: pc.greater_equal,
        }
        mirrored: dict[Any, Any] = {exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE}
        kind: Any = type(node)
        left, right = node.this, node.expression
        if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
            kind, left, right = mirrored.get(kind, kind), right, left
        name, column_kind = self.column(left)
        if isinstance(right, exp.Column):
            raise self.fail("columns are compared with literals (text takes single quotes), not with columns", right)
        if column_kind == "bool" and kind not in (exp.EQ, exp.NEQ):
            raise self.fail(f"column {name!r} is of type bool, which has no order", left)
        value = self.literal(right, column_kind, name)
        compare = functions[kind]
        return lambda table: compare(table.column(name), value)

    def membership(self, node: Any) -> Predicate:
        import pyarrow as pa
        import pyarrow.compute as pc

        name, kind = self.column(node.this)
        if node.args.get("query") is not None or not node.expressions:
            raise self.fail("expected a list of literals after 'in', such as (1, 2)", node)
        values = [self.literal(item, kind, name) for item in node.expressions]
        known = [value.as_py() for value in values if value.is_valid]
        has_null = len(known) < len(values)
        kinds = pa.float64() if kind == "int" and any(isinstance(value, float) for value in known) else arrow_type(kind)
        wanted = pa.array(known, kinds)
        unknown = pa.scalar(None, pa.bool_())

        def evaluate(table: pa.Table) -> Any:
            column = table.column(name)
            found = pc.is_in(column if column.type == kinds else column.cast(kinds, safe=False), value_set=wanted)
            if has_null:
                found = pc.if_else(found, found, unknown)
            return pc.if_else(pc.is_valid(column), found, unknown)

        return evaluate

    def null_test(self, node: Any) -> Predicate:
        import pyarrow.compute as pc
        from sqlglot import exp

        name, kind = self.column(node.this)
        if isinstance(node.expression, exp.Null):
            return lambda table: pc.is_null(table.column(name))
        if isinstance(node.expression, exp.Boolean) and kind == "bool":
            wanted = bool(node.expression.this)
            return lambda table: pc.equal(table.column(name), wanted).fill_null(False)
        raise self.fail("expected 'is null' or 'is not null'", node.expression)

    def pattern(self, node: Any) -> Predicate:
        import pyarrow.compute as pc
        from sqlglot import exp

        name, kind = self.column(node.this)
        literal = node.expression
        if kind != "string":
            raise self.fail(f"column {name!r} is of type {kind}; 'like' needs a string column", node.this)
        if not isinstance(literal, exp.Literal) or not literal.is_string:
            raise self.fail(f"expected a pattern in single quotes, got {_shown(literal)}", literal)
        text, ignore_case = literal.this, isinstance(node, exp.ILike)
        return lambda table: pc.match_like(table.column(name), text, ignore_case=ignore_case)


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
