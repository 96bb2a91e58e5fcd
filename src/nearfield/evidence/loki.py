"""Fréchet means in place of the argmax: glosses of WordNet by their place in the tree of nouns, and intents by name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax

from ..datasets import load
from ..decide import LinearProbe, NaiveBayes, frechet_mean, next_class, predictable, tree_distances
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .glosses import hierarchy
from .requests import requests

PAPER = Paper(
    "loki",
    "Geometry-Aware Adaptation for Pretrained Models",
    "nearfield.decide.frechet_mean, predictable and next_class over calibrated probabilities; FrechetClassifier joins "
    "them to a classifier.",
)
NEARER = Claim("Trained on 10 to 50% of the labels of a tree, the mean squared distance of the answers falls by 10%.")
UNSEEN = Claim("Labels without examples are answered, some rightly, where the argmax never can.")
PLACES = Claim("The answers are more often right than the argmax.")
CERTAIN = Claim("Where all the probability is on one label, the answer is the argmax.")
REACH = Claim("In a tree, labels on the paths between observed ones are in reach, and no others.")
NEXT = Claim("Classes chosen one after another bring more labels in reach than classes drawn at random.")
NAMES = Claim("With distances between the class names' own vectors, zero-shot answers come nearer by 10%.")
CLAIMS = (NEARER, UNSEEN, PLACES, CERTAIN, REACH, NEXT, NAMES)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    node, parents = hierarchy(setting.pick(60, 1_000))
    distances, count = tree_distances(parents), len(parents)
    vectors = material.unit(load("wordnet").vectors[: len(node)])
    rng = np.random.default_rng(setting.random_state)
    groups = [rng.permutation(np.flatnonzero(node == label)) for label in range(count)]
    test = np.concatenate([rows[:6] for rows in groups])
    truth = node[test]
    table = {}
    for share in (0.1, 0.25, 0.5):
        observed = np.sort(rng.permutation(count)[: max(2, round(share * count))])
        train = np.concatenate([groups[label][6:26] for label in observed])
        model = (LinearProbe("logistic") if share == 0.1 else NaiveBayes()).fit(vectors[train], node[train])
        shares = model.predict_proba(vectors[test])
        answers = {"argmax": observed[shares.argmax(axis=1)], "mean": frechet_mean(shares, distances[:, observed])}
        answers["median"] = frechet_mean(shares, distances[:, observed], power=1)
        table[share] = {
            name: {
                "squared": float(np.square(distances[found, truth]).mean()),
                "distance": float(distances[found, truth].mean()),
                "right": float((found == truth).mean()),
                "unseen": float((~np.isin(found, observed)).mean()),
                "unseen right": float(((found == truth) & ~np.isin(found, observed)).sum()),
            }
            for name, found in answers.items()
        }
    gains = {share: 1 - of["mean"]["squared"] / of["argmax"]["squared"] for share, of in table.items()}
    text = f"{count} labels, distances in steps, {len(test):,} glosses of all labels; squared distance by argmax and "
    text += "mean: " + ", ".join(
        f"{of['argmax']['squared']:.1f} and {of['mean']['squared']:.1f} with {share:.0%} of the labels (logistic "
        f"regression)" if share == 0.1 else
        f"{of['argmax']['squared']:.1f} and {of['mean']['squared']:.1f} with {share:.0%}"
        for share, of in table.items()
    )  # fmt: skip
    middle = float(np.square(distances[:, truth]).mean(axis=1).min())
    text += f" (naive Bayes). One label for everything, the best, has {middle:.1f}."
    good = [gains[share] >= 0.1 and of["mean"]["squared"] < 0.9 * middle for share, of in table.items()]
    why = "it falls everywhere by more, but with a tenth of the labels no nearer than one label for everything"
    verdict = Verdict.of(all(good), in_part=any(good), why=why)
    yield Finding(NEARER, text, verdict, {"table": table, "middle": middle})
    text = "; ".join(
        f"{share:.0%} observed: {of['mean']['unseen']:.0%} of the answers, {of['mean']['unseen right']:.0f} right"
        for share, of in table.items()
    )
    some = [of["mean"]["unseen right"] > 0 for of in table.values()]
    yield Finding(UNSEEN, text + ".", Verdict.of(all(some), in_part=any(some), why="not at every share"))
    text = "Exactly right by argmax, mean and median: " + ", ".join(
        f"{of['argmax']['right']:.1%}, {of['mean']['right']:.1%} and {of['median']['right']:.1%} with {share:.0%}"
        for share, of in table.items()
    )
    right = [of["mean"]["right"] > of["argmax"]["right"] for of in table.values()]
    why = "the mean keeps to the middle: nearer on average, and less often exactly right"
    yield Finding(PLACES, text + ".", Verdict.of(all(right), in_part=any(right), why=why))

    same = frechet_mean(np.eye(count), distances)
    verdict = Verdict.of((same == np.arange(count)).all(), why="not for all labels")
    yield Finding(CERTAIN, f"For {(same == np.arange(count)).sum()} of {count} labels.", verdict)
    yield from _reach(distances, parents, setting)
    yield _zero_shot(setting)


def _reach(distances: np.ndarray, parents: np.ndarray, setting: Setting) -> Iterator[Finding]:
    rng = np.random.default_rng(1)
    count = len(parents)
    wrong, mixed = [], []
    for _ in range(setting.pick(5, 1)):
        observed = rng.permutation(count)[: max(2, count // 20)]
        reach = predictable(distances, observed)
        wrong.append(int((reach != _on_paths(observed, parents)).sum()))
        shares = rng.dirichlet(np.full(len(observed), 0.1), 2_000)
        mixed.append(int((~reach[frechet_mean(shares, distances[:, observed])]).sum()))
    text = f"Labels in reach and labels on paths differ for {sum(wrong)} of {len(wrong) * count}; of "
    text += f"{2_000 * len(mixed):,} random mixtures of all observed labels {sum(mixed)} have a mean out of reach."
    yield Finding(
        REACH, text, Verdict.of(sum(wrong) == 0 and sum(mixed) == 0, in_part=sum(wrong) == 0, why="see above")
    )

    steps = setting.pick(20, 2)
    start = int(rng.integers(count))
    chosen = [start]
    for _ in range(steps):
        chosen.append(next_class(distances, chosen))
    ours = float(predictable(distances, chosen).mean())
    drawn = [
        float(predictable(distances, np.append(start, np.random.default_rng(seed).permutation(count)[:steps])).mean())
        for seed in range(10)
    ]
    text = f"After {steps} classes {ours:.1%} of {count} labels are in reach, against {np.mean(drawn):.1%} (at most "
    text += f"{max(drawn):.1%}) in ten draws."
    yield Finding(
        NEXT, text, Verdict.of(ours > max(drawn), in_part=ours > float(np.mean(drawn)), why="not of every draw")
    )


def _on_paths(observed: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Whether a node lies between observed ones: in the subtree that they span."""
    below = np.zeros(len(parents), np.int64)
    for label in observed:
        node = label
        while node >= 0:
            below[node] += 1
            node = parents[node]
    depth_first = np.flatnonzero(below == len(observed))
    lowest = depth_first[np.argmax([_depth(int(node), parents) for node in depth_first])]
    spanned = (below > 0) & (below < len(observed))
    spanned[lowest] = True
    return spanned


def _depth(node: int, parents: np.ndarray) -> int:
    steps = 0
    while parents[node] >= 0:
        node, steps = parents[node], steps + 1
    return steps


def _zero_shot(setting: Setting) -> Finding:
    """Intents by their names alone; the temperature that serves each rule best on requests apart."""
    from ..encode import WordLlama

    encoders = {"WordLlama": WordLlama()} | ({} if setting.quick else {"MiniLM": material.minilm()})
    gains, shown, numbers = {}, [], {}
    for name, found in requests(setting, 10, outside=10).items():
        intents = np.unique(found.labels)
        classes = material.unit(encoders[name].encode([kind.replace("_", " ") for kind in intents], progress=False))
        distances = np.sqrt(np.maximum(2 - 2 * classes @ classes.T, 0))
        np.fill_diagonal(distances, 0)
        parts = []
        for rows, labels in ((found.train, found.labels), (found.test, found.truth)):
            parts.append((rows @ classes.T, np.searchsorted(intents, labels)))
        tried = {}
        for temperature in np.geomspace(0.01, 0.3, 12):
            tried[temperature] = [_near(frechet_mean(softmax(s / temperature, axis=1), distances), y, distances)
                                  for s, y in parts]  # fmt: skip
        best = min(tried, key=lambda temperature: tried[temperature][0][0])
        plain, mean = _near(parts[1][0].argmax(axis=1), parts[1][1], distances), tried[best][1]
        gains[name] = 1 - mean[0] / plain[0]
        numbers[name] = {"argmax": plain, "mean": mean, "temperature": float(best)}
        shown.append(
            f"{name}: squared distance {plain[0]:.3f} by argmax, {mean[0]:.3f} by mean; right {plain[1]:.1%} and "
            f"{mean[1]:.1%}"
        )
    text = "150 intents by their names, temperature chosen on other requests. " + "; ".join(shown) + "."
    why = f"nearer by {', '.join(f'{gain:.0%} ({name})' for name, gain in gains.items())}"
    good = [gain >= 0.1 for gain in gains.values()]
    return Finding(
        NAMES, text, Verdict.of(all(good), in_part=any(gain > 0.01 for gain in gains.values()), why=why), numbers
    )


def _near(found: np.ndarray, truth: np.ndarray, distances: np.ndarray) -> tuple[float, float]:
    return float(np.square(distances[found, truth]).mean()), float((found == truth).mean())
