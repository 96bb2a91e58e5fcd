"""``where=``: which items may be returned, as a small SQL expression over the attributes or a pyarrow expression.

The SQL: ``and or not``, ``= != <> < <= > >=``, ``in (...)``, ``between a and b``, ``is null``, ``is not null``,
``like`` and ``ilike`` (``%`` any text, ``_`` one character, a backslash escapes them), ``contains(column, 'text')`` (an
element of a list of strings; a part of a string), ``within(place, lat, lon, km)`` (a circle) and
``within(place, south, west, north, east)`` (a box, across the antimeridian when west > east), parentheses, ``true``,
``false``, ``null``; a bool column may stand alone. Text takes single quotes; a column whose name is no plain word takes
double quotes. Timestamps are ISO text, in UTC unless they say a zone.

Missing values follow SQL's three-valued logic: a comparison with null is unknown, ``not unknown`` is unknown, and an
item passes only when the whole expression is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import FilterError
from .parsing import MAX_CHARACTERS as MAX_CHARACTERS
from .parsing import parse
from .predicates import Node

if TYPE_CHECKING:
    import pyarrow as pa


class Filter:
    """A checked ``where=``: :meth:`mask` says which rows of an attribute table pass.

    SQL text may use ``and or not``, ``= != < <= > >=``, ``in``, ``between``, ``is null``, ``like`` and ``ilike``,
    ``contains(tags, 'x')`` (a list of strings has the element; a string the part), ``within(place, lat, lon, km)`` and
    ``within(place, south, west, north, east)``. A value that is missing is unknown, as in SQL. Take a pyarrow
    expression for what this small language lacks (arithmetic, a column against another): it is evaluated on the Arrow
    columns, ten to a hundred times more slowly.

    Parameters
    ----------
    where : SQL text, or a ``pyarrow.compute.Expression``.
    schema : attribute name -> type, as ``Store.attributes`` gives it.

    Raises
    ------
    FilterError : the text is not understood, with the position; a column is unknown or of another type.

    ``key`` is equal for equal filters; segments remember masks by it. ``tree`` is what the text says (None for a
    pyarrow expression), which segments evaluate on the codes of their columns.

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
        self.tree: Node | None = None
        self._expression: Any = None
        if isinstance(where, str):
            self.key = f"sql:{where}"
            self.tree = parse(where, schema)
        else:
            import pyarrow.compute as pc

            if not isinstance(where, pc.Expression):
                raise TypeError(f"where: expected SQL text or a pyarrow expression, got {type(where).__name__}")
            self.key = f"arrow:{where}"
            self._expression = where
            self._try_expression(schema)

    def mask(self, table: pa.Table) -> np.ndarray:
        """Bool per row of ``table``: true where the filter is true."""
        return self._filtered(table) if self.tree is None else true_rows(self.tree, table)

    def _filtered(self, table: pa.Table) -> np.ndarray:
        import pyarrow as pa

        row = "__nearfield_row__"
        numbered = table.append_column(row, pa.array(np.arange(table.num_rows)))
        mask = np.zeros(table.num_rows, bool)
        mask[numbered.filter(self._expression).column(row).to_numpy()] = True
        return mask

    def _try_expression(self, schema: Mapping[str, str]) -> None:
        import pyarrow as pa

        from .attributes import arrow_schema

        try:
            self._filtered(arrow_schema(schema).empty_table())
        except (pa.ArrowException, TypeError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise FilterError(f"{reason}; columns: {', '.join(schema)}") from None


def true_rows(node: Node, table: pa.Table) -> np.ndarray:
    """Bool per row of ``table``: true where the condition is true."""
    return np.asarray(node.arrow(table).fill_null(False).to_numpy(zero_copy_only=False), bool)
