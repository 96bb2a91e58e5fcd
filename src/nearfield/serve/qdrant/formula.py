"""Formulas that score the points of prefetches anew: arithmetic over scores, payloads, conditions, places and dates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .conditions import condition
from .moments import parse_moment
from .paths import Path, find, flat, parse_path, path_of
from .places import metres, parse_place
from .points import Points
from .refusal import bad, fields, number

_DEEPEST = 64


class Scored:
    """A point while a formula looks at it: its row, its payload, and its score in each prefetch."""

    def __init__(self, row: int, payload: Mapping[str, Any], scores: Sequence[float | None]):
        self.row = row
        self.payload = payload
        self.scores = scores


_Term = Callable[[Scored], float]


class Formula:
    """A formula, checked once; :meth:`score` gives a point's value.

    Parameters
    ----------
    body : the query's ``formula``. defaults : its ``defaults``, for what a point does not have.
    points : of the collection, as they are for as long as the lock is held.
    """

    def __init__(self, body: Any, defaults: Any, points: Points):
        self._points = points
        self._defaults: dict[str, Any] = {}
        for name, value in (defaults or {}).items():
            place = _score_place(name)
            self._defaults[name if place is None else f"$score[{place}]"] = value
        self._term = self._read(body, 0)

    def score(self, point: Scored) -> float:
        """The value of the formula; 400 where it has none."""
        value = self._term(point)
        with np.errstate(over="ignore"):
            single = np.float32(value)
        if not np.isfinite(single):
            raise _no_number(f"{value} as a float32")
        return float(single)

    def _read(self, body: Any, depth: int) -> _Term:
        if depth > _DEEPEST:
            raise bad(f"formula: expected at most {_DEEPEST} levels")
        if isinstance(body, bool) or body is None:
            raise bad(f"formula: expected an expression, got {body!r}")
        if isinstance(body, int | float):
            constant = float(body)
            return lambda point: constant
        if isinstance(body, str):
            return self._variable(body)
        if not isinstance(body, dict):
            raise bad(f"formula: expected an expression, got {body!r}")
        if len(body) == 1:
            name, inner = next(iter(body.items()))
            if name in _MANY:
                if not isinstance(inner, list) or (name in ("max", "min") and not inner):
                    raise bad(f"formula.{name}: expected a list of expressions")
                terms = [self._read(one, depth + 1) for one in inner]
                many = _MANY[name]
                return lambda point: many(term(point) for term in terms)
            if name in _ONE:
                term, one = self._read(inner, depth + 1), _ONE[name]
                return lambda point: _finite(one, name, term(point))
            reader = getattr(self, f"_read_{name}", None)
            if reader is not None:
                return reader(inner, depth + 1)
        passes = condition(body).mask(self._points)
        return lambda point: float(passes[point.row])

    def _variable(self, name: str) -> _Term:
        place = _score_place(name)
        if place is None:
            path = parse_path(name)
            return lambda point: _number(self._value(point, name, path), name)
        default = self._defaults.get(f"$score[{place}]")
        absent = 0.0 if default is None else number(default, f"defaults.{name}")

        def score(point: Scored) -> float:
            known = point.scores[place] if place < len(point.scores) else None
            return absent if known is None else known

        return score

    def _value(self, point: Scored, name: str, path: Path) -> Any:
        values: Any = flat(find(point.payload, path)) or self._defaults.get(name)
        if isinstance(values, list):
            values = None if not values else values[0] if len(values) == 1 else values
        if values is None:
            raise bad(f"No value found for {name} in the payload nor the formula defaults")
        return values

    def _read_div(self, body: Any, depth: int) -> _Term:
        body = fields(body, "formula.div", ("left", "right", "by_zero_default"), needed=("left", "right"))
        left, right = self._read(body["left"], depth), self._read(body["right"], depth)
        instead = body.get("by_zero_default")

        def divide(point: Scored) -> float:
            above = left(point)
            if above == 0:
                return above
            below = right(point)
            if below == 0 and instead is not None:
                return number(instead, "formula.div.by_zero_default")
            return _finite(lambda _: above / below, "div", above)

        return divide

    def _read_pow(self, body: Any, depth: int) -> _Term:
        body = fields(body, "formula.pow", ("base", "exponent"), needed=("base", "exponent"))
        base, exponent = self._read(body["base"], depth), self._read(body["exponent"], depth)
        return lambda point: _finite(lambda value: math.pow(value, exponent(point)), "pow", base(point))

    def _read_geo_distance(self, body: Any, depth: int) -> _Term:
        body = fields(body, "formula.geo_distance", ("origin", "to"), needed=("origin", "to"))
        origin, name = parse_place(body["origin"], "formula.geo_distance.origin"), body["to"]
        path = path_of(name, "formula.geo_distance.to")

        def apart(point: Scored) -> float:
            lat, lon = parse_place(self._value(point, name, path), name)
            return float(metres(np.array([lat]), np.array([lon]), origin)[0])

        return apart

    def _read_datetime(self, body: Any, depth: int) -> _Term:
        moment = _seconds(body, "formula.datetime")
        return lambda point: moment

    def _read_datetime_key(self, body: Any, depth: int) -> _Term:
        path = path_of(body, "formula.datetime_key")
        return lambda point: _seconds(self._value(point, body, path), body)

    def _read_lin_decay(self, body: Any, depth: int) -> _Term:
        return self._decay(body, depth, "lin_decay", lambda mid, scale: lambda x: max(0.0, 1 - (1 - mid) / scale * x))

    def _read_exp_decay(self, body: Any, depth: int) -> _Term:
        return self._decay(body, depth, "exp_decay", lambda mid, scale: lambda x: math.exp(math.log(mid) / scale * x))

    def _read_gauss_decay(self, body: Any, depth: int) -> _Term:
        return self._decay(
            body, depth, "gauss_decay", lambda mid, scale: lambda x: math.exp(math.log(mid) / scale**2 * x * x)
        )

    def _decay(
        self, body: Any, depth: int, name: str, curve: Callable[[float, float], Callable[[float], float]]
    ) -> _Term:
        body = fields(body, f"formula.{name}", ("x", "target", "scale", "midpoint"), needed=("x",))
        middle = number(0.5 if body.get("midpoint") is None else body["midpoint"], f"formula.{name}.midpoint")
        scale = number(1.0 if body.get("scale") is None else body["scale"], f"formula.{name}.scale")
        if not (0 <= middle <= 1 if name == "lin_decay" else 0 < middle < 1) or scale <= 0:
            raise bad(f"formula.{name}: expected a midpoint between 0 and 1 and a scale above 0")
        x = self._read(body["x"], depth)
        target = self._read(0.0 if body.get("target") is None else body["target"], depth)
        value = curve(middle, scale)
        return lambda point: value(abs(x(point) - target(point)))


def _product(values: Iterable[float]) -> float:
    """A zero ends it: what stands behind it is not asked for, and may have no value."""
    product = 1.0
    for value in values:
        if value == 0:
            return 0.0
        product *= value
    return product


_MANY: dict[str, Callable[[Iterable[float]], float]] = {"sum": sum, "mult": _product, "max": max, "min": min}
_ONE: dict[str, Callable[[float], float]] = {
    "neg": lambda value: -value,
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log10": math.log10,
    "ln": math.log,
    "acosh": math.acosh,
}


def _finite(function: Callable[[float], float], name: str, value: float) -> float:
    try:
        result = function(value)
    except (ValueError, OverflowError, ZeroDivisionError):
        raise _no_number(f"{name}({value})") from None
    if not math.isfinite(result):
        raise _no_number(f"{name}({value})")
    return result


def _no_number(what: str) -> Exception:
    return bad(f"The expression {what} produced a non-finite number")


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(f"Expected number value for {name} in the payload and/or in the formula defaults")
    return value


def _seconds(value: Any, name: str) -> float:
    moment = parse_moment(value) if isinstance(value, str) else None
    if moment is None:
        raise bad(f"Expected a date for {name}, got {value!r}")
    return moment / 1e6


def _score_place(name: str) -> int | None:
    """Which prefetch's score a variable names, None where it is a path into the payload."""
    if not name.startswith("$score"):
        return None
    rest = name.removeprefix("$score")
    if not rest:
        return 0
    digits = rest[1:-1]
    if rest[0] != "[" or rest[-1] != "]" or not (digits.isascii() and digits.isdigit()):
        raise bad(f"Invalid score pattern: {name}")
    return int(digits)
