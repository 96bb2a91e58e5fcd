"""A map of the papers as one HTML file: a picture in SVG, without scripts, and nothing is loaded from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from shelf import Whole
from topics import Topic

import nearfield as nf
from nearfield.view import layout, neighbors_kept

WIDTH, HEIGHT, MARGIN = 1120, 720, 40
# Neighbours in the legend differ in hue and lightness; from the eleventh on they repeat as rings.
COLOURS = (
    "#2f6fd0", "#d97706", "#1f8a5b", "#c02d5e", "#7c4dd6", "#0e8fa8", "#a16207", "#d1495b", "#5b7f1a", "#8a5a9e",
)  # fmt: skip
OTHERS = "#8b929c"
_LINE, _LETTER = 17, 6.9
_STYLE = """
:root{color-scheme:light dark;--paper:#ffffff;--ink:#1d232b;--soft:#5b6470}
@media(prefers-color-scheme:dark){:root{--paper:#15191f;--ink:#e8ebef;--soft:#a3acb8}}
body{margin:2rem auto;max-width:72rem;padding:0 1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}p{color:var(--soft);margin:.3rem 0 1rem;max-width:60rem}
svg{width:100%;height:auto;display:block}
circle:hover{stroke:var(--ink);stroke-width:3}
.name{font:600 13px system-ui,sans-serif;fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px;
stroke-linejoin:round;text-anchor:middle;pointer-events:none}
ul{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;padding:0;margin:1rem 0}
li svg{display:inline;width:.9rem;height:.9rem;vertical-align:-.1rem;margin-right:.4rem}
"""


@dataclass(frozen=True)
class Drawn:
    """The page, and which share of each paper's ten nearest the map keeps among its ten nearest, on average."""

    page: str
    kept: float


def draw(whole: Whole, groups: Sequence[Topic], by: str = "group", title: str = "Papers") -> Drawn:
    """The map: papers that are near in the space are near on it, a colour says the group or the label ``by``."""
    if len(whole) < 3:
        raise ValueError(f"expected three papers or more for a map, got {len(whole)}")
    found = nf.Flat("cosine").build(whole.vectors).search(whole.vectors, min(16, len(whole))).rows
    # A paper is its own nearest, but not always the first of several that say the same.
    near = np.array([[row for row in rows if row != own][: found.shape[1] - 1] for own, rows in enumerate(found)])
    at = layout(whole.vectors, neighbors=near)
    kept = float(neighbors_kept(at, near[:, :10]).mean())
    places = _fit(at)
    kinds = _group_of(groups, len(whole)) if by == "group" else whole.labels(by)
    order = [name for name, _ in Counter(kind for kind in kinds if kind is not None).most_common()]
    looks = {name: _look(number) for number, name in enumerate(order)}
    dots = "".join(_dot(whole, row, places[row], kinds[row], looks) for row in range(len(whole)))
    names = "".join(_names(groups, places))
    legend = [_legend(name, kinds.count(name), looks[name]) for name in order]
    if None in kinds:
        legend.append(_legend("no label", kinds.count(None), _look(None)))
    said = (
        f"{len(whole)} papers. Near on the map is near in the space: of the ten nearest of a paper {kept:.0%} are "
        "among its ten nearest here; distances between groups mean little. Colour: "
        + ("groups found in the space" if by == "group" else f"the {by} that the paper's words speak of")
        + ". Names are the words that set a group apart. Rest on a point to read its title."
    )
    return Drawn(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(title)}</h1><p>{escape(said)}</p>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="map of {len(whole)} papers">{dots}{names}</svg>'
        f"<ul>{''.join(legend)}</ul></body></html>\n",
        kept,
    )


def _fit(at: np.ndarray) -> np.ndarray:
    """Into the picture, both axes by the same scale."""
    low, high = at.min(axis=0), at.max(axis=0)
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    return (at - (low + high) / 2) * scale + np.array([WIDTH, HEIGHT]) / 2


def _group_of(groups: Sequence[Topic], papers: int) -> list[str | None]:
    kinds: list[str | None] = [None] * papers
    for group in groups:
        for row in np.flatnonzero(group.members):
            kinds[row] = group.name
    return kinds


def _look(number: int | None) -> str:
    if number is None:
        return f'fill="{OTHERS}" fill-opacity=".55"'
    colour = COLOURS[number % len(COLOURS)]
    ring = (number // len(COLOURS)) % 2
    return f'fill="none" stroke="{colour}" stroke-width="2.5"' if ring else f'fill="{colour}"'


def _dot(whole: Whole, row: int, place: np.ndarray, kind: str | None, looks: dict[str, str]) -> str:
    said = whole.titles[row] + (f"\n{kind}" if kind else "")
    look = looks[kind] if kind is not None else _look(None)
    dot = f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="5.5" {look}><title>{escape(said)}</title></circle>'
    return f'<a href="{escape(whole.urls[row] or "")}">{dot}</a>' if whole.urls[row] else dot


def _names(groups: Sequence[Topic], places: np.ndarray) -> list[str]:
    """Each group's name at its middle, moved up or down until it covers no other; the largest group chooses first."""
    taken: list[tuple[float, float, float]] = []
    written = []
    for group in sorted(groups, key=lambda group: -int(group.members.sum())):
        x, y = np.median(places[group.members], axis=0)
        half = len(group.name) * _LETTER / 2
        x = min(max(x, half + 4), WIDTH - half - 4)
        steps = [0, *(sign * step for step in range(1, 12) for sign in (-1, 1))]
        spots = [y + _LINE * step for step in steps if _LINE < y + _LINE * step < HEIGHT - 4]
        free = [spot for spot in spots if all(abs(spot - b) >= _LINE or abs(x - a) > half + c for a, b, c in taken)]
        y = free[0] if free else y
        taken.append((x, y, half))
        written.append(f'<text class="name" x="{x:.1f}" y="{y:.1f}">{escape(group.name)}</text>')
    return written


def _legend(name: str, count: int, look: str) -> str:
    mark = f'<svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6" {look}/></svg>'
    return f"<li>{mark}{escape(name)} <span>({count})</span></li>"
