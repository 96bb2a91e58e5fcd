"""The comparison in four sentences: do the two agree, on what not, can the one replace the other, at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .measure import format_number

if TYPE_CHECKING:
    from .comparison import Comparison


def comparison_lines(found: Comparison) -> list[str]:
    """Four sentences from the measures of :func:`nearfield.survey.compare`."""
    return [_agreement(found), _disagreement(found), _replacement(found), _move(found)]


def _agreement(found: Comparison) -> str:
    same = found["mutual_neighbors"]
    if not same.known:
        return "Whether the two agree cannot be said: " + same.meaning.removeprefix("Unknown: ")
    k = int(same.parts["k"])
    level = {"good": "yes, nearly", "fair": "in part", "poor": "hardly"}[same.verdict]
    text = f"Do they give the same results? {level.capitalize()}: {k * same.value:.1f} of {k} on average"
    if same.parts["by_chance"] < 0.5:
        text += f" (chance alone gives {format_number(round(k * same.parts['by_chance'], 2))})"
    alike = found["cka"]
    if same.verdict != "good" and alike.known:
        if alike.value >= 0.7:
            text += "; the broad groups are the same, it is the near neighbours that change"
        elif alike.value < 0.3:
            text += "; not even the broad groups are the same"
    return text + "."


def _disagreement(found: Comparison) -> str:
    same = found["mutual_neighbors"]
    if not same.known:
        return "On what they differ cannot be said."
    if same.value > 0.999:
        return "Where do they differ? Nowhere that was looked at."
    counts = same.arrays["per_row"]
    k = int(same.parts["k"])
    low, high = np.quantile(counts, [0.1, 0.9], method="inverted_cdf")
    text = (
        f"Where do they differ? A tenth of what was asked has at most {low:.0f} of {k} results in common, a tenth at "
    )
    text += f"least {high:.0f}"
    if same.parts["none"] > 0.005:
        text += f", and {same.parts['none']:.0%} not one"
    examples = [str(name) for name in found.least_alike(3)]
    return f"{text}; look at {found.asked} such as {', '.join(examples)}."


def _replacement(found: Comparison) -> str:
    judged = found.measures.get("compatibility")
    if judged is not None and judged.known:
        answer = {"good": "yes", "fair": "nearly", "poor": "no"}[judged.verdict]
        old, new = judged.parts["old_old"], judged.parts["new_old"]
        how = "through a linear map they find" if "mapped linearly" in judged.meaning else "they find"
        return (
            f"Can new queries use the old vectors? {answer.capitalize()}: {how} {new:.0%} of what is right, where the "
            f"old queries find {old:.0%} and new queries on new vectors {judged.parts['new_new']:.0%}."
        )
    mapped = found["functional_equivalence"]
    if not mapped.known:
        return "Whether the one can replace the other cannot be said: " + mapped.meaning.removeprefix("Unknown: ")
    k, stored = int(mapped.parts["k"]), mapped.parts["stored"]
    answer = "yes" if stored >= 0.8 else "in part" if stored >= 0.4 else "not well"
    text = (
        f"Can new queries use the old vectors? {answer.capitalize()}: through a linear map they find {k * stored:.1f} "
    )
    text += f"of the {k} results that the new space gives (mapping the old vectors instead: {k * mapped.value:.1f})"
    if found.dims[0] == found.dims[1] and found["modality_gap"].verdict == "poor":
        text += "; without a map never, although dimensions are equal"
    return text + "."


def _move(found: Comparison) -> str:
    rows = found.rows[0]
    sizes = [4 * rows * dim for dim in found.dims]
    text = f"What does a move cost? {rows:,} rows to encode again; as float32 the vectors "
    if sizes[0] == sizes[1]:
        text += f"stay at {_bytes(sizes[0])}"
    else:
        text += f"go from {_bytes(sizes[0])} to {_bytes(sizes[1])}"
    carry = found["procrustes_residual"]
    if carry.known:
        text += {
            "good": "; distances carry over, so thresholds can stay once they are checked",
            "fair": "; distances change, so thresholds must be set again",
            "poor": "; thresholds and anything else learnt on old distances must be set again",
        }[carry.verdict]
    return text + "."


def _bytes(size: int) -> str:
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= power:
            return f"{size / power:.1f} {unit}"
    return f"{size} bytes"
