"""Learned features: an easy and a hard one, computed equally well, do not get equal room."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from ..datasets import load
from ..survey import factor_share
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "feature_bias",
    "Learned feature representations are biased by complexity, learning order, position, and more",
    "nearfield.survey.factor_share, on the last hidden layer (64 units) of perceptrons by scikit-learn, and of test "
    "items only. Other architectures, and the place in an output sequence, are not part of it.",
)
PLANTED = Claim("Planted shares of variance are recovered within 2 points.")
EASY = Claim("A linear feature takes at least twice the variance of an exclusive-or, both computed at 98% or more.")
DENSITY = Claim("The easy feature is also in more of the units.")
ORDER = Claim("The ratio shrinks when the hard feature is learnt first.")
RARE = Claim("A feature that is seldom true takes less than one of the same kind that is true half of the time.")
RSA = Claim("Distances between items, and likeness between nets, follow the easy feature.")
IMAGES = Claim("On images too: a simple property takes more than one that cuts across the same classes.")
CLAIMS = (PLANTED, EASY, DENSITY, ORDER, RARE, RSA, IMAGES)
_BITS = 16


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    yield _planted(setting)
    seeds = range(setting.pick(5, 1))
    rows = setting.pick(8_000, 2_000)
    pairs, first, rare = [], [], []
    alike: dict[str, list[float]] = {"easy": [], "hard": []}
    for seed in seeds:
        bits = np.random.default_rng(seed).integers(0, 2, (rows, _BITS))
        easy, hard = bits[:, 0], bits[:, 1] ^ bits[:, 2]
        inputs = 2.0 * bits - 1
        both = np.stack([easy, hard], axis=1)
        net, usual = _taught(inputs, [both], seed, setting)
        pairs.append([_found(net, usual, inputs, both, i) for i in (0, 1)])
        ordered = _taught(inputs, [np.stack([np.zeros_like(easy), hard], axis=1), both], seed, setting)
        first.append([_found(ordered[0], ordered[1], inputs, both, i) for i in (0, 1)])
        seldom = (bits[:, 3:6].sum(axis=1) == 3).astype(int)  # one in eight
        often = (bits[:, 6:9].sum(axis=1) >= 2).astype(int)
        three = np.stack([seldom, often], axis=1)
        net, layer = _taught(inputs, [three], seed, setting)
        rare.append([_found(net, layer, inputs, three, i) for i in (0, 1)])
        for name, one in (("easy", easy), ("hard", hard)):
            other = _taught(inputs, [np.stack([one, one], axis=1)], 100 + seed, setting)[1]
            some = slice(rows // 2, rows // 2 + 500)
            alike[name].append(float(np.corrcoef(pdist(usual(inputs[some])), pdist(other(inputs[some])))[0, 1]))
    yield _easy(pairs)
    density = [(one["density"], two["density"]) for one, two in pairs]
    text = "Units of which a feature explains a tenth or more, easy and hard: " + _listed(density) + "."
    holds = [a > b for a, b in density]
    yield Finding(DENSITY, text, Verdict.of(all(holds), in_part=any(holds), why=f"in {sum(holds)} of {len(holds)}"))
    ratios = [(_ratio(a), _ratio(b)) for a, b in zip(pairs, first, strict=True)]
    text = "Ratio of the shares when both are learnt at once, and when the hard one is first: "
    text += f"{_listed(ratios, '{:.1f}')}; accuracy at least {_accuracy(first):.3f}."
    holds = [b < a for a, b in ratios]
    why = f"it shrinks in {sum(holds)} of {len(holds)} seeds: what is learnt later takes more"
    verdict = Verdict.of(all(holds) and _accuracy(first) >= 0.98, in_part=any(holds), why=why)
    yield Finding(ORDER, text, verdict, {"first": first})
    shares = [(one["share"], two["share"]) for one, two in rare]
    text = "Shares of a conjunction true in one of eight items and of a majority true in half: "
    text += f"{_listed(shares)}; accuracy at least {_accuracy(rare):.3f}."
    holds = [a < b for a, b in shares]
    verdict = Verdict.of(all(holds) and _accuracy(rare) >= 0.98, in_part=any(holds), why="not in every seed")
    yield Finding(RARE, text, verdict, {"nets": rare})
    inside = [(one["rsa"], two["rsa"]) for one, two in pairs]
    across = list(zip(alike["easy"], alike["hard"], strict=True))
    text = f"Correlation of distances with the easy and the hard feature: {_listed(inside)}; with the distances in "
    text += f"a net taught only the easy or only the hard one: {_listed(across)}."
    holds = [a > b for a, b in [*inside, *across]]
    yield Finding(RSA, text, Verdict.of(all(holds), in_part=any(holds), why=f"in {sum(holds)} of {len(holds)}"))
    yield _images(setting)


def _planted(setting: Setting) -> Finding:
    rows, worst, numbers = setting.pick(20_000, 2_000), 0.0, []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        factors = rng.integers(0, 2, (3, rows))
        weights = rng.dirichlet((1, 1, 1, 2))
        basis = np.linalg.qr(rng.standard_normal((64, 64)))[0]
        noise = rng.standard_normal((rows, 61)) @ basis[3:] * np.sqrt(weights[3] / 61)
        x = sum(2 * np.sqrt(w) * np.outer(f - 0.5, b) for w, f, b in zip(weights, factors, basis, strict=False)) + noise
        found = [factor_share(x.astype(np.float32), f).value for f in factors]
        numbers.append({"planted": weights[:3].tolist(), "found": found})
        worst = max(worst, float(np.abs(np.subtract(found, weights[:3])).max()))
    text = f"At most {100 * worst:.2f} points off, over 15 factors in 64 dimensions with noise."
    return Finding(PLANTED, text, Verdict.of(worst < 0.02, why="it is further off"), {"mixtures": numbers})


def _easy(pairs: Sequence[Any]) -> Finding:
    ratios = [_ratio(pair) for pair in pairs]
    accuracy = _accuracy(pairs)
    text = "Shares of the variance, easy and hard: " + _listed([(a["share"], b["share"]) for a, b in pairs])
    text += f"; ratio {min(ratios):.1f} to {max(ratios):.1f}, accuracy at least {accuracy:.3f}."
    holds = min(ratios) >= 2 and accuracy >= 0.98
    why = f"the ratio is at least {min(ratios):.1f}" if accuracy >= 0.98 else f"a net reaches only {accuracy:.3f}"
    return Finding(EASY, text, Verdict.of(holds, in_part=min(ratios) > 1, why=why), {"nets": pairs})


def _images(setting: Setting) -> Finding:
    images = load("fashion_mnist")
    seen, held = setting.pick((20_000, 5_000), (1_500, 500))
    inputs = np.concatenate([images.train[:seen], images.test[:held]]) / 255.0
    kinds = np.concatenate([images.train_labels[:seen], images.test_labels[:held]])
    both = np.stack([np.isin(kinds, (5, 7, 9)), np.isin(kinds, (0, 3, 5, 8, 9))], axis=1).astype(int)
    net, layer = _taught(inputs, [both], 0, setting, seen)
    pair = [_found(net, layer, inputs, both, i, seen) for i in (0, 1)]
    text = f"Footwear or not (accuracy {pair[0]['accuracy']:.3f}) takes {pair[0]['share']:.1%}, five classes against "
    text += f"five across it (accuracy {pair[1]['accuracy']:.3f}) {pair[1]['share']:.1%}."
    holds = pair[0]["share"] > pair[1]["share"] and pair[1]["accuracy"] >= 0.98
    in_part = pair[0]["share"] > pair[1]["share"]
    why = "more it takes, but the two are not computed equally well" if in_part else "it takes less"
    return Finding(IMAGES, text, Verdict.of(holds, in_part=in_part, why=why), {"net": pair})


def _taught(inputs: np.ndarray, stages: list[np.ndarray], seed: int, setting: Setting, seen: int | None = None) -> Any:
    """A perceptron taught one set of labels after another on the first half of the items, and its last hidden layer."""
    from sklearn.neural_network import MLPClassifier

    seen = seen or len(inputs) // 2
    epochs = {"max_iter": setting.pick(30, 5), "n_iter_no_change": 1_000}  # all of them, in every stage
    net = MLPClassifier((64, 64), random_state=seed, batch_size=64, warm_start=True, **epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as many epochs as said are the setting
        for labels in stages:
            net.fit(inputs[:seen], labels[:seen])

    def layer(rows: np.ndarray) -> np.ndarray:
        for weights, bias in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
            rows = np.maximum(rows @ weights + bias, 0)
        return rows.astype(np.float32)

    return net, layer


def _found(net: Any, layer: Any, inputs: np.ndarray, labels: np.ndarray, which: int, seen: int | None = None) -> dict:
    held = slice(seen or len(inputs) // 2, None)
    right = net.predict(inputs[held])[:, which] == labels[held, which]
    share = factor_share(layer(inputs[held]), labels[held, which])
    return {"accuracy": float(right.mean()), "share": share.value, **{n: share.parts[n] for n in ("density", "rsa")}}


def _accuracy(pairs: Sequence[Any]) -> float:
    return min(feature["accuracy"] for pair in pairs for feature in pair)


def _ratio(pair: Any) -> float:
    return float(pair[0]["share"] / max(pair[1]["share"], 1e-6))


def _listed(pairs: Any, form: str = "{:.2f}") -> str:
    return ", ".join(f"{form.format(a)} and {form.format(b)}" for a, b in pairs)
