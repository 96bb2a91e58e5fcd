"""Conditional similarity: galleries that neither the reference nor the condition alone can answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from scipy.stats import spearmanr

from ..common.lengths import unit_rows
from ..datasets import load
from ..transform import PCA, Aspects, RandomProjection
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "genecis",
    "GeneCIS: A Benchmark for General Conditional Image Similarity",
    "nearfield.transform.Aspects: Fashion-MNIST turned by quarters and restyled (inverted, thick, thin), 64 principal "
    "components. Focus asks for an image with the same kind, turn or style; change for one like the reference but with "
    "another turn, style or kind. A gallery has one right image, five like the reference that the condition rules out, "
    "and five that fit the condition alone. Fitted without one in four of the combinations of kind, turn and style, "
    "and asked about those alone.",
)
ALONE = Claim("The reference alone and the condition alone are near chance (R@1 at most twice 1/11).")
BOTH = Claim("Fitted to labels, reference and condition reach at least 1.5 times the better of them, on unseen ones.")
SUM = Claim("Adding the condition's vector to the reference's, with the best weight, does not do as well.")
EACH = Claim("That holds for focus and change, and for every aspect.")
WEAK = Claim("How well an encoder does at it hardly follows its nearest-neighbour accuracy (Spearman within 0.5).")
CLAIMS = (ALONE, BOTH, SUM, EACH, WEAK)
_NAMES = ("kind", "turn", "style")
_RIVALS = 5
_WEIGHTS = {f"sum, weight {weight:g}": weight for weight in (0.5, 1, 2, 4)}


class _World(NamedTuple):
    labels: np.ndarray
    held: np.ndarray
    centred: np.ndarray
    middles: list[np.ndarray]
    aspects: Aspects
    rows: np.ndarray


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    seen, held = _world(setting, 0), _world(setting, 1)
    encoders = _encoders(seen[0], seen[1], setting)
    scores: dict[str, dict[str, Any]] = {}
    for name, encode in encoders.items():
        scores[name] = _scored(encode(seen[0]), seen[1], encode(held[0]), held[1], setting)
    mine = scores["64 principal components"]
    tasks = mine["tasks"]
    keys = ("reference", "condition", "sum", "aspects")
    mean = {key: float(np.mean([task[key] for task in tasks.values()])) for key in keys}
    chance = 1 / (2 * _RIVALS + 1)
    text = f"R@1 over six tasks: reference {mean['reference']:.3f}, condition {mean['condition']:.3f} (chance "
    text += f"{chance:.3f}; the gallery is made against both)."
    verdict = Verdict.of(max(mean["reference"], mean["condition"]) <= 2 * chance, why="one of them is well above")
    yield Finding(ALONE, text, verdict, {"encoders": scores})

    best = max(mean["reference"], mean["condition"])
    text = f"R@1 {mean['aspects']:.3f}, {mean['aspects'] / best:.1f} times {best:.3f}."
    yield Finding(BOTH, text, Verdict.of(mean["aspects"] >= 1.5 * best, why="fewer"))

    text = f"The sum {mean['sum']:.3f} with the best of four weights for each task, aspects {mean['aspects']:.3f}."
    yield Finding(SUM, text, Verdict.of(mean["aspects"] > mean["sum"], why="it does"))

    lines = {
        name: (task["aspects"], max(task["reference"], task["condition"], task["sum"])) for name, task in tasks.items()
    }
    text = "R@1 and the best other: " + "; ".join(f"{name} {a:.3f}, {b:.3f}" for name, (a, b) in lines.items()) + "."
    fine = [a >= 1.5 * b for a, b in lines.values()]
    yield Finding(EACH, text, Verdict.of(all(fine), in_part=any(fine), why=f"for {sum(fine)} of {len(fine)}"))

    pairs = [
        (one["neighbours"], float(np.mean([task["aspects"] for task in one["tasks"].values()])))
        for one in scores.values()
    ]
    trend = float(spearmanr(*zip(*pairs, strict=True))[0])
    text = f"Spearman {trend:+.2f} over {len(pairs)} encoders; accuracy of the nearest neighbour and R@1: "
    text += "; ".join(f"{name} {a:.3f}, {b:.3f}" for name, (a, b) in zip(scores, pairs, strict=True)) + "."
    yield Finding(WEAK, text, Verdict.of(abs(trend) < 0.5, why="it follows it, or runs against it"))


def _world(setting: Setting, part: int) -> tuple[np.ndarray, np.ndarray]:
    """Images as rows, and the labels (n, 3); the second part holds the combinations that the first does not."""
    images = load("fashion_mnist")
    pictures, kinds = (images.train, images.train_labels) if part == 0 else (images.test, images.test_labels)
    count = setting.pick(20_000 if part == 0 else 10_000, 2_500)
    rng = np.random.default_rng(part)
    drawn = rng.permutation(len(pictures))[:count]
    labels = np.column_stack([kinds[drawn], rng.integers(4, size=(len(drawn), 2))])
    unseen = (labels[:, 0] + labels[:, 1] + labels[:, 2]) % 4 == 0
    kept = ~unseen if part == 0 else np.ones(len(labels), bool)
    pairs = zip(pictures[drawn].reshape(-1, 28, 28), labels, strict=True)
    rows = [_restyled(picture, turn, style) for picture, (_, turn, style) in pairs]
    return np.array(rows, np.float32)[kept] / 255, labels[kept]


def _restyled(picture: np.ndarray, turn: int, style: int) -> np.ndarray:
    turned = np.rot90(picture, turn)
    if style == 1:
        turned = 255 - turned
    elif style:
        turned = (ndimage.grey_dilation if style == 2 else ndimage.grey_erosion)(turned, size=(3, 3))
    return np.asarray(turned).ravel()


def _encoders(rows: np.ndarray, labels: np.ndarray, setting: Setting) -> dict[str, Any]:
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(3)
    few = rows[: setting.pick(10_000, 1_000)]
    made: dict[str, Any] = {f"{k} principal components": PCA(k).fit(few).transform for k in (64, 16, 256)}
    made["64 whitened"] = PCA(64, whiten=True).fit(few).transform
    made["64 random directions"] = RandomProjection(64, random_state=0).fit(few).transform
    weights = rng.standard_normal((rows.shape[1], 256)).astype(np.float32) / 28
    made["256 random rectified units"] = lambda x: np.maximum(x @ weights, 0)
    for name, column in (("taught kinds", 0), ("taught turns", 1), ("taught styles", 2)):
        net = MLPClassifier((64,), max_iter=setting.pick(8, 2), random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a few passes are the setting
            net.fit(few, labels[: len(few), column])
        made[f"64 units {name}"] = lambda x, net=net: np.maximum(
            x @ net.coefs_[0].astype(np.float32) + net.intercepts_[0].astype(np.float32), 0
        )
    return made


def _scored(
    seen: np.ndarray, seen_labels: np.ndarray, held: np.ndarray, labels: np.ndarray, setting: Setting
) -> dict[str, Any]:
    seen, held = (np.asarray(rows, np.float32) for rows in (seen, held))
    aspects = Aspects(shrinkage=0.05).fit(seen, {name: seen_labels[:, i] for i, name in enumerate(_NAMES)})
    mean = seen.mean(axis=0)
    middles = [
        unit_rows(np.stack([seen[column == value].mean(axis=0) - mean for value in range(column.max() + 1)]))
        for column in seen_labels.T
    ]
    world = _World(labels, held, unit_rows(held - mean), middles, aspects, aspects.transform(held))
    rng = np.random.default_rng(4)
    asked = rng.permutation(np.flatnonzero(labels.sum(axis=1) % 4 == 0))[: setting.pick(600, 60)]
    tasks = {
        f"{task} {name}": _task(task, column, asked, world, rng)
        for task in ("focus", "change")
        for column, name in enumerate(_NAMES)
    }
    near = world.centred[: setting.pick(2_000, 300)] @ world.centred.T
    near[np.arange(len(near)), np.arange(len(near))] = -2
    right = labels[near.argmax(axis=1), 0] == labels[: len(near), 0]
    return {"tasks": tasks, "neighbours": float(right.mean())}


def _task(task: str, column: int, asked: np.ndarray, world: _World, rng: np.random.Generator) -> dict[str, float]:
    labels, name = world.labels, _NAMES[column]
    others = [i for i in range(3) if i != column]
    hits: dict[str, int] = dict.fromkeys(("reference", "condition", "aspects", *_WEIGHTS), 0)
    count = 0
    for own in asked:
        same = labels[:, column] == labels[own, column]
        alike = (labels[:, others] == labels[own, others]).all(axis=1)
        if task == "focus":  # one thing is to be the same, and all else differs; the rivals are alike in all else
            right, like, fitting = same & ~alike, alike & ~same, ~same & ~alike
        else:  # one thing is to become another, and all else stays
            wanted = rng.choice(np.setdiff1d(labels[:, column], labels[own, column]))
            fits = labels[:, column] == wanted
            right, like, fitting = fits & alike, same & alike, fits & ~alike
            like[own] = False
        if not right.any() or min(like.sum(), fitting.sum()) < _RIVALS:
            continue
        rivals = (rng.choice(np.flatnonzero(some), _RIVALS, replace=False) for some in (like, fitting))
        gallery = np.concatenate([[rng.choice(np.flatnonzero(right))], *rivals])
        count += 1
        reference, query = world.centred[gallery] @ world.centred[own], world.held[own][None]
        if task == "focus":  # the name of an aspect says nothing of an image
            condition, asks = rng.random(len(gallery)), world.aspects.queries(query, name)
        else:
            condition = world.centred[gallery] @ world.middles[column][wanted]
            asks = world.aspects.queries(query, dict.fromkeys(_NAMES, 1.0), to={name: wanted})
        scores = {"reference": reference, "condition": condition, "aspects": world.rows[gallery] @ asks[0]}
        scores |= {key: reference + (weight * condition if task == "change" else 0) for key, weight in _WEIGHTS.items()}
        for key, values in scores.items():
            hits[key] += int(values.argmax() == 0)
    rates = {key: hit / max(count, 1) for key, hit in hits.items()}
    summed = max(rates.pop(key) for key in _WEIGHTS)
    return rates | {"sum": summed, "asked": count}
