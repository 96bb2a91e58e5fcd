"""Fusing vectors made beforehand: both modalities in a small classifier, aligned or not, at few labels."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..transform import PCA, GapAlignment, GapShift
from . import captions
from .captions import Captioned
from .claims import Claim, Finding, Paper, Setting, Verdict
from .material import unit

PAPER = Paper(
    "healthcare_alignment",
    "Multimodal Deep Learning for Low-Resource Settings: A Vector Embedding Alignment Approach for Healthcare "
    "Applications",
    "nearfield.transform.GapAlignment before a linear classifier; Fashion-MNIST's pixels and MiniLM's vectors of noisy "
    "captions stand for image and report.",
)
FUSED = Claim("Both modalities together are at least 2 points more accurate than the better one (few labels).")
ALIGNED = Claim("Aligned fusion is half a point more accurate than fusion of unit vectors as they are, on average.")
SHARED = Claim("The same between the modalities of one contrastive space, which the paper's model is.")
CENTRES = Claim("The means' distance falls to 1 - lambda of what it was, before rows are brought to length one.")
EARLY = Claim("Early fusion (side by side) is as accurate as late fusion (mean of two classifiers' chances).")
TIME = Claim("Fitting takes at most a hundredth of the time of training a network on the raw inputs.")
CLAIMS = (FUSED, ALIGNED, SHARED, CENTRES, EARLY, TIME)

GRID = (-1.0, -0.5, 0.0, 0.5, 1.0)
LABELS = (50, 100, 300)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    some = captions.load_captioned(setting.pick(12_000, 1_000), 0.4, 0.2)
    taught = len(some.labels) // 2
    width = setting.pick(384, 32)
    pixels = unit(PCA(width).fit(some.pixels[:taught]).transform(some.pixels))
    words = some.words if width == 384 else unit(some.words[:, :width])
    runs = _runs(pixels, words, some.labels, taught, setting)
    mean = {labels: {name: float(np.mean(scores)) for name, scores in found.items()} for labels, found in runs.items()}
    numbers = {str(labels): found for labels, found in mean.items()}

    text = "; ".join(
        f"{labels} labels: pixels {found['first']:.1%}, captions {found['second']:.1%}, both {found['plain']:.1%}, "
        f"aligned {found['aligned']:.1%}"
        for labels, found in mean.items()
    )
    gains = [
        100 * (max(found["plain"], found["aligned"]) - max(found["first"], found["second"])) for found in mean.values()
    ]
    runs_text = f"{text} (mean of {setting.pick(5, 2)} draws)."
    yield Finding(
        FUSED, runs_text, Verdict.of(min(gains) >= 2, in_part=max(gains) >= 2, why="not at every number"), numbers
    )
    yield _aligned(ALIGNED, mean)

    towers = captions.two_towers(some.pixels[:taught], some.words[:taught], steps=setting.pick(600, 100))
    sides = captions.through(towers[0], some.pixels), captions.through(towers[1], some.words)
    shared = _runs(*sides, some.labels, taught, setting)
    yield _aligned(
        SHARED,
        {labels: {name: float(np.mean(scores)) for name, scores in found.items()} for labels, found in shared.items()},
    )

    worst, after = 0.0, {}
    before = float(np.linalg.norm(pixels.mean(axis=0) - words.mean(axis=0)))
    for strength in (0.25, 0.5, 1.0):
        halves = (
            GapShift(strength / 2, unit=False).fit(one, other=other).transform(one)
            for one, other in ((pixels, words), (words, pixels))
        )
        left = float(np.linalg.norm(np.subtract(*(half.mean(axis=0, dtype=np.float64) for half in halves))))
        worst = max(worst, abs(left - (1 - strength) * before))
        rows = GapAlignment(strength).fit_transform(np.hstack([pixels, words]))
        centres = [rows[:, : rows.shape[1] // 2].mean(axis=0), rows[:, rows.shape[1] // 2 :].mean(axis=0)]
        after[strength] = float(np.linalg.norm(centres[0] - centres[1]))
    text = f"From {before:.3f}, off by {worst:.1e} at most; after rows are brought to length one: "
    text += ", ".join(f"{left:.3f} at lambda {strength:g}" for strength, left in after.items()) + "."
    yield Finding(CENTRES, text, Verdict.of(worst < 1e-5, why="it does not"))

    late = [100 * (found["plain"] - found["late"]) for found in mean.values()]
    text = "; ".join(f"{n} labels: early {f['plain']:.1%}, late {f['late']:.1%}" for n, f in mean.items()) + "."
    yield Finding(EARLY, text, Verdict.of(min(late) >= -0.5, in_part=max(late) >= 0, why="late is better with fewest"))
    yield _time(some, pixels, words, taught)


def _runs(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, taught: int, setting: Setting
) -> dict[int, dict[str, list[float]]]:
    """Accuracy on unseen rows for every number of labels; penalty and lambda by cross-validation on the labelled."""
    from sklearn.pipeline import make_pipeline

    both = np.hstack([first, second])
    found: dict[int, dict[str, list[float]]] = {}
    for count in LABELS:
        for seed in range(setting.pick(5, 2)):
            rng = np.random.default_rng(seed)
            same = [rng.permutation(np.flatnonzero(labels[:taught] == c))[: count // 10] for c in range(10)]
            rows = np.concatenate(same)
            known, unseen = labels[rows], labels[taught:]
            single = [_searched(_head(), {}).fit(side[rows], known) for side in (first, second)]
            plain = _searched(_head(), {}).fit(both[rows], known)
            steps = make_pipeline(GapAlignment(), _head())
            aligned = _searched(steps, {"gapalignment__strength": GRID}, "logisticregression__").fit(both[rows], known)
            chances = [head.predict_proba(side[taught:]) for head, side in zip(single, (first, second), strict=True)]
            scores = {
                "first": single[0].score(first[taught:], unseen),
                "second": single[1].score(second[taught:], unseen),
                "plain": plain.score(both[taught:], unseen),
                "aligned": aligned.score(both[taught:], unseen),
                "late": float((sum(chances).argmax(axis=1) == unseen).mean()),
                "lambda": aligned.best_params_["gapalignment__strength"],
            }
            for name, score in scores.items():
                found.setdefault(count, {}).setdefault(name, []).append(float(score))
    return found


def _head() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=500)


def _searched(steps: Any, grid: dict[str, Any], prefix: str = "") -> Any:
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(steps, grid | {f"{prefix}C": (3.0, 30.0)}, cv=3)


def _aligned(claim: Claim, mean: dict[int, dict[str, float]]) -> Finding:
    gains = {labels: 100 * (found["aligned"] - found["plain"]) for labels, found in mean.items()}
    text = "Aligned against not: " + ", ".join(
        f"{gain:+.2f} points at {labels} labels (lambda {mean[labels]['lambda']:+.1f} on average)"
        for labels, gain in gains.items()
    )
    average = float(np.mean(list(gains.values())))
    why = f"{average:+.2f} points on average: a constant added to every row is one the classifier's own constant undoes"
    part = max(gains.values()) >= 0.5
    return Finding(
        claim, text + ".", Verdict.of(average >= 0.5, in_part=part, why=why), {str(n): g for n, g in gains.items()}
    )


def _time(some: Captioned, pixels: np.ndarray, words: np.ndarray, taught: int) -> Finding:
    from scipy.sparse import csr_array, hstack
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline

    both, known = np.hstack([pixels, words])[:taught], some.labels[:taught]
    start = time.process_time()
    small = make_pipeline(GapAlignment(), _head()).fit(both, known)
    fast = time.process_time() - start
    raw = hstack([csr_array(some.pixels), CountVectorizer().fit_transform(some.captions)]).tocsr()
    net = MLPClassifier((512, 256), max_iter=30, random_state=0)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thirty epochs are the setting
        net.fit(raw[:taught], known)
    slow = time.process_time() - start
    scores = (
        small.score(np.hstack([pixels, words])[taught:], some.labels[taught:]),
        net.score(raw[taught:], some.labels[taught:]),
    )
    text = f"{fast:.2f} s against {slow:.1f} s of the processor with {taught:,} labels ({fast / slow:.1%}); accuracy "
    text += f"{scores[0]:.1%} and {scores[1]:.1%}. Making the vectors is not counted."
    part = fast <= 0.1 * slow
    return Finding(TIME, text, Verdict.of(fast <= 0.01 * slow, in_part=part, why="it takes more, if under a tenth"))
