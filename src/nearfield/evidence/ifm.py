"""Merging features that are alike: how many hidden units a network needs, and how many coordinates an embedding."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..datasets import load
from ..survey import feature_redundancy, merge_features, merge_units
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "ifm",
    "Going Beyond Neural Network Feature Similarity: The Network Feature Complexity and Its Interpretation Using "
    "Category Theory",
    "nearfield.survey.merge_features, merge_units and feature_redundancy.",
)
SAME = Claim("A net with units copied, scaled and shuffled returns the original count, outputs equal to 1e-5.")
MERGED = Claim("At least 30% of hidden units merge, without data or training, at a loss under 1 point of accuracy.")
PRUNED = Claim("At an equal number of units its accuracy is at least that of pruning by magnitude.")
WIDTH = Claim("The number of units needed grows far slower than the width (exponent under 0.5).")
COPIES = Claim("An embedding given copied, scaled and turned coordinates returns the number it had.")
PLAIN = Claim("Coordinates of a trained sentence encoder are not redundant: 95% survive at correlation 0.9.")
CLAIMS = (SAME, MERGED, PRUNED, WIDTH, COPIES, PLAIN)
WIDTHS = (32, 64, 128, 256, 512)
SHARES = (0.9, 0.7, 0.5, 0.3)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    sets = _sets(setting)
    widths = setting.pick(WIDTHS, WIDTHS[:3])
    nets = {name: {width: _trained(data, width, setting) for width in widths} for name, data in sets.items()}

    net, rng = nets["digits"][64], np.random.default_rng(0)
    which, scale = rng.permutation(np.tile(np.arange(64), 3)), rng.uniform(0.2, 5, (192, 1))
    many = (net[0][which] * scale, net[1][which] / scale / 3, net[2])
    count = merge_features(many[0]).survivors(0.9999)
    pixels = sets["digits"][2]
    few = (*merge_units(many[0], many[1], count), many[2])
    gap = float(np.abs(_scores(few, pixels) - _scores(net, pixels)).max())
    text = f"192 copied, scaled and shuffled units of 64 come down to {count}; outputs differ by {gap:.1e} at most."
    yield Finding(SAME, text, Verdict.of(count == 64 and gap < 1e-5, why="the copies are not all found"))

    needed: dict[str, dict[int, int]] = {}
    for name, data in sets.items():
        needed[name] = {width: _needed(net, data, 0.01) for width, net in nets[name].items()}
    shares = {f"{name}, {width}": 1 - left / width for name, found in needed.items() for width, left in found.items()}
    text = "; ".join(
        f"{name}: " + ", ".join(f"{left} of {width}" for width, left in found.items()) for name, found in needed.items()
    )
    enough = [share >= 0.3 for share in shares.values()]
    why = f"{sum(enough)} of {len(enough)} nets reach 30%; the least merges {min(shares.values()):.0%}"
    verdict = Verdict.of(all(enough), in_part=any(enough), why=why)
    yield Finding(MERGED, f"Units left at a loss under 1 point: {text}.", verdict, shares)

    kept: dict[str, dict[str, float]] = {}
    for name, data in sets.items():
        net = nets[name][widths[-1]]
        for share in SHARES:
            left = round(share * widths[-1])
            merged = (*merge_units(net[0], net[1], left), net[2])
            rivals = [(net[0][best], net[1][best], net[2]) for best in _largest(net, left)]
            kept[f"{name}, {share:.0%} kept"] = {
                "merged": _accuracy(merged, data),
                "pruned": max(_accuracy(rival, data) for rival in rivals),
            }
    wins = sum(both["merged"] >= both["pruned"] for both in kept.values())
    text = "; ".join(f"{name}: {both['merged']:.3f} merged, {both['pruned']:.3f} pruned" for name, both in kept.items())
    why = f"pruning by the better of two magnitudes is ahead in {len(kept) - wins} of {len(kept)}"
    yield Finding(PRUNED, text + ".", Verdict.of(wins == len(kept), in_part=wins > 0, why=why), kept)

    slopes = {}
    for name, found in needed.items():
        slopes[name] = float(np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)[0])
    text = ", ".join(f"{name} {slope:.2f}" for name, slope in slopes.items())
    verdict = Verdict.of(
        max(slopes.values()) < 0.5, in_part=min(slopes.values()) < 0.5, why="the count grows nearly with the width"
    )
    text = f"Exponent of units needed over width {widths[0]} to {widths[-1]}: {text}."
    yield Finding(WIDTH, text, verdict, {name: list(found.values()) for name, found in needed.items()})

    base = material.wordnet(setting.pick(20_000, 4_000), 10)[0]
    plain = feature_redundancy(base)
    more = np.concatenate([base, -3 * base[:, ::2], base[:, :64] + 1], axis=1)
    again = feature_redundancy(more)
    text = (
        f"{more.shape[1]} coordinates, made from {base.shape[1]} of WordNet's, come down to {again.value:.0f}; those "
    )
    text += f"alone to {plain.value:.0f}."
    yield Finding(COPIES, text, Verdict.of(again.value == plain.value, why="copies are missed"), dict(plain.parts))

    share = plain.value / base.shape[1]
    text = f"{plain.value:.0f} of {base.shape[1]} survive at 0.9, {plain.parts['left_50']:.0f} at 0.5."
    yield Finding(PLAIN, text, Verdict.of(share >= 0.95, why="coordinates repeat each other"), dict(plain.parts))


def _sets(setting: Setting) -> dict[str, tuple[np.ndarray, ...]]:
    from sklearn.datasets import load_digits

    digits, images = load_digits(), load("fashion_mnist")
    x, y = digits.data / 16, digits.target
    train, test = setting.pick(10_000, 1_000), setting.pick(5_000, 500)
    return {
        "digits": (x[:1200], y[:1200], x[1200:], y[1200:]),
        "Fashion-MNIST": (
            images.train[:train] / 255,
            images.train_labels[:train],
            images.test[:test] / 255,
            images.test_labels[:test],
        ),
    }


def _trained(data: tuple[np.ndarray, ...], width: int, setting: Setting) -> tuple[np.ndarray, ...]:
    """Weights into the hidden units with their bias, weights out of them, and the last bias."""
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so many epochs are the setting, not a failure to converge
        net = MLPClassifier((width,), max_iter=setting.pick(40, 5), random_state=setting.random_state).fit(*data[:2])
    return np.concatenate([net.coefs_[0], net.intercepts_[0][None]]).T, net.coefs_[1], net.intercepts_[1]


def _scores(net: tuple[np.ndarray, ...], x: np.ndarray) -> np.ndarray:
    hidden = np.maximum(x @ net[0][:, :-1].T + net[0][:, -1], 0)
    return np.asarray(hidden @ net[1] + net[2])


def _accuracy(net: tuple[np.ndarray, ...], data: tuple[Any, ...]) -> float:
    return float((_scores(net, data[2]).argmax(axis=1) == data[3]).mean())


def _needed(net: tuple[np.ndarray, ...], data: tuple[Any, ...], tolerance: float) -> int:
    """The fewest units, in steps of a thirty-second of them, down to which accuracy stays within ``tolerance``."""
    full, width = _accuracy(net, data), len(net[0])
    needed = width
    for left in range(width - width // 32, 0, -(width // 32)):
        if _accuracy((*merge_units(net[0], net[1], left), net[2]), data) < full - tolerance:
            break
        needed = left
    return needed


def _largest(net: tuple[np.ndarray, ...], count: int) -> list[np.ndarray]:
    """The units of largest weights in, and of largest product of weights in and out."""
    into, out = np.linalg.norm(net[0], axis=1), np.linalg.norm(net[1], axis=1)
    return [np.sort(np.argsort(-size)[:count]) for size in (into, into * out)]
