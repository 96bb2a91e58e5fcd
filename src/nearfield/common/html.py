"""HTML for notebooks: small tables in the notebook's own colours, light or dark, with nothing loaded from anywhere.

Every text is escaped. Colours are told relative to the text's own (``currentcolor``), so that they fit any theme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_TONES = {"good": "#1a7f4b", "fair": "#b07a00", "poor": "#d03b30", "unknown": "gray"}
_CELL = "padding:.25em .8em;vertical-align:top;border-bottom:1px solid color-mix(in srgb,currentcolor 18%,transparent)"
_BOX = "max-width:72em;line-height:1.4;color:inherit;font-variant-numeric:tabular-nums"
_SOFT = "opacity:.72"


class Markup(str):
    """HTML that is already escaped."""

    __slots__ = ()


def shown(value: object) -> Markup:
    """A value as escaped HTML; markup stays as it is."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def soft(value: object) -> Markup:
    """In the background."""
    return Markup(f'<span style="{_SOFT}">{shown(value)}</span>')


def strong(value: object) -> Markup:
    """In bold."""
    return Markup(f"<strong>{shown(value)}</strong>")


def badge(text: str, tone: str) -> Markup:
    """A word in a coloured frame: tone "good", "fair", "poor" or "unknown"."""
    colour = _TONES[tone]
    style = (
        f"display:inline-block;padding:0 .55em;border:1px solid {colour};border-radius:.8em;white-space:nowrap;"
        f"background:color-mix(in srgb,{colour} 16%,transparent)"
    )
    return Markup(f'<span style="{style}">{escape(text)}</span>')


def bar(share: float) -> Markup:
    """A share of one as a bar, its number beside it."""
    width = round(100 * min(1.0, max(0.0, share)))
    track = "display:inline-block;width:5em;height:.6em;background:color-mix(in srgb,currentcolor 14%,transparent)"
    fill = f"display:block;height:100%;width:{width}%;background:#3b82c4"
    mark = f'<span style="{track}"><span style="{fill}"></span></span>'
    return Markup(f'<span style="white-space:nowrap">{mark} {share:.2f}</span>')


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numbers: Iterable[int] = ()) -> Markup:
    """A table; columns whose place is in ``numbers`` stand to the right."""
    right = set(numbers)

    def line(cells: Sequence[object], tag: str) -> str:
        made = []
        for place, cell in enumerate(cells):
            side = "right" if place in right else "left"
            made.append(f'<{tag} style="{_CELL};text-align:{side}">{shown(cell)}</{tag}>')
        return f'<tr style="background:none">{"".join(made)}</tr>'

    header = f"<thead>{line(head, 'th')}</thead>" if any(head) else ""
    body = "".join(line(cells, "td") for cells in rows)
    return Markup(f'<table style="border-collapse:collapse;margin:.3em 0">{header}<tbody>{body}</tbody></table>')


def details(summary: object, *body: object) -> Markup:
    """What opens at a click."""
    return Markup(
        f'<details><summary style="cursor:pointer">{shown(summary)}</summary>{"".join(map(shown, body))}</details>'
    )


def paragraph(value: object) -> Markup:
    """A paragraph."""
    return Markup(f'<div style="margin:.3em 0">{shown(value)}</div>')


def listing(values: Iterable[object]) -> Markup:
    """A list with a mark before each; nothing where there are none."""
    items = "".join(f"<li>{shown(value)}</li>" for value in values)
    return Markup(f'<ul style="margin:.3em 0;padding-left:1.4em">{items}</ul>' if items else "")


def box(*parts: object) -> str:
    """What ``_repr_html_`` returns: the parts one below the other."""
    return f'<div style="{_BOX}">{"".join(map(shown, parts))}</div>'
