"""Naive Bayes beside logistic regression on frozen vectors: how many examples each needs, and which one is ahead."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from ..datasets import load
from ..decide import LinearProbe, NaiveBayes
from .claims import Claim, Finding, Paper, Setting, Verdict
from .requests import requests, shots

PAPER = Paper(
    "naive_bayes_probe",
    "Revisiting Discriminative vs. Generative Classifiers: Theory and Implications",
    "nearfield.decide.NaiveBayes and LinearProbe; logistic regression is scikit-learn's, as it comes (C=1) and with a "
    "penalty chosen on held-out rows.",
)
LOG = Claim("Examples that naive Bayes needs to come within a point of its limit grow like the log of the dimensions.")
LINEAR = Claim("Those that logistic regression needs grow in proportion to the dimensions.")
FASTER = Claim("Naive Bayes comes within a point of its best with fewer examples than logistic regression.")
FEW = Claim("With 1 to 5 examples a class naive Bayes is ahead, with many logistic regression: two regimes.")
RULE = Claim("The choice by held-out rows is at most a point behind the better one at every number of examples.")
CLAIMS = (LOG, LINEAR, FASTER, FEW, RULE)
GROWING = ("naive Bayes", "logistic, best of three penalties")
NAMES = ("naive Bayes", "logistic, C=1", "logistic, chosen", "LinearProbe")


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    warnings.simplefilter("ignore")  # many classes of few rows
    yield from _growth(setting)
    spaces: dict[str, tuple[Any, ...]] = {
        f"50 intents of CLINC150 by {name}": tuple(found[:4])
        for name, found in requests(setting, 50, tests=20, outside=10, step=3).items()
    }
    images, tested = load("fashion_mnist"), setting.pick(2_000, 500)
    pixels, unseen = images.train[:20_000] / 255, images.test[:tested] / 255
    spaces["Fashion-MNIST"] = (pixels, images.train_labels[:20_000], unseen, images.test_labels[:tested])
    counts, draws = setting.pick((1, 2, 5, 10, 20, 50), (1, 2)), setting.pick(2, 1)
    curves = {}
    for name, (x, labels, test, truth) in spaces.items():
        table = np.zeros((len(counts), len(NAMES)))
        for place, count in enumerate(counts):
            for seed in range(draws):
                rows = shots(labels, count, seed)
                table[place] += _scores(x[rows], labels[rows], test, truth)
        curves[name] = table / draws
    shown = "; ".join(
        f"{name}: "
        + ", ".join(f"{kind} {' '.join(f'{100 * v:.1f}' for v in table[:, i])}" for i, kind in enumerate(NAMES[:3]))
        for name, table in curves.items()
    )
    text = f"Accuracy with {', '.join(map(str, counts))} examples a class (mean of {draws} draws): {shown}."
    near = {name: [_first(table[:, i], counts) for i in range(3)] for name, table in curves.items()}
    faster = [found[0] < min(found[1:]) for found in near.values()]
    reached = "; ".join(f"{name} {a}, {b} and {c}" for name, (a, b, c) in near.items())
    note = f"Examples a class to come within a point of the best of their own curve, {', '.join(NAMES[:3])}: {reached}."
    yield Finding(FASTER, note, Verdict.of(all(faster), in_part=any(faster), why=_in(faster, near)), {"near": near})

    early, late = [c <= 5 for c in counts], -1
    crossing = {
        i: [bool((t[early, 0] > t[early, i]).any() and t[late, i] > t[late, 0]) for t in curves.values()]
        for i in (1, 2)
    }
    why = (
        f"against C=1 the curves cross in {sum(crossing[1])} of {len(curves)} spaces, against a penalty chosen on "
        f"held-out rows in {sum(crossing[2])}"
    )
    verdict = Verdict.of(all(crossing[1]) and all(crossing[2]), in_part=any(crossing[1]), why=why)
    yield Finding(FEW, text, verdict, {"accuracy": {name: table.tolist() for name, table in curves.items()}})

    behind = {name: float((table[:, [0, 2]].max(axis=1) - table[:, 3]).max()) for name, table in curves.items()}
    text = "At most " + ", ".join(f"{100 * gap:.1f} points behind on {name}" for name, gap in behind.items()) + "."
    worst = max(behind.values())
    yield Finding(RULE, text, Verdict.of(worst <= 0.01, in_part=worst <= 0.03, why="it is at most 3"), behind)


def _growth(setting: Setting) -> Iterator[Finding]:
    """Two Gaussians a fixed distance apart, and two that every further dimension takes further apart."""
    dims, draws = setting.pick((50, 100, 200, 400), (10, 20)), setting.pick(2, 1)
    found: dict[str, dict[str, list[int]]] = {}
    for kind, strength in (("a fixed distance", lambda n: 1.5 / np.sqrt(n)), ("each dimension adds", lambda n: 0.15)):
        found[kind] = {name: [] for name in GROWING}
        for n in dims:
            test, truth = _gaussians(n, strength(n), setting.pick(10_000, 500), 1)
            best = float((truth == (test.sum(axis=1) > 0)).mean())  # the rule that knows the means
            for name in GROWING:
                for count in np.unique(np.geomspace(8, 60 * n, 28).astype(int)):
                    scores = []
                    for seed in range(draws):
                        x, y = _gaussians(n, strength(n), int(count), 100 + seed)
                        scores.append(max(model.fit(x, y).score(test, truth) for model in _models(name)))
                    if np.mean(scores) >= best - 0.01:
                        break
                found[kind][name].append(int(count))
    slopes = {
        kind: {name: float(np.polyfit(np.log(dims), np.log(needed), 1)[0]) for name, needed in of.items()}
        for kind, of in found.items()
    }
    numbers = {"dimensions": list(dims), "examples": found, "power": slopes}
    for claim, names in ((LOG, GROWING[:1]), (LINEAR, GROWING[1:])):
        text = f"Examples needed at {', '.join(map(str, dims))} dimensions: " + "; ".join(
            f"{name}, {kind} {', '.join(map(str, found[kind][name]))} (like the dimensions to the power "
            f"{slopes[kind][name]:.2f})"
            for kind in found
            for name in names
        )
        powers = [[slopes[kind][name] for name in names] for kind in found]
        good = [all(p < 0.4 if claim is LOG else 0.6 < p < 1.4 for p in line) for line in powers]
        why = "it needs fewer with more dimensions where each adds to the distance between the classes, which the log "
        why += (
            "allows for; at a fixed distance it needs them in proportion to the dimensions, as logistic regression does"
        )
        if claim is LINEAR:
            why = "where each dimension adds to the distance fewer examples do as the dimensions grow"
        yield Finding(claim, text + ".", Verdict.of(all(good), in_part=any(good), why=why), numbers)


def _gaussians(n: int, strength: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    return rng.standard_normal((count, n), np.float32) + np.float32(strength) * (2 * y[:, None] - 1), y


def _models(name: str) -> list[Any]:
    if name == "naive Bayes":
        return [NaiveBayes()]
    return [LogisticRegression(C=penalty, tol=1e-5, max_iter=500) for penalty in (1.0, 0.01, 0.0001)]


def _scores(x: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray) -> list[float]:
    """Accuracy of each of ``NAMES``."""
    either = LinearProbe().fit(x, y)
    logistic = either if either.method_ == "logistic" else LinearProbe("logistic").fit(x, y)
    plain = LogisticRegression(tol=1e-6, max_iter=500).fit(x, y)
    return [float(model.score(test, truth)) for model in (NaiveBayes().fit(x, y), plain, logistic, either)]


def _first(curve: np.ndarray, counts: tuple[int, ...]) -> int:
    return counts[int(np.argmax(curve >= curve.max() - 0.01))]


def _in(good: list[bool], names: Any) -> str:
    return "only for " + ", ".join(name for name, ok in zip(names, good, strict=True) if ok) if any(good) else "nowhere"
