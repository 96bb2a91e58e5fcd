"""Threshold inconsistency (OPIS): what it is when nothing is wrong, how it grows, and what accuracy tells of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..datasets import load
from ..survey import neighbor_purity, threshold_inconsistency
from ..transform import PCA
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "tcm_opis",
    "Threshold-Consistent Margin Loss for Open-World Deep Metric Learning",
    "nearfield.survey.threshold_inconsistency, the score alone: the loss that lowers it is a trained map and not "
    "part of this.",
)
NULL = Claim("It is 0 when all classes share one distribution of distances, however few rows a class has.")
GROWS = Claim("It rises with every step by which the scale of some classes is made to differ from the others'.")
UNEVEN = Claim("At one threshold false accepts differ threefold or more from the lower to the upper tenth of classes.")
ACCURACY = Claim("High accuracy (recall at 1) alone does not predict a low score (Spearman above -0.5).")
FRONTIER = Claim("Among the more accurate half, what is more accurate is no more consistent.")
CLAIMS = (NULL, GROWS, UNEVEN, ACCURACY, FRONTIER)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    trials = setting.pick(20, 4)
    for_rows = {rows: [_alike(rows, seed) for seed in range(trials)] for rows in (6, 12, 40)}
    holding = sum(found.low <= 0 for some in for_rows.values() for found in some)
    plain = {rows: np.mean([found.parts["uncorrected"] for found in some]) for rows, some in for_rows.items()}
    ours = {rows: np.mean([found.value for found in some]) for rows, some in for_rows.items()}
    text = f"{holding} of {3 * trials} intervals hold 0; mean score with 6, 12 and 40 rows a class "
    text += f"{_listed(ours.values())}, by the paper's formula without our correction {_listed(plain.values())}."
    verdict = Verdict.of(holding >= 2.7 * trials, why=f"only {holding} of {3 * trials} intervals hold it")
    yield Finding(NULL, text, verdict, {"mean": ours, "uncorrected": plain})

    vectors, labels = _requests(setting)
    minilm = vectors["MiniLM"]
    steps = (0.0, 0.15, 0.3, 0.45, 0.6)
    made = [[_rescaled(seed, step) for step in steps] for seed in range(setting.pick(5, 1))]
    some = _unseen(labels)
    real = [_stretched(minilm[some], labels[some], step) for step in steps]
    rising = [bool((np.diff(line) > 0).all()) for line in [*made, real]]
    text = f"Scales spread by a factor of e to the power of up to {steps[-1]} either way: planted classes "
    text += f"{_listed(np.mean(made, axis=0))} on average, {sum(rising[:-1])} of {len(made)} rising at every step; "
    text += f"MiniLM's vectors of 75 intents, each class stretched about its centre, {_listed(real)}."
    verdict = Verdict.of(all(rising), in_part=any(rising), why=f"in {sum(rising)} of {len(rising)}")
    yield Finding(GROWS, text, verdict, {"planted": made, "real": real})

    rows = []
    for name, x in _representations(vectors, labels, setting):
        score = threshold_inconsistency(x[some], labels[some])
        purity = neighbor_purity(x[some], labels[some], sample=None)
        rows.append({"name": name, "recall_at_1": purity.parts["nearest"], "opis": score.value, **score.parts})
    names = [str(row["name"]) for row in rows]
    few, many = (np.array([row[f"false_accepts_{end}"] for row in rows], float) for end in ("low", "high"))
    times = many / np.maximum(few, 1e-4)
    text = f"{times.min():.1f} to {times.max():.1f} times at the threshold amid the range, {len(rows)} representations."
    uneven = (times >= 3).tolist()
    verdict = Verdict.of(all(uneven), in_part=any(uneven), why=f"in {sum(uneven)} of {len(uneven)}")
    yield Finding(UNEVEN, text, verdict, {"rows": rows})
    accuracy, opis = (np.array([row[key] for row in rows], float) for key in ("recall_at_1", "opis"))
    trend = float(spearmanr(accuracy, opis)[0])
    best, even = int(np.argmax(accuracy)), int(np.argmin(opis))
    text = (
        f"Spearman of recall at 1 ({accuracy.min():.3f} to {accuracy.max():.3f}) with the score ({opis.min():.4f} to "
    )
    text += f"{opis.max():.4f}) over {len(rows)} representations of 75 intents that none was trained on: {trend:.2f}. "
    text += f"The most accurate ({names[best]}, {accuracy[best]:.3f}) has {opis[best]:.4f}, the most consistent "
    text += f"({names[even]}, {accuracy[even]:.3f}) {opis[even]:.4f}."
    why = "here what is more accurate is mostly more consistent as well"
    yield Finding(ACCURACY, text, Verdict.of(trend > -0.5, why=why), {"spearman": trend})
    half = accuracy >= np.median(accuracy)
    trend = float(spearmanr(accuracy[half], opis[half])[0])
    text = f"Spearman {trend:.2f} over the {int(half.sum())} with a recall at 1 of {np.median(accuracy):.3f} and more."
    yield Finding(FRONTIER, text, Verdict.of(trend > -0.2, why="it is more consistent"), {"spearman": trend})


def _alike(rows: int, seed: int) -> Any:
    return threshold_inconsistency(*_classes(rows, seed, 0.0), metric="l2", random_state=seed)


def _rescaled(seed: int, step: float) -> float:
    return threshold_inconsistency(*_classes(40, seed, step), metric="l2").value


def _classes(rows: int, seed: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Fifty classes whose centres are equally far from each other, with scales spread by ``step``."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(50), rows)
    scale = np.exp(step * np.linspace(-1, 1, 50))[labels][:, None]
    noise = scale * rng.standard_normal((len(labels), 24))
    return np.concatenate([3 * np.eye(50)[labels], noise], axis=1).astype(np.float32), labels


def _stretched(vectors: np.ndarray, labels: np.ndarray, step: float) -> float:
    """The score when every other class is stretched about its centre, and the others are shrunk."""
    out = vectors.copy()
    for place, kind in enumerate(np.unique(labels)):
        own = labels == kind
        centre = vectors[own].mean(axis=0)
        out[own] = centre + np.exp(step * (2 * (place % 2) - 1)) * (vectors[own] - centre)
    return threshold_inconsistency(out, labels, metric="l2").value


def _unseen(labels: np.ndarray) -> np.ndarray:
    """True for the rows of every other class: what nothing below is trained on."""
    return np.unique(labels, return_inverse=True)[1] % 2 == 1


def _requests(setting: Setting) -> tuple[dict[str, np.ndarray], np.ndarray]:
    from ..encode import WordLlama

    requests = load("clinc150").train
    intents = np.array(requests.intents)
    chosen = np.concatenate([np.flatnonzero(intents == kind)[: setting.pick(40, 8)] for kind in np.unique(intents)])
    texts = [requests.texts[row] for row in chosen]
    made = {"WordLlama": WordLlama().encode(texts, progress=False)}
    made["MiniLM"] = material.minilm().encode(texts, progress=False)
    return {name: material.unit(x) for name, x in made.items()}, intents[chosen]


def _representations(
    vectors: dict[str, np.ndarray], labels: np.ndarray, setting: Setting
) -> Iterator[tuple[str, np.ndarray]]:
    """The encoders, fewer dimensions of them, and linear and hidden layers trained on the seen classes."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neural_network import MLPClassifier

    seen = ~_unseen(labels)
    for name, x in vectors.items():
        yield name, x
        for kept in (16,) if setting.quick else (16, 32, 64, 128):
            yield f"{name}, {kept} principal", PCA(kept).fit(x[seen]).transform(x)
        yield f"{name}, whitened", PCA(128, whiten=True).fit(x[seen]).transform(x)
        for shrinkage in (0.1, 0.5, 0.9):
            mapped = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage).fit(x[seen], labels[seen])
            yield f"{name}, discriminant {shrinkage}", mapped.transform(x).astype(np.float32)
        for epochs in (5,) if setting.quick else (5, 20, 80):
            net = MLPClassifier((256,), max_iter=epochs, random_state=0, learning_rate_init=0.003)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a few epochs are the setting
                net.fit(x[seen], labels[seen])
            hidden = np.maximum(x @ net.coefs_[0] + net.intercepts_[0], 0)
            yield f"{name}, hidden layer after {epochs}", hidden.astype(np.float32)


def _listed(values: Any) -> str:
    return ", ".join(f"{value:.2g}" for value in values)
