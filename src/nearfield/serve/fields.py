"""Fields of bodies and parameters: one description that checks what comes and tells the OpenAPI document.

Every check raises a :class:`Problem` with 422 and the house's sentence: which field, what is allowed, what came.
"""

from __future__ import annotations

import base64
import binascii
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..store import Condition
from .errors import Problem

Schema = dict[str, Any]
_LOW, _HIGH = -(2**63), 2**63 - 1
_LARGEST = float(np.finfo(np.float32).max)
# From here on a number is rounded to infinity; below, to the largest that float32 has.
_BEYOND = 2.0**128 - 2.0**103
_DIM = 16384


def refuse(name: str, allowed: str, value: Any) -> Problem:
    """The answer to a field that does not fit."""
    shown = repr(value)
    return Problem(422, f"{name}: expected {allowed}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")


@dataclass(frozen=True)
class Field:
    """Any JSON value; the kinds below narrow it. ``example`` is shown in the document."""

    description: str = ""
    example: Any = None

    def check(self, value: Any, name: str) -> Any:
        """``value`` as the store takes it."""
        return value

    def refuse_flags(self, value: Any, name: str) -> None:
        """Refuse true and false where :meth:`check` takes them for numbers, because looking for them costs much."""

    def read(self, text: str, name: str) -> Any:
        """The value of a query string's parameter."""
        return self.check(text, name)

    def schema(self) -> Schema:
        """Its JSON schema."""
        return {}

    def described(self, *, null: bool) -> Schema:
        """The schema with its description and, where it may be left out, null."""
        schema = self.schema()
        if null and schema:
            if isinstance(schema.get("type"), str) and "enum" not in schema:
                schema = {**schema, "type": [schema["type"], "null"]}
            else:
                schema = {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
        if self.description:
            schema = {**schema, "description": self.description}
        if self.example is not None:
            schema = {**schema, "examples": [self.example]}
        return schema


@dataclass(frozen=True)
class Integer(Field):
    """A whole number within bounds."""

    low: int = 0
    high: int = _HIGH

    def check(self, value: Any, name: str) -> int:
        if type(value) is float and value.is_integer():  # 10.0 is the integer ten in JSON
            value = int(value)
        if type(value) is not int or not self.low <= value <= self.high:
            raise refuse(name, f"an integer from {self.low} to {self.high}", value)
        return value

    def read(self, text: str, name: str) -> int:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            raise refuse(name, f"an integer from {self.low} to {self.high}", text)
        return self.check(int(text), name)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Number(Field):
    """A real number within bounds, which are included."""

    low: float = -_LARGEST
    high: float = _LARGEST

    def check(self, value: Any, name: str) -> float:
        if type(value) not in (int, float) or not self.low <= value <= self.high:
            raise refuse(name, f"a number from {self.low:g} to {self.high:g}", value)
        return float(value)

    def read(self, text: str, name: str) -> float:
        try:
            return self.check(float(text), name)
        except ValueError:
            raise refuse(name, f"a number from {self.low:g} to {self.high:g}", text) from None

    def schema(self) -> Schema:
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Flag(Field):
    """True or false."""

    def check(self, value: Any, name: str) -> bool:
        if type(value) is not bool:
            raise refuse(name, "true or false", value)
        return value

    def read(self, text: str, name: str) -> bool:
        if text not in ("true", "false"):
            raise refuse(name, "true or false", text)
        return text == "true"

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Text(Field):
    """A text, or with ``choices`` one of them."""

    choices: tuple[str, ...] = ()
    least: int = 0

    def check(self, value: Any, name: str) -> str:
        if type(value) is not str or len(value) < self.least:
            raise refuse(name, "a text that is not empty" if self.least else "a text", value)
        if self.choices and value not in self.choices:
            raise refuse(name, f"one of {', '.join(map(repr, self.choices))}", value)
        return value

    def schema(self) -> Schema:
        schema: Schema = {"type": "string"}
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.least:
            schema["minLength"] = self.least
        return schema


@dataclass(frozen=True)
class Id(Field):
    """The id of an item: an integer of 64 bits or a text."""

    def check(self, value: Any, name: str) -> int | str:
        if (type(value) is str and value) or (type(value) is int and _LOW <= value <= _HIGH):
            return value
        raise refuse(name, "an integer of 64 bits or a text that is not empty", value)

    def read(self, text: str, name: str) -> int | str:
        digits = text.removeprefix("-")
        return self.check(int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text, name)

    def schema(self) -> Schema:
        return {
            "anyOf": [
                {"type": "integer", "minimum": _LOW, "maximum": _HIGH},
                {"type": "string", "minLength": 1},
            ]
        }


@dataclass(frozen=True)
class ListOf(Field):
    """A list of values of one kind, or with ``single`` one such value; ``items`` may be null with ``gaps``."""

    item: Field = field(default_factory=Field)
    least: int = 0
    single: bool = False
    gaps: bool = False

    def check(self, value: Any, name: str) -> Any:
        if type(value) is not list:
            if self.single:
                return self.item.check(value, name)
            raise refuse(name, "a list", value)
        if len(value) < self.least:
            raise refuse(name, f"a list of at least {self.least}", value)
        check, gaps = self.item.check, self.gaps
        return [None if one is None and gaps else check(one, f"{name}[{at}]") for at, one in enumerate(value)]

    def refuse_flags(self, value: Any, name: str) -> None:
        for at, one in enumerate(value if type(value) is list else ()):
            self.item.refuse_flags(one, f"{name}[{at}]")

    def schema(self) -> Schema:
        items = self.item.described(null=self.gaps)
        several: Schema = {"type": "array", "items": items}
        if self.least:
            several["minItems"] = self.least
        one = self.item.schema()
        return {"anyOf": [*one.get("anyOf", [one]), several]} if self.single else several


@dataclass(frozen=True)
class Map(Field):
    """An object whose values are of one kind."""

    value: Field = field(default_factory=Field)

    def check(self, value: Any, name: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise refuse(name, "an object", value)
        return {key: self.value.check(one, f"{name}.{key}") for key, one in value.items()}

    def schema(self) -> Schema:
        return {"type": "object", "additionalProperties": self.value.schema() or True}


@dataclass(frozen=True)
class OneOf(Field):
    """A value of any of several kinds; the first that takes it."""

    kinds: tuple[Field, ...] = ()
    allowed: str = ""

    def check(self, value: Any, name: str) -> Any:
        for kind in self.kinds:
            try:
                return kind.check(value, name)
            except Problem:
                continue
        raise refuse(name, self.allowed, value)

    def refuse_flags(self, value: Any, name: str) -> None:
        for kind in self.kinds:
            kind.refuse_flags(value, name)

    def schema(self) -> Schema:
        return {"anyOf": [kind.schema() for kind in self.kinds]}


@dataclass(frozen=True)
class Where(Field):
    """A condition: SQL text on the attributes, or ``{"where": text, "ids": [...]}`` as a :class:`Condition`."""

    def check(self, value: Any, name: str) -> str | Condition:
        if type(value) is not dict:
            return _SQL.check(value, name)
        for key in value:
            if key not in ("where", "ids"):
                raise Problem(422, f"{name}.{key[:40]}: no such field here; fields: where, ids")
        if value.get("ids") is None:
            raise Problem(422, f"{name}.ids: expected, and not given")
        text = value.get("where")
        try:
            ids = _IDS.check(value["ids"], f"{name}.ids")
            return Condition(None if text is None else _SQL.check(text, f"{name}.where"), ids=ids)
        except (TypeError, ValueError) as error:  # texts among numbers
            raise Problem(422, f"{name}.{error}") from None

    def schema(self) -> Schema:
        several: Schema = {
            "type": "object",
            "properties": {
                "where": {**_SQL.schema(), "type": ["string", "null"], "description": "a condition on the attributes"},
                "ids": {**_IDS.schema(), "description": "only these items; ids that are not there are passed over"},
            },
            "required": ["ids"],
            "additionalProperties": False,
        }
        return {"anyOf": [_SQL.schema(), several]}


_SQL = Text(least=1)
_IDS = ListOf(item=Id())

_PACKED: Schema = {
    "type": "object",
    "properties": {
        "f32": {
            "type": "string",
            "contentEncoding": "base64",
            # Whole numbers of four bytes: twelve are sixteen characters.
            "pattern": "^([A-Za-z0-9+/]{16})*([A-Za-z0-9+/]{16}|[A-Za-z0-9+/]{11}=|[A-Za-z0-9+/]{6}==)$",
            "description": "little-endian float32",
        }
    },
    "required": ["f32"],
    "additionalProperties": False,
}
_NUMBERS: Schema = {
    "type": "array",
    "items": {"type": "number", "exclusiveMinimum": -_BEYOND, "exclusiveMaximum": _BEYOND},
    "minItems": 1,
    "maxItems": _DIM,
}


@dataclass(frozen=True)
class Vector(Field):
    """One vector: a list of numbers, or ``{"f32": base64}``; (d,) float32."""

    def check(self, value: Any, name: str) -> np.ndarray:
        if type(value) is dict:
            return _unpacked(value, name)
        return _floats(value, name)

    def refuse_flags(self, value: Any, name: str) -> None:
        _refuse_flags(value, name)

    def schema(self) -> Schema:
        return {"anyOf": [_NUMBERS, _PACKED]}


@dataclass(frozen=True)
class Vectors(Field):
    """Several vectors: a list of lists, or all in one ``{"f32": base64}``, row after row.

    Lists become (n, d) float32; what was packed stays flat until the dimensions of the collection are known.
    """

    def check(self, value: Any, name: str) -> np.ndarray:
        if type(value) is dict:
            return _unpacked(value, name)
        if type(value) is not list or not value:
            raise refuse(name, "a list of vectors", value)
        rows = [_floats(row, f"{name}[{at}]") for at, row in enumerate(value)]
        width = len(rows[0])
        for at, row in enumerate(rows):
            if len(row) != width:
                raise Problem(422, f"{name}[{at}]: expected {width} dimensions as in the first, got {len(row)}")
        return np.stack(rows)

    def refuse_flags(self, value: Any, name: str) -> None:
        _refuse_flags(value, name)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "array", "items": _NUMBERS, "minItems": 1}, _PACKED]}


def _floats(value: Any, name: str) -> np.ndarray:
    """A list of numbers as float32, each rounded to the nearest."""
    if type(value) is not list or not 1 <= len(value) <= _DIM:
        raise refuse(name, f"a list of 1 to {_DIM} numbers", value)
    try:
        return np.frombuffer(struct.pack(f"<{len(value)}f", *value), "<f4").astype(np.float32, copy=False)
    except (struct.error, OverflowError):
        wrong = next((one for one in value if type(one) not in (int, float) or not abs(one) < _BEYOND), value)
        raise refuse(name, "numbers that float32 can hold", wrong) from None


def _refuse_flags(value: Any, name: str) -> None:
    """True and false are numbers in Python, and none in JSON."""
    if type(value) is list:
        if bool in map(type, value):
            raise refuse(name, "numbers", next(one for one in value if type(one) is bool))
        if value and type(value[0]) is list:
            for at, row in enumerate(value):
                _refuse_flags(row, f"{name}[{at}]")


def _unpacked(value: dict[str, Any], name: str) -> np.ndarray:
    packed = value.get("f32")
    if type(packed) is not str or len(value) != 1:
        raise refuse(name, 'numbers, or {"f32": base64}', value)
    try:
        raw = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(422, f"{name}.f32: expected base64, got something else") from None
    return from_bytes(raw, f"{name}.f32")


def from_bytes(raw: bytes, name: str) -> np.ndarray:
    """Little-endian float32 as an array."""
    if not raw or len(raw) % 4:
        raise Problem(422, f"{name}: expected float32 values, 4 bytes each, got {len(raw)} bytes")
    numbers = np.frombuffer(raw, "<f4")
    return numbers if sys.byteorder == "little" else numbers.astype(np.float32)


class Body:
    """The fields of a JSON body; what is not among them is refused, null counts as left out.

    ``required`` must be there; of ``any_of`` at least one; of ``apart`` at most one, which the operation sees to.
    """

    def __init__(
        self,
        fields: Mapping[str, Field],
        required: tuple[str, ...] = (),
        any_of: tuple[str, ...] = (),
        apart: tuple[str, ...] = (),
    ):
        self.fields = dict(fields)
        self.required = required
        self.any_of = any_of
        self.apart = apart

    def check(self, value: Any, flags: bool = True) -> dict[str, Any]:
        """The fields that were given, checked; ``flags`` says whether true or false stand anywhere in them."""
        if type(value) is not dict:
            raise refuse("the body", "an object", value)
        found = {}
        fields = self.fields
        for name, one in value.items():
            known = fields.get(name)
            if known is None:
                raise Problem(422, f"{name[:40]}: no such field here; fields: {', '.join(fields)}")
            if one is not None:
                if flags:
                    known.refuse_flags(one, name)
                found[name] = known.check(one, name)
        for name in self.required:
            if name not in found:
                raise Problem(422, f"{name}: expected, and not given")
        if self.any_of and not any(name in found for name in self.any_of):
            raise Problem(422, f"expected one of {', '.join(self.any_of)}, got none of them")
        return found

    def schema(self) -> Schema:
        """Its JSON schema."""
        schema: Schema = {
            "type": "object",
            "properties": {
                name: known.described(null=name not in self.required) for name, known in self.fields.items()
            },
            "additionalProperties": False,
        }
        if self.required:
            schema["required"] = list(self.required)
        if self.any_of:
            schema["anyOf"] = [
                {
                    "required": [name],
                    "properties": {
                        name: self.fields[name].schema(),
                        **{other: {"type": "null"} for other in self.apart if name in self.apart and other != name},
                    },
                }
                for name in self.any_of
            ]
        return schema

    def example(self) -> dict[str, Any]:
        """An example made of those of its fields."""
        return {name: known.example for name, known in self.fields.items() if known.example is not None}
