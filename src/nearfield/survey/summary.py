"""The survey in three sentences (how hard search is, how far vectors compress, what to mend), and what to do.

With labels a fourth sentence says whether they show.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from .measure import Measure, format_number

# Compression that finds less than this by itself is not advised.
_ENOUGH = 0.9
_FRACTIONS = {1: "a thirty-second", 2: "a sixteenth", 4: "an eighth", 8: "a quarter"}


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
    if "alignment" in measures and measures["alignment"].verdict == "poor":
        faults.append("pairs that belong together lie apart: check the encoder before the index")
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


def advice_lines(measures: Mapping[str, Measure], dim: int, metric: str) -> list[str]:
    """What to do, and what it would gain as far as the survey measured it; the surest gain first."""
    return [line for line in (*_cleaning(measures, metric), *_saving(measures, dim), *_building(measures)) if line]


def _cleaning(measures: Mapping[str, Measure], metric: str) -> Iterator[str]:
    twins = measures["duplicates"]
    repeats = int(twins.parts.get("exact_rows", 0))
    if repeats:
        yield (
            f"Delete {repeats:,} row{'s that repeat' if repeats > 1 else ' that repeats'} another one exactly: saves "
            f"{format_number(twins.parts['exact'], 'share')} of the memory and loses nothing."
        )
    if twins.known and twins.parts["near"] >= 0.01:
        share = format_number(twins.parts["near"], "share")
        yield f"Look at near copies ({share} of the other rows have one): without them results repeat themselves less."
    strong = measures["dominant_directions"]
    before, after = (strong.parts.get(f"cosine_{when}", 0.0) for when in ("before", "after"))
    if metric != "l2" and strong.known and abs(before) >= 0.3 and abs(after) < abs(before) / 2:
        yield (
            f"Subtract the mean vector from rows and queries: unrelated rows have a cosine of {before:.2f} now, and "
            f"{after:.2f} without the strongest directions; few-bit codes then lose less. Check results on known "
            "queries."
        )
    noise = measures["real_directions"]
    if noise.known and noise.value >= 1 and noise.parts["noise_share"] >= 0.2:
        share = format_number(noise.parts["noise_share"], "share")
        yield f"Reduce to {noise.value:.0f} dimensions with PCA: drops {share} of the variance, which looks like noise."
    hubs = measures["hubness"]
    if hubs.verdict == "poor":
        yield (
            f"Centre the vectors, or search by cosine, and measure hubness again: {hubs.parts['anti_hubs']:.0%} of the "
            "rows are in nobody's results now."
        )


def _saving(measures: Mapping[str, Measure], dim: int) -> Iterator[str]:
    survives = measures["quantization_survival"]
    if not survives.known:
        return
    k, parts = int(survives.parts["k"]), survives.parts
    for bits in (1, 2, 4, 8):
        if parts[f"bits_{bits}"] >= _ENOUGH:
            found = format_number(round(parts[f"bits_{bits}"], 3), "share")
            yield (
                f"Store {bits} bit{'s' if bits > 1 else ''} a number instead of 32: {_FRACTIONS[bits]} of the "
                f"memory, and the codes alone still find {found} of the {k} nearest; scoring the best again finds "
                "nearly all."
            )
            break
    kept = [int(name.split("_")[1]) for name in parts if name.startswith("dimensions_") and name.count("_") == 1]
    fewest = min((keep for keep in kept if parts[f"dimensions_{keep}"] >= _ENOUGH), default=None)
    if fewest is not None:
        found = format_number(round(parts[f"dimensions_{fewest}"], 3), "share")
        yield (
            f"Keep {fewest} principal dimensions of {dim}: memory and time divided by {dim / fewest:.2g}, and {found} "
            f"of the {k} nearest are still found."
        )


def _building(measures: Mapping[str, Measure]) -> Iterator[str]:
    order = measures["order_sensitivity"]
    if order.verdict in ("fair", "poor"):
        yield (
            "Use an index that does not depend on the order of insertion (nearfield's graph does not): the order moves "
            f"recall by {100 * order.value:.1f} points in one that does."
        )
    local = measures["local_intrinsic_dimension"]
    if local.verdict in ("fair", "poor"):
        yield (
            "Let the tuner choose the width of search, and look at recall on the hardest tenth of the queries: the "
            f"dimension there is {local.parts['p90'] / max(local.parts['p10'], 1e-9):.1f} times that of the easiest."
        )
