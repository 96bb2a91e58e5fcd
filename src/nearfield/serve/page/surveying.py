"""The survey of a collection as the page shows it: the measures, a picture of each in both themes, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...common.errors import MissingExtraError
from .work import Report

if TYPE_CHECKING:
    import numpy as np

    from ...store import Store
    from ...survey import Survey

MOST_ITEMS = 1_000_000
THEMES = ("light", "dark")
# The names that the report's plots give their colours.
_COLORS = {
    "light": {"ink": "#1b1f24", "line": "#dcdcd7", "card": "#ffffff", "first": "#2f6fb3", "second": "#d1762c"},
    "dark": {"ink": "#e8e9ea", "line": "#333941", "card": "#1c2025", "first": "#6aa9e9", "second": "#e79a5b"},
}


@dataclass(frozen=True)
class Surveyed:
    """A finished survey; ``figures`` are SVG by the name of their measure, none without matplotlib."""

    revision: str
    survey: Survey
    figures: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.survey.to_dict(), "figures": list(self.figures)}

    def figure(self, measure: str, theme: str) -> bytes:
        """One picture in the colours of a theme."""
        picture = self.figures[measure]
        for name, color in _COLORS[theme].items():
            picture = picture.replace(f"var(--{name})", color)
        return picture.encode()

    def report(self, title: str) -> bytes:
        """The report as one HTML file, as ``nearfield survey --html`` writes it."""
        from ...survey.report import render

        return render(self.survey, title).encode()


def read(store: Store) -> tuple[str, np.ndarray, str]:
    """What a survey is made of: the revision, the vectors, the metric."""
    revision = store.revision
    batch = store.sample(MOST_ITEMS, payload=False)
    if not len(batch):
        raise ValueError("survey: the collection is empty; add items first")
    return revision, batch.vectors, store.metric


def measure(revision: str, vectors: np.ndarray, metric: str, report: Report) -> Surveyed:
    """Survey the vectors and draw what is drawn."""
    from ...survey import survey
    from ...survey.plots import figures

    report("Measuring", 0.0)
    found = survey(vectors, metric=metric, progress=False)
    report("Drawing", 0.0)
    try:
        drawn = figures(found.measures, metric)
    except MissingExtraError:  # the measures stand without pictures
        drawn = {}
    return Surveyed(revision, found, drawn)
