"""Intrinsic dimension and label sharpness of images: what they say of learning, and how well they are measured."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr

from ..datasets import load
from ..survey import intrinsic_dimension_mle
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "intrinsic_properties",
    "The Effect of Intrinsic Dataset Properties on Generalization: Unraveling Learning Differences Between Natural and "
    "Medical Images",
    "nearfield.survey.intrinsic_dimension_mle; label sharpness is the greatest change of label over distance.",
)
KNOWN = Claim("On curved manifolds of 2 to 20 dimensions the estimate, corrected for its bias, is within 15%.")
FORMULA = Claim("The paper's own formula (k 20) is within 15% on the same manifolds.")
LEARNED = Claim("Learned features have no higher intrinsic dimension than the images, in 95% of trainings.")
LOSS = Claim("Test loss rises with the images' dimension at equal sharpness and size (partial Spearman >= 0.5).")
SHARP = Claim("Test loss rises with label sharpness at equal dimension and size (partial Spearman >= 0.5).")
ATTACK = Claim("The sharper the labels, the lower the accuracy under a small gradient-sign step (Spearman <= -0.5).")
RATE = Claim("Loss falls more slowly with the size of the training set where the dimension is higher.")
CLAIMS = (KNOWN, FORMULA, LEARNED, LOSS, SHARP, ATTACK, RATE)
_STEP = 0.02


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    plain, better = {}, {}
    for dimension in (2, 3, 5, 8, 10, 14, 20):
        found = intrinsic_dimension_mle(_curved(dimension, setting.pick(10_000, 1_000)), metric="l2")
        plain[str(dimension)], better[str(dimension)] = (
            found.parts["uncorrected"] / dimension - 1,
            found.value / dimension - 1,
        )
    for claim, off, why in (
        (KNOWN, better, "the correction is that of a Gaussian cloud"),
        (FORMULA, plain, "it is too low where neighbours reach past the curve of the density"),
    ):
        worst = max(off, key=lambda dimension: abs(off[dimension]))
        right = sum(abs(error) <= 0.15 for error in off.values())
        text = f"At most {off[worst]:+.0%} off (at {worst} dimensions); {right} of {len(off)} within 15%."
        yield Finding(claim, text, Verdict.of(right == len(off), in_part=right > 1, why=why), off)

    runs = list(_runs(setting))
    columns = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    below = float((columns["learned"] <= columns["dimension"]).mean())
    text = (
        f"In {below:.0%} of {len(runs)} trainings (two classes of Fashion-MNIST, {len(set(columns['rows']))} sizes): "
    )
    text += f"images {columns['dimension'].min():.1f} to {columns['dimension'].max():.1f}, features "
    text += f"{columns['learned'].min():.1f} to {columns['learned'].max():.1f} dimensions."
    yield Finding(
        LEARNED,
        text,
        Verdict.of(below >= 0.95, in_part=below >= 0.8, why="features exceed the images"),
        _columns(runs),
    )

    for claim, cause, other in ((LOSS, "dimension", "sharpness"), (SHARP, "sharpness", "dimension")):
        trend = _partial(columns["loss"], columns[cause], [columns[other], columns["rows"]])
        alone = float(spearmanr(columns["loss"], columns[cause])[0])
        text = f"Partial Spearman {trend:+.2f} ({alone:+.2f} with nothing held equal) over {len(runs)} trainings."
        yield Finding(
            claim, text, Verdict.of(trend >= 0.5, in_part=trend >= 0.25, why="the relation is weaker or absent")
        )

    trend = float(spearmanr(columns["sharpness"], columns["attacked"])[0])
    against = _partial(columns["attacked"], columns["sharpness"], [columns["accuracy"]])
    text = (
        f"Spearman {trend:+.2f} with a step of {_STEP} of the grey scale; {against:+.2f} at equal accuracy before it."
    )
    yield Finding(ATTACK, text, Verdict.of(trend <= -0.5, in_part=trend <= -0.25, why="the relation is weaker"))

    falls, heights = [], []
    for pair in sorted(set(columns["pair"])):
        here = columns["pair"] == pair
        falls.append(float(np.polyfit(np.log(columns["rows"][here]), np.log(columns["loss"][here]), 1)[0]))
        heights.append(float(columns["dimension"][here].mean()))
    trend = float(spearmanr(heights, falls)[0])
    text = (
        f"The exponent of loss over size is {np.median(falls):.2f} at the median of {len(falls)} pairs of classes; its "
    )
    text += f"Spearman with dimension is {trend:+.2f} (positive: slower where higher)."
    verdict = Verdict.of(trend >= 0.3, in_part=trend >= 0.15, why="dimension hardly tells the exponent here")
    yield Finding(RATE, text, verdict, {"exponent": falls, "dimension": heights})


def _columns(runs: list[dict[str, float]]) -> dict[str, list[float]]:
    """The runs as lists by name, for JSON."""
    return {name: [run[name] for run in runs] for name in runs[0]}


def _curved(dimension: int, rows: int) -> np.ndarray:
    """A cloud of ``dimension`` dimensions bent through a random layer into 100."""
    rng = np.random.default_rng(dimension)
    inner = rng.standard_normal((rows, dimension))
    bent = np.tanh(inner @ rng.standard_normal((dimension, 60)) / dimension**0.5)
    return np.concatenate([bent, inner @ rng.standard_normal((dimension, 40)) / dimension**0.5], axis=1).astype(
        np.float32
    )


def _runs(setting: Setting) -> Iterator[dict[str, float]]:
    """One training for each pair of classes and size: what was measured of the images, and of what was learned."""
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    images = load("fashion_mnist")
    pairs = list(itertools.combinations(range(10), 2))[:: setting.pick(1, 15)]
    for number, (first, second) in enumerate(pairs):
        rng = np.random.default_rng(number)
        seen, unseen = (
            rng.permutation(np.flatnonzero((labels == first) | (labels == second)))
            for labels in (images.train_labels, images.test_labels)
        )
        x, y = images.train[seen] / np.float32(255), (images.train_labels[seen] == second).astype(int)
        x_test, y_test = images.test[unseen] / np.float32(255), (images.test_labels[unseen] == second).astype(int)
        for rows in setting.pick((500, 1000, 2000), (200, 400)):
            net = MLPClassifier((128, 64), max_iter=setting.pick(60, 10), random_state=setting.random_state)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # so many epochs are the setting, not a failure to converge
                net.fit(x[:rows], y[:rows])
            yield {
                "pair": number,
                "rows": rows,
                "dimension": intrinsic_dimension_mle(x[:rows], metric="l2").value,
                "learned": intrinsic_dimension_mle(_hidden(net, x[:rows])[-1], metric="l2").value,
                "sharpness": _sharpness(x[:rows], y[:rows], rng),
                "loss": float(log_loss(y_test, net.predict_proba(x_test))),
                "accuracy": float(net.score(x_test, y_test)),
                "attacked": float(net.score(_attacked(net, x_test, y_test), y_test)),
            }


def _sharpness(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, count: int = 1000) -> float:
    """The greatest change of label over distance among the pairs of up to ``count`` rows."""
    from scipy.spatial.distance import cdist

    few = rng.permutation(len(x))[:count]
    left, right = (x[few][y[few] == label] for label in (0, 1))
    return 1 / float(cdist(left, right).min())


def _hidden(net: Any, x: np.ndarray) -> list[np.ndarray]:
    layers = [x]
    for weights, bias in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        layers.append(np.maximum(layers[-1] @ weights + bias, 0).astype(np.float32))
    return layers[1:]


def _attacked(net: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The images after a step of the sign of the gradient of the loss."""
    slope = (net.predict_proba(x)[:, 1] - y)[:, None] @ net.coefs_[-1].T
    for layer, weights in zip(_hidden(net, x)[::-1], net.coefs_[-2::-1], strict=True):
        slope = (slope * (layer > 0)) @ weights.T
    return np.clip(x + np.float32(_STEP) * np.sign(slope), 0, 1).astype(np.float32)


def _partial(effect: np.ndarray, cause: np.ndarray, others: list[np.ndarray]) -> float:
    """Spearman's correlation with the ranks of ``others`` held equal."""
    design = np.stack([np.ones(len(effect)), *(rankdata(other) for other in others)], axis=1)
    left = [ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0] for ranks in map(rankdata, (effect, cause))]
    return float(np.corrcoef(*left)[0, 1])
