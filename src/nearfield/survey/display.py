"""Measures, surveys and comparisons as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..common import html
from .measure import Measure


def measure_html(measure: Measure) -> str:
    """One measure: value, interval, verdict, what it means, and how it was measured."""
    return html.box(
        html.Markup(
            f"{html.strong(measure.title or measure.name)} {html.strong(measure.text())} "
            f"{html.soft(_interval(measure))} {html.badge(measure.verdict, measure.verdict)}"
        ),
        html.paragraph(measure.meaning),
        *_how([measure]),
    )


def measures_html(
    head: str,
    measures: Mapping[str, Measure],
    lines: Iterable[str],
    advice: Iterable[str] = (),
    verdict: str = "verdict",
) -> str:
    """Several: what they come to in sentences, what to do, and a table of all."""
    rows = [
        (
            html.Markup(f"{html.shown(measure.title or measure.name)}<br>{html.soft(measure.meaning)}"),
            html.Markup(f"{html.strong(measure.text())}<br>{html.soft(_interval(measure))}"),
            html.badge(measure.verdict, measure.verdict),
        )
        for measure in measures.values()
    ]
    todo = list(advice)
    return html.box(
        html.paragraph(html.strong(head)),
        html.listing(lines),
        *([html.paragraph(html.strong("What to do, and what it would gain")), html.listing(todo)] if todo else []),
        html.details(
            f"All {len(rows)} measures", html.table(["measure", "value, 95% interval", verdict], rows, numbers=[1])
        ),
        *_how(measures.values()),
    )


def _interval(measure: Measure) -> str:
    return f"({measure.interval_text()})" if measure.known else ""


def _how(measures: Iterable[Measure]) -> list[html.Markup]:
    """How each was measured, and where it is from."""
    known = [measure for measure in measures if measure.detail or measure.source]
    if not known:
        return []
    rows = [(measure.title or measure.name, measure.detail, html.soft(measure.source)) for measure in known]
    return [html.details("How it was measured", html.table(["", "", ""], rows))]
