"""Which column is what, and of which type: said by the caller, or guessed where there is no doubt."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ID_NAMES = ("id", "_id", "doc_id", "docid")
TEXT_NAMES = ("text", "content", "body", "document", "passage", "sentence")
VECTOR_NAMES = ("vector", "embedding", "vectors", "embeddings")
TYPES = ("bool", "int", "float", "string", "timestamp", "strings", "geo")

_INT = re.compile(r"-?(?:0|[1-9]\d*)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")


@dataclass(frozen=True)
class Choice:
    """What the caller said about columns; None and empty where nothing was said.

    ``attributes`` maps a name to a type, or to None where the type is to be guessed.
    """

    id: str | None = None
    text: str | None = None
    vector: str | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """The roles of a file's columns; ``rest`` goes into the payload, as does the text."""

    id: str | None
    text: str | None
    vector: str | None
    attributes: dict[str, str]
    rest: tuple[str, ...]


def parse_attributes(text: str) -> dict[str, str | None]:
    """``"year,topic:string"`` -> ``{"year": None, "topic": "string"}``."""
    chosen: dict[str, str | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, kind = part.rpartition(":")
        if not colon:
            name, kind = part, ""
        if colon and kind not in TYPES:
            raise ValueError(f"--attributes: expected one of {', '.join(TYPES)} after the colon, got {part!r}")
        chosen[name] = kind or None
    return chosen


def assign_columns(source: str, kinds: Mapping[str, str], choice: Choice) -> Columns:
    """Give every column its role.

    ``kinds`` says what was seen in each: a type of :data:`TYPES`, ``"vector"``, or ``"other"`` (nested values, nulls
    only). Guesses: the id is a column named so; the text is the only column with a usual name for it, or else, without
    vectors, the only column of strings; the vector likewise. Where both could be meant the caller must say which.
    """
    for option, name in (
        ("--id-column", choice.id),
        ("--text-column", choice.text),
        ("--vector-column", choice.vector),
    ):
        _check_there(source, option, name, kinds)
    for name in choice.attributes:
        _check_there(source, "--attributes", name, kinds)
    identifier = choice.id or next((n for n in ID_NAMES if kinds.get(n) in ("int", "string", "timestamp")), None)
    text, vector = choice.text, choice.vector
    if text is None and vector is None:
        strings = [n for n, kind in kinds.items() if kind == "string" and n != identifier]
        arrays = [n for n, kind in kinds.items() if kind == "vector"]
        texts = [n for n in strings if n.lower() in TEXT_NAMES] or ([] if arrays or len(strings) > 1 else strings)
        vectors = [n for n in arrays if n.lower() in VECTOR_NAMES] or arrays
        if len(texts) + len(vectors) != 1:
            raise ValueError(
                f"{source}: say --text-column or --vector-column; columns: "
                + ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            )
        text, vector = (texts or [None])[0], (vectors or [None])[0]  # type: ignore[list-item]
    if text is not None and kinds[text] == "vector":
        raise ValueError(f"{source}: column {text!r} holds vectors; expected texts for --text-column")
    if vector is not None and kinds[vector] != "vector":
        raise ValueError(f"{source}: column {vector!r} holds {kinds[vector]} values; expected lists of numbers")
    attributes = {name: kind or _attribute_type(source, name, kinds[name]) for name, kind in choice.attributes.items()}
    rest = tuple(name for name in kinds if name not in {identifier, text, vector} and name not in attributes)
    return Columns(identifier, text, vector, attributes, rest)


def _check_there(source: str, option: str, name: str | None, kinds: Mapping[str, str]) -> None:
    if name is not None and name not in kinds:
        raise ValueError(f"{source}: {option}: no column {name!r}; columns: {', '.join(kinds)}")


def _attribute_type(source: str, name: str, kind: str) -> str:
    if kind not in TYPES:
        raise ValueError(
            f"{source}: --attributes: column {name!r} holds {kind} values; expected {', '.join(TYPES)}; "
            "without --attributes it goes into the payload"
        )
    return kind


def kind_of_json(values: set[type]) -> str:
    """The kind of a column from the types of its JSON values, None left out (lists count as vectors elsewhere)."""
    if values == {bool}:
        return "bool"
    if values == {int}:
        return "int"
    if values and values <= {int, float}:
        return "float"
    return "string" if values == {str} else "other"


class TextKind:
    """The type that all cells of a CSV column agree on; empty cells say nothing."""

    def __init__(self) -> None:
        self._left = ["bool", "int", "float", "timestamp", "string"]
        self._seen = False

    def see(self, cell: str) -> None:
        """Look at one more cell."""
        if cell and self._left != ["string"]:
            self._seen = True
            self._left = [kind for kind in self._left if kind == "string" or _fits(cell, kind)]
        self._seen = self._seen or bool(cell)

    @property
    def kind(self) -> str:
        """The narrowest type left."""
        return self._left[0] if self._seen else "string"


def _fits(cell: str, kind: str) -> bool:
    if kind == "bool":
        return cell.lower() in ("true", "false")
    if kind == "int":
        return bool(_INT.fullmatch(cell)) and -(2**63) <= int(cell) < 2**63
    if kind == "timestamp":
        return bool(_DATE.fullmatch(cell))
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and (not cell.lstrip("-+").startswith("0") or cell.lstrip("-+")[1:2] in ("", ".", "e", "E"))


def value_of_text(cell: str, kind: str) -> Any:
    """A CSV cell as a value of ``kind``; empty is None except for strings. ValueError says what came."""
    if kind == "string":
        return cell
    if not cell:
        return None
    try:
        if kind == "bool":
            return {"true": True, "false": False}[cell.lower()]
        return int(cell) if kind == "int" else float(cell) if kind == "float" else dt.datetime.fromisoformat(cell)
    except (ValueError, KeyError):
        raise ValueError(f"expected {kind}, got {cell!r}") from None


def as_vector(value: Any, dim: int | None) -> list[float]:
    """A list of finite numbers of the right length; ValueError says what is wrong."""
    if not isinstance(value, list) or not value or not all(type(x) in (int, float) for x in value):
        raise ValueError(f"expected a list of numbers, got {str(value)[:40]!r}")
    if dim is not None and len(value) != dim:
        raise ValueError(f"expected a vector of {dim} numbers as in the first row, got {len(value)}")
    try:
        return [float(number) for number in value]
    except OverflowError:
        raise ValueError("expected numbers that float32 can hold, got an integer beyond them") from None
