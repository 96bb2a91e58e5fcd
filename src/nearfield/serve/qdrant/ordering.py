"""Points in the order of a payload: numbers, and dates as microseconds since 1970."""

from __future__ import annotations

from typing import Any

import numpy as np

from .moments import parse_moment
from .paths import path_of
from .points import Points
from .refusal import bad, fields


class Order:
    """What ``order_by`` asks for: a path, a direction, and where to begin."""

    def __init__(self, body: Any):
        if isinstance(body, str):
            body = {"key": body}
        body = fields(body, "order_by", ("key", "direction", "start_from"), needed=("key",))
        self.path = path_of(body["key"], "order_by.key")
        direction = body.get("direction") or "asc"
        if direction not in ("asc", "desc"):
            raise bad(f"order_by.direction: expected 'asc' or 'desc', got {direction!r}")
        self.falling = direction == "desc"
        start = body.get("start_from")
        if isinstance(start, str):
            text, start = start, parse_moment(start)
            if start is None:
                raise bad(f"order_by.start_from: expected a number or a date, got {text!r}")
        elif start is not None and (isinstance(start, bool) or not isinstance(start, int | float)):
            raise bad(f"order_by.start_from: expected a number or a date, got {start!r}")
        self.start = start

    def rows(self, points: Points, mask: np.ndarray, count: int) -> list[tuple[int, float]]:
        """The first rows, each with what it is ordered by: once for every value it has; without one it has no place."""
        column = points.column(self.path)
        numbers, moments = column.vocabulary.numbers(), column.vocabulary.moments()
        values = np.where(np.isnan(numbers), moments, numbers)
        rows, codes = column.entries()
        keep = mask[rows] & ~np.isnan(values[codes])
        if self.start is not None:
            keep &= values[codes] <= self.start if self.falling else values[codes] >= self.start
        rows, codes = rows[keep], codes[keep]
        order = np.argsort(-values[codes] if self.falling else values[codes], kind="stable")
        found: dict[tuple[int, float], None] = {}
        for row, code in zip(rows[order].tolist(), codes[order].tolist(), strict=True):
            if len(found) >= count:
                break
            value = column.vocabulary.values[code]
            found[row, int(moments[code]) if isinstance(value, str) else value] = None
        return list(found)
