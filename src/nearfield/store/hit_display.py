"""Hits as a notebook shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..common import html
from .hit_table import hit_columns

if TYPE_CHECKING:
    from .hits import Hits

_HITS = 20
_QUERIES = 5
_LONG = 160
_NUMBERS = ("rank", "distance", "relevance")


def to_html(hits: Hits) -> str:
    """The first hits of the first queries, and why there are fewer than were asked for."""
    if hits.single:
        return html.box(*_answer(hits, "Hits"))
    parts: list[Any] = [html.paragraph(html.strong(f"Hits of {len(hits):,} queries"))]
    for number in range(min(len(hits), _QUERIES)):
        head, *rest = _answer(hits[number], f"Query {number}")
        parts.append(html.details(head, *rest) if number else html.Markup(head + "".join(rest)))
    if len(hits) > _QUERIES:
        parts.append(html.paragraph(html.soft(f"and {len(hits) - _QUERIES:,} more queries")))
    return html.box(*parts)


def _answer(hits: Hits, name: str) -> list[Any]:
    """A line that says how many, and the table."""
    said = "" if hits.status == "ok" else f": {hits.status}"
    head = html.Markup(f"{html.strong(name)} {html.soft(f'{len(hits):,} found of {len(hits.ids):,}{said}')}")
    if not len(hits):
        return [head]
    columns, payload = hit_columns(hits)
    columns["rank"] = [rank + 1 for rank in columns["rank"]]
    names = [
        column for column, values in columns.items() if column != payload or any(value is not None for value in values)
    ]
    rows = [[_cell(column, columns[column][row]) for column in names] for row in range(min(len(hits), _HITS))]
    right = [place for place, column in enumerate(names) if column in _NUMBERS or column.endswith("_leg")]
    parts = [head, html.table([" " if column == "rank" else column for column in names], rows, right)]
    if len(hits) > _HITS:
        parts.append(html.paragraph(html.soft(f"and {len(hits) - _HITS:,} more")))
    return parts


def _cell(column: str, value: Any) -> Any:
    if value is None:
        return html.soft("–")
    if column == "rank":
        return html.soft(value)
    if column == "relevance":
        return html.bar(value)
    if isinstance(value, float):
        return f"{value:.4f}" if column == "distance" or column.endswith("_leg") else f"{value:g}"
    if isinstance(value, dict):
        return html.Markup(
            "<br>".join(f"{html.soft(key)} {html.shown(_short(inner))}" for key, inner in list(value.items())[:8])
        )
    if isinstance(value, list):
        return _short(", ".join(map(str, value)))
    return _short(value)


def _short(value: Any) -> str:
    text = value.isoformat(" ", "minutes") if hasattr(value, "hour") else str(value)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"
