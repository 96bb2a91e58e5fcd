"""Heads trained on words alone and used on images: noise, shifts and maps that bear or close the gap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..transform import GapShift, RidgeMap, perturb
from . import captions
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "close_modality_gap",
    "I Can't Believe There's No Images! Learning Visual Tasks Using only Language Supervision",
    "nearfield.transform.perturb and GapShift, with RidgeMap; the space is that of two linear towers, trained to tell "
    "the partners of Fashion-MNIST's pixels and MiniLM's vectors of captions.",
)
GAP = Claim("The two modalities of a contrastive space keep apart: their means differ, and any head can tell them.")
NOISE = Claim("A head trained on noisy words gains 5 points on images, at a noise neither smallest nor largest.")
SHIFT = Claim("Where the gap is a constant offset, shifting by the difference of the means gains at least as much.")
NEAR = Claim("With an adapter the head comes within 5% of one trained on images.")
MAPPED = Claim("Noise alone does as well as what needs pairs: a linear map, or noise with the differences' covariance.")
NONE = Claim("Where there is no gap, the adapters change nothing that matters (a point).")
CLAIMS = (GAP, NOISE, SHIFT, NEAR, MAPPED, NONE)

SCALES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
STRENGTHS = (0.1, 1.0, 10.0)
PAIRS = 1_000


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    from sklearn.linear_model import LogisticRegression

    taught = setting.pick(4_000, 400)
    some = captions.load_captioned(2 * taught + 500, 0.2, 0.05)
    towers = captions.two_towers(some.pixels[:taught], some.words[:taught], steps=setting.pick(600, 100))
    images, words = captions.through(towers[0], some.pixels), captions.through(towers[1], some.words)
    apart = float(np.linalg.norm(images.mean(axis=0) - words.mean(axis=0)))
    both = np.concatenate([images[:taught], words[:taught]])
    teller = LogisticRegression(max_iter=500).fit(both, np.repeat([0, 1], taught))
    tested = np.concatenate([images[taught:], words[taught:]])
    told = float(teller.score(tested, np.repeat([0, 1], len(tested) // 2)))
    partners = float((images * words).sum(axis=1).mean())
    text = f"The means are {apart:.2f} apart (rows have length one); {told:.1%} of unseen rows are told to be image or "
    text += f"word; partners have a mean cosine of {partners:.2f}."
    yield Finding(GAP, text, Verdict.of(apart > 0.1 and told > 0.95, in_part=apart > 0.1, why="not every row is told"))

    learnt = _adapters(words, images, some.labels, taught)
    shown = ", ".join(f"{name} {score:.1%}" for name, score in learnt.items())
    noisy = {scale: learnt[f"noise {scale:g}"] for scale in SCALES}
    best = max(SCALES, key=lambda scale: noisy[scale])
    gain = 100 * (noisy[best] - learnt["none"])
    text = (
        f"{gain:+.1f} points at {best:g} ({best * np.sqrt(words.shape[1]):.1f} times a row's length), where penalties "
    )
    text += "are chosen on words; a penalty chosen on labelled images instead of noise gains "
    text += f"{100 * (learnt['none, told'] - learnt['none']):+.1f}. All: {shown}."
    inner = best not in (SCALES[0], SCALES[-1])
    why = f"the gain is {gain:.1f} points" if inner else "the best noise is at the end of the range"
    yield Finding(NOISE, text, Verdict.of(gain >= 5 and inner, in_part=gain > 0 and inner, why=why), learnt)

    offset = images.mean(axis=0) - words.mean(axis=0)
    moved = captions.unit(words + offset / np.linalg.norm(offset))
    planted = _adapters(words, moved, some.labels, taught)
    noise = max(planted[f"noise {scale:g}"] for scale in SCALES)
    text = f"Words against the same words moved by the gap's direction, length 1: none {planted['none']:.1%}, shift "
    text += (
        f"{planted['shift']:.1%}, the best noise {noise:.1%}, trained there {planted['at home']:.1%}; between words "
    )
    text += f"and images the shift changes {100 * (learnt['shift'] - learnt['none']):+.1f} points."
    yield Finding(SHIFT, text, Verdict.of(planted["shift"] >= noise, why="noise gains more"), planted)

    usable = {name: score for name, score in learnt.items() if name not in ("at home", "none", "none, told")}
    top = max(usable, key=lambda name: usable[name])
    share = usable[top] / learnt["at home"]
    text = f"{top}: {usable[top]:.1%}, {share:.1%} of the {learnt['at home']:.1%} of a head trained on images; none "
    text += f"{learnt['none'] / learnt['at home']:.1%}."
    yield Finding(NEAR, text, Verdict.of(share >= 0.95, in_part=share >= 0.9, why="within a tenth, not a twentieth"))

    paired = {name: learnt[name] for name in ("linear map", "covariance noise")}
    text = f"The best noise {noisy[best]:.1%}; " + ", ".join(f"{name} {score:.1%}" for name, score in paired.items())
    holds = noisy[best] >= max(paired.values()) - 0.005
    yield Finding(MAPPED, text + f" ({PAIRS:,} pairs).", Verdict.of(holds, why="what knows pairs does better"))

    half = taught // 2
    parts = [np.r_[0:half, taught : len(images)], np.r_[half:taught, taught : len(images)]]
    same = _adapters(images[parts[0]], images[parts[1]], some.labels[parts[0]], half, some.labels[parts[1]])
    change = {name: 100 * (same[name] - same["none"]) for name in ("shift", "noise 0.02", f"noise {best:g}")}
    text = f"Images against other images, {same['none']:.1%} with none: " + ", ".join(
        f"{name} {points:+.1f} points" for name, points in change.items()
    )
    worst = max(map(abs, change.values()))
    why = f"noise that serves across the gap changes {change[f'noise {best:g}']:+.1f} points without one"
    yield Finding(NONE, text + ".", Verdict.of(worst <= 1, in_part=abs(change["shift"]) <= 1, why=why), same)


def _adapters(
    own: np.ndarray, other: np.ndarray, labels: np.ndarray, taught: int, other_labels: np.ndarray | None = None
) -> dict[str, float]:
    """Accuracy on the other modality of heads that learnt from this one, where every head's penalty was chosen too.

    ``none, told`` and ``at home`` have theirs chosen on 500 labelled rows of the other side, the rest on their own.
    """
    from sklearn.linear_model import LogisticRegression

    there = labels if other_labels is None else other_labels
    judged, tested = slice(taught, taught + 500), slice(taught + 500, None)

    def head(rows: np.ndarray, held: np.ndarray, copies: int = 1, target: np.ndarray = labels) -> float:
        made = [LogisticRegression(C=c, max_iter=500).fit(rows, np.tile(target[:taught], copies)) for c in STRENGTHS]
        best = max(made, key=lambda fitted: fitted.score(held, target[judged]))
        return float(best.score(other[tested], there[tested]))

    rows, some = own[:taught], slice(0, min(PAIRS, taught))
    shift = GapShift().fit(rows, other=other[:taught])
    ridge = RidgeMap().fit(own[some], other[some])
    kept = own[judged]
    found = {"none": head(rows, kept), "none, told": head(rows, other[judged])}
    found |= {f"noise {scale:g}": head(perturb(rows, scale, copies=2), kept, 2) for scale in SCALES}
    found["shift"] = head(shift.transform(rows), shift.transform(kept))
    found["linear map"] = head(captions.unit(ridge.transform(rows)), captions.unit(ridge.transform(kept)))
    found["covariance noise"] = head(perturb(rows, 0.1, differences=other[some] - own[some], copies=2), kept, 2)
    found["at home"] = head(other[:taught], other[judged], 1, there)
    return found
