"""The survey in three sentences: how hard search will be, how far the vectors compress, what to mend first.

With labels a fourth says whether they show."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from .measure import Measure, format_number


def summary_lines(measures: Mapping[str, Measure], dim: int, metric: str) -> list[str]:
    """Three sentences from the measures of :func:`nearfield.survey.survey`; a fourth when there are labels."""
    lines = [_difficulty(measures), _compression(measures, dim), _mending(measures, metric)]
    return [*lines, _labels(measures)] if "neighbor_purity" in measures else lines


def table(measures: Mapping[str, Measure]) -> list[str]:
    """The measures as lines of text: title, value, interval, verdict, and what each means below."""
    shown = [(m.title, m.text(), m.interval_text(), m.verdict, m.meaning) for m in measures.values()]
    widths = [max(len(row[i]) for row in shown) for i in range(3)]
    lines = [f"{'measure':{widths[0]}}  {'value':{widths[1]}}  {'95% interval':{max(widths[2], 12)}}  for search"]
    for title, value, interval, verdict, meaning in shown:
        lines.append(f"{title:{widths[0]}}  {value:{widths[1]}}  {interval:{max(widths[2], 12)}}  {verdict}")
        lines += textwrap.wrap(meaning, 96, initial_indent="    ", subsequent_indent="    ")
    return lines


def _difficulty(measures: Mapping[str, Measure]) -> str:
    finest, wider = measures["intrinsic_dimension_twonn"], measures["intrinsic_dimension_mle"]
    contrast = measures["contrast"]
    known = [measure for measure in (finest, wider) if measure.known]
    if not known:
        return "How hard search will be cannot be said: there are too few different rows."
    dimension = max(known, key=lambda measure: measure.value)
    level = {"good": "easy", "fair": "moderate", "poor": "hard"}[dimension.verdict]
    text = f"Difficulty: {level} (about {dimension.value:.0f} intrinsic dimensions"
    if contrast.known:
        text += f"; the nearest row is {format_number(contrast.value)} times nearer than a random one"
    if dimension is finest and wider.known and finest.value > 2 * wider.value:
        text += f"; that is noise between near copies, a little further out there are {wider.value:.0f} dimensions"
    text += ")"
    advice = {
        "good": ": a graph index finds the true neighbours with a narrow beam",
        "fair": ": a graph index finds the true neighbours with a moderate beam; let the tuner choose it",
        "poor": ": expect a wide beam, and compare with exact search before choosing an index",
    }[dimension.verdict]
    local = measures["local_intrinsic_dimension"]
    if local.known and local.verdict != "good":
        advice += "; some regions are harder than others, so measure recall on the worst tenth of the queries too"
    return text + advice + "."


def _compression(measures: Mapping[str, Measure], dim: int) -> str:
    rank = measures["effective_rank"]
    kept = int(rank.parts.get("dimensions_95", 0)) if rank.known else 0
    if not kept or not measures["participation_ratio"].known:
        return "How far the vectors compress cannot be said: there are too few different rows."
    if kept <= 0.5 * dim:
        return (
            f"Compression: {kept} of {dim} principal dimensions hold 95% of the variance, so a PCA to about {kept} "
            f"should divide memory by {dim / kept:.1f} at a small loss; measure it with the tuner."
        )
    return (
        f"Compression: it takes {kept} of {dim} principal dimensions to hold 95% of the variance, so expect more from "
        "fewer bits per number than from fewer dimensions."
    )


def _mending(measures: Mapping[str, Measure], metric: str) -> str:
    faults = []
    twins = measures["duplicates"]
    if twins.verdict in ("fair", "poor"):
        faults.append(f"{format_number(twins.value, 'share')} of the rows have a twin: look at some, and deduplicate")
    common = measures["mean_cosine"]
    if common.verdict == "poor":
        faults.append(f"unrelated rows have a cosine of {common.value:.2f}: subtract the mean and measure again")
    norms = measures["norm_spread"]
    if norms.verdict == "poor" and metric == "ip":
        faults.append("lengths differ much, so inner product favours long rows: check that this is meant")
    hubs = measures["hubness"]
    if hubs.verdict == "poor":
        faults.append(f"hubs crowd the results ({hubs.parts['anti_hubs']:.0%} of the rows appear in none)")
    if measures["contrast"].verdict == "poor":
        faults.append("nearest rows are hardly nearer than random ones: check the encoder before the index")
    if not faults:
        return "Nothing needs mending before the vectors are indexed."
    return "To mend: " + "; ".join(faults) + "."


def _labels(measures: Mapping[str, Measure]) -> str:
    purity = measures["neighbor_purity"]
    if not purity.known:
        return "Labels: whether they show cannot be said: too few rows share one."
    text = f"Labels: {purity.value:.0%} of a row's neighbours share its label"
    threshold, classes = measures["threshold_inconsistency"], measures["class_separability"]
    if purity.verdict == "poor":
        return f"{text}, so the space does not follow them: another encoder, or a map trained on them, is needed."
    if threshold.verdict == "poor":
        return f"{text}, but no one distance threshold suits all classes: rank, or judge by query."
    if classes.verdict == "poor":
        return f"{text}, but classes are scattered: rank by distance, do not classify by one centre each."
    if threshold.verdict == "good":
        return f"{text}, and a threshold on the distance treats the classes alike."
    return f"{text}; a threshold on the distance would treat them somewhat unevenly." if threshold.known else f"{text}."
