"""CSV and JSON lines: read twice, first to see what is there, then to take it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .columns import Choice, Columns, TextKind, as_vector, assign_columns, kind_of_json, value_of_text
from .source import Chunk, count_rows

Row = tuple[int, dict[str, Any]]


class _Lines:
    """What both have in common, given rows with their line numbers and how a cell becomes a value."""

    def __init__(self, path: Path, read: Callable[[], Iterator[Row]], columns: Columns, kinds: dict[str, str]):
        self._path = path
        self._read = read
        self._columns = columns
        self._kinds = kinds
        self.attributes = columns.attributes
        self.text = columns.text
        self.dim: int | None = None
        self.rows, self.dim = count_rows(path, self.chunks(4096))
        self.left_out = self._skipped

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Rows in the order of the lines."""
        self._skipped = 0
        roles = self._columns
        chunk = Chunk([], attributes={name: [] for name in roles.attributes}, payload=[])
        texts: list[str] = []
        vectors: list[list[float]] = []
        dim = self.dim
        for count, (line, row) in enumerate(self._read()):
            try:
                if roles.vector is not None:
                    vectors.append(as_vector(row.get(roles.vector), dim))
                    dim = dim or len(vectors[-1])
                elif not self._take_text(row, texts):
                    self._skipped += 1
                    continue
                chunk.ids.append(count if roles.id is None else self._id(row.get(roles.id)))
                for name, kind in roles.attributes.items():
                    chunk.attributes[name].append(self._value(row.get(name), kind))
            except ValueError as error:
                raise ValueError(f"{self._path}: line {line}: {error}") from None
            shown = [*roles.rest, *([roles.text] if roles.text else [])]
            values = {name: self._shown(name, row[name]) for name in shown if row.get(name) not in (None, "")}
            assert chunk.payload is not None
            chunk.payload.append(values or None)
            if len(chunk.ids) == size:
                yield _filled(chunk, texts, vectors)
                chunk = Chunk([], attributes={name: [] for name in roles.attributes}, payload=[])
                texts, vectors = [], []
        if chunk.ids:
            yield _filled(chunk, texts, vectors)

    def _take_text(self, row: dict[str, Any], texts: list[str]) -> bool:
        text = row.get(self._columns.text or "")
        if text is not None and not isinstance(text, str):
            raise ValueError(f"column {self._columns.text!r}: expected a text, got {text!r}")
        if not text or not text.strip():
            return False
        texts.append(text)
        return True

    def _id(self, value: Any) -> Any:
        if value is None or value == "":
            raise ValueError(f"no id in column {self._columns.id!r}")
        return value

    def _value(self, value: Any, kind: str) -> Any:
        return value

    def _shown(self, name: str, value: Any) -> Any:
        return value


class Csv(_Lines):
    """Comma-separated values with a header line, UTF-8."""

    def __init__(self, path: Path, choice: Choice):
        kinds: dict[str, TextKind] = {}
        arrays: dict[str, bool] = {}
        for _, row in _csv_rows(path):
            for name, cell in row.items():
                kinds.setdefault(name, TextKind()).see(cell)
                if cell:
                    arrays[name] = arrays.get(name, True) and cell[0] == "[" and cell[-1] == "]"
        if not kinds:
            raise ValueError(f"{path}: the file is empty; expected a header line and rows")
        seen = {name: "vector" if arrays.get(name) else kind.kind for name, kind in kinds.items()}
        columns = assign_columns(str(path), seen, choice)

        def read() -> Iterator[Row]:
            for line, row in _csv_rows(path):
                if columns.vector is not None:
                    try:
                        row = {**row, columns.vector: json.loads(row[columns.vector])}
                    except (ValueError, RecursionError):
                        message = f"expected a list of numbers, got {row[columns.vector][:40]!r}"
                        raise ValueError(f"{path}: line {line}: {message}") from None
                yield line, row

        super().__init__(path, read, columns, seen)

    def _id(self, value: Any) -> Any:
        kind = self._kinds[self._columns.id or ""]
        return super()._id(value_of_text(value, "int") if kind == "int" else value)

    def _value(self, value: Any, kind: str) -> Any:
        return value_of_text(value, kind)

    def _shown(self, name: str, value: Any) -> Any:
        kind = self._kinds[name]
        return value_of_text(value, kind) if kind in ("bool", "int", "float") else value


class Jsonl(_Lines):
    """One JSON object a line, UTF-8."""

    def __init__(self, path: Path, choice: Choice):
        types: dict[str, set[type]] = {}
        for _, row in _json_rows(path):
            for name, value in row.items():
                found = types.setdefault(name, set())
                if isinstance(value, list):
                    found.add(np.ndarray if value and all(type(x) in (int, float) for x in value) else list)
                elif value is not None:
                    found.add(type(value))
        if not types:
            raise ValueError(f"{path}: the file is empty; expected one JSON object a line")
        kinds = {name: "vector" if np.ndarray in found else kind_of_json(found) for name, found in types.items()}
        super().__init__(path, lambda: _json_rows(path), assign_columns(str(path), kinds, choice), kinds)

    def _id(self, value: Any) -> Any:
        value = super()._id(value)
        mixed = self._kinds[self._columns.id or ""] not in ("int", "string")
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(f"column {self._columns.id!r}: expected an integer or a text as id, got {value!r}")
        return str(value) if mixed else value

    def _value(self, value: Any, kind: str) -> Any:
        allowed: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float)}
        if value is not None and (
            not isinstance(value, allowed.get(kind, (str,))) or (isinstance(value, bool) and kind != "bool")
        ):
            raise ValueError(f"expected {kind}, got {value!r}")
        return value


def _filled(chunk: Chunk, texts: list[str], vectors: list[list[float]]) -> Chunk:
    chunk.texts = texts or None
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which the store refuses by its row
        chunk.vectors = np.array(vectors, np.float64).astype(np.float32) if vectors else None
    return chunk


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines as text, so that one that is not UTF-8 can be named."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}: line {number}: not UTF-8 (byte {error.start + 1} of the line); convert the file first"
                ) from None


def _csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(1 << 30)
    reader = csv.reader((line for _, line in _lines(path)), strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise ValueError(f"{path}: line 1: column names come twice: {', '.join(header)}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(f"{path}: line {reader.line_num}: expected {len(header)} fields, got {len(row)}")
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}") from None


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: line {number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}: line {number}: expected a JSON object, got {line.strip()[:40]!r}")
        yield number, row
