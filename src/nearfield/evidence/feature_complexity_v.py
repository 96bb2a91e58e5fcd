"""Feature complexity by usable information: what is hard to read off comes late and counts for less."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..datasets import load
from ..survey import feature_complexity
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "feature_complexity_v",
    "Understanding Visual Feature Reliance through the Lens of Complexity",
    "nearfield.survey.feature_complexity, on perceptrons of four hidden layers trained on Fashion-MNIST and on "
    "scikit-learn's digits; features are 30 directions of the last layer by non-negative factorisation.",
)
PLANTED = Claim("A feature that is linear in the pixels ranks simplest, an exclusive-or of two most complex.")
SHUFFLED = Claim("Usable information about a shuffled feature is zero within noise.")
LATE = Claim("Complex features become readable later in training (Spearman >= 0.5).")
IMPORTANT = Claim("Complex features count for less in the decision (Spearman <= -0.2).")
SEDIMENT = Claim("During training what is important becomes readable at earlier layers.")
CLAIMS = (PLANTED, SHUFFLED, LATE, IMPORTANT, SEDIMENT)
_READABLE = 0.8


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    runs = [_run(name, seed, setting) for name in ("Fashion-MNIST", "digits") for seed in range(setting.pick(3, 1))]
    ranks = [(run["simple_rank"], run["complex_rank"]) for run in runs]
    text = f"Of up to 32 features the linear one has place {_range(ranks, 0)} from below and the exclusive-or place "
    text += f"{_range(ranks, 1)} from above; complexities {_range(runs, 'simple')} and {_range(runs, 'complex')}, "
    text += f"those of the net's own features {_range(runs, 'lowest')} to {_range(runs, 'highest')}; the nets compute "
    text += f"them at {_range(runs, 'accuracy_simple')} and {_range(runs, 'accuracy_complex')}."
    every, half = all(r == (1, 1) for r in ranks), all(max(r) <= 16 for r in ranks)
    why = "the net's own features include simpler ones" if any(r[0] > 1 for r in ranks) else "others are more complex"
    yield Finding(PLANTED, text, Verdict.of(every, in_part=half, why=why), {"runs": runs})
    within = [run["shuffled_within"] for run in runs]
    text = f"The interval holds 0 for {_range(runs, 'shuffled_within')} of the shuffled features of a net; the most "
    text += f"that any layer says of one is {_range(runs, 'shuffled')}, of 1."
    verdict = Verdict.of(min(within) >= 0.9, in_part=max(within) >= 0.9, why="there is more of it")
    yield Finding(SHUFFLED, text, verdict)
    for claim, key, sign, words in ((LATE, "late", 1, "the first epoch"), (IMPORTANT, "importance", -1, "importance")):
        found = [run[key] for run in runs]
        bound = 0.5 if sign > 0 else 0.2
        text = f"Spearman of complexity with {words}: " + "; ".join(
            f"{name} " + ", ".join(f"{run[key]:+.2f}" for run in runs if run["data"] == name)
            for name in ("Fashion-MNIST", "digits")
        )
        good = [sign * value >= bound for value in found]
        why = f"in {sum(good)} of {len(good)} nets"
        yield Finding(claim, text + ".", Verdict.of(all(good), in_part=any(good), why=why), {key: found})
    moved = [run["sediment"] for run in runs]
    text = (
        "Mean information in the layers before the last about the third of the features that count for most, after a "
    )
    text += "tenth of the epochs and at the end: " + ", ".join(f"{a:.2f} and {b:.2f}" for a, b in moved) + "."
    good = [b > a for a, b in moved]
    yield Finding(SEDIMENT, text, Verdict.of(all(good), in_part=any(good), why=f"in {sum(good)} of {len(good)} nets"))


def _run(name: str, seed: int, setting: Setting) -> dict[str, Any]:
    from sklearn.decomposition import NMF
    from sklearn.neural_network import MLPClassifier

    inputs, kinds = _data(name, setting, seed)
    rng = np.random.default_rng(seed)
    # Planted: how far an image lies from a plane (the net is taught the side), and of two whether on unlike sides.
    centred = inputs - inputs.mean(axis=0)
    sides = [centred @ (centred.T @ rng.standard_normal(len(centred))) for _ in range(3)]
    signs = np.stack([side > np.median(side) for side in sides], axis=1).astype(int)
    planted = np.stack([signs[:, 0], signs[:, 1] ^ signs[:, 2]], axis=1)
    labels = np.concatenate([np.eye(10, dtype=int)[kinds], planted], axis=1)
    seen = len(inputs) * 2 // 3
    net = MLPClassifier((128,) * 4, random_state=seed, batch_size=64)
    epochs, kept = setting.pick(range(1, 31), range(1, 4)), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in epochs:
            net.partial_fit(inputs[:seen], labels[:seen], classes=np.arange(12))
            kept.append(copy.deepcopy((net.coefs_, net.intercepts_)))
        held = inputs[seen:]
        layers = [held, *_activations(kept[-1], held)]
        factors = NMF(30, random_state=seed, max_iter=500)
        own = factors.fit_transform(layers[-1])
    alive = own.std(axis=0) > 1e-9
    own, directions = own[:, alive], factors.components_[alive]
    both = planted[seen:]
    measured: Any = feature_complexity(layers, np.column_stack([own, sides[0][seen:], both[:, 1]]))
    values = np.array([one.value for one in measured])
    shuffled: Any = feature_complexity(layers, rng.permutation(own))
    information = np.array([_last(one, held, own) for one in kept])
    first = np.where((information >= _READABLE).any(axis=0), (information >= _READABLE).argmax(axis=0), len(kept))
    weights = net.coefs_[-1][:, :10]
    importance = own.mean(axis=0) * np.abs(directions @ weights).mean(axis=1)
    heavy = importance >= np.quantile(importance, 2 / 3)
    mine, simple, hard = values[:-2], values[-2], values[-1]
    right = (net.predict(held)[:, 10:] == both).mean(axis=0)
    return {
        "data": name,
        "simple": float(simple),
        "complex": float(hard),
        "lowest": float(mine.min()),
        "highest": float(mine.max()),
        "simple_rank": 1 + int((np.append(mine, hard) < simple).sum()),
        "complex_rank": 1 + int((np.append(mine, simple) > hard).sum()),
        "accuracy_simple": float(right[0]),
        "accuracy_complex": float(right[1]),
        "shuffled_within": float(np.mean([one.high >= 1 for one in shuffled])),
        "shuffled": float(max(one.arrays["information"].max() for one in shuffled)),
        "late": float(spearmanr(mine, first)[0]),
        "importance": float(spearmanr(mine, importance)[0]),
        "sediment": [_early(kept[at], held, own[:, heavy]) for at in (len(kept) // 10, -1)],
        "epochs": first.tolist(),
        "complexities": values.tolist(),
    }


def _data(name: str, setting: Setting, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if name == "digits":
        from sklearn.datasets import load_digits

        found = load_digits()
        inputs, kinds = found.data / 16, found.target
    else:
        images = load("fashion_mnist")
        inputs, kinds = images.train / 255.0, images.train_labels
    order = np.random.default_rng(seed).permutation(len(inputs))[: setting.pick(9_000, 900)]
    return inputs[order], kinds[order]


def _activations(state: Any, rows: np.ndarray) -> list[np.ndarray]:
    found = []
    for weights, bias in zip(state[0][:-1], state[1][:-1], strict=True):
        rows = np.maximum(rows @ weights + bias, 0)
        found.append(rows)
    return found


def _last(state: Any, held: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Usable information about the final features in the last hidden layer of an earlier moment."""
    found: Any = feature_complexity([_activations(state, held)[-1]], own)
    return np.array([one.parts["last"] for one in found])


def _early(state: Any, held: np.ndarray, own: np.ndarray) -> float:
    """Mean information in the hidden layers before the last."""
    found: Any = feature_complexity(_activations(state, held)[:-1], own)
    return float(1 - np.mean([one.value for one in found]))


def _range(rows: Any, key: Any) -> str:
    values = sorted(row[key] for row in rows)
    shown = [f"{value:d}" if isinstance(value, int) else f"{value:.2f}" for value in (values[0], values[-1])]
    return shown[0] if shown[0] == shown[1] else f"{shown[0]}-{shown[1]}"
