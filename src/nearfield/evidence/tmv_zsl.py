"""Unseen classes from descriptions in several views: labels spread through the items, against nearest descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets import load
from ..decide import LabelVectors, LinearProbe, PrototypePropagation, Prototypes, ZeroShotClassifier
from ..encode import WordLlama
from ..transform import RidgeMap
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .classes import flat, noun_classes, remembering
from .requests import shots

PAPER = Paper(
    "tmv_zsl",
    "Transductive Multi-view Zero-Shot Learning",
    "nearfield.decide.PrototypePropagation, n_neighbors and alpha chosen on 60 other classes of each set, centring "
    "after a look at these ones too: definitions of nouns "
    "below 60 classes of WordNet, told by name and by gloss (MiniLM), and requests of 60 intents of CLINC150, told by "
    "their names to MiniLM and to WordLlama. Texts, not images.",
)
NEAREST = Claim("From both views it beats the nearest class, of one view or the sum of both, by at least 5 points.")
MOVED = Claim("It beats label vectors, which move names to unlabelled documents, by at least 1 point.")
SECOND = Claim("The second view adds at least 1 point to what the first reaches.")
SHOTS = Claim("Labels help further: 1, 2 and 5 labelled items a class raise what is right among the others each time.")
FEW = Claim("With 5 labels a class and both views it beats prototypes and probes of the same labels alone.")
SHARED = Claim("One space for all views, by multi-view canonical correlation, is better than each view in its own.")
LEARNT = Claim("A view in word vectors, into which items are mapped as other classes teach (ridge), adds 1 point.")
HYPER = Claim("Hyperedges of neighbours are better than the plain neighbour graph, by at least half a point.")
CLAIMS = (NEAREST, MOVED, SECOND, SHOTS, FEW, SHARED, LEARNT, HYPER)


@dataclass(frozen=True)
class Task:
    """Items in two views, what is said of the classes in each, and truth; items of other classes with word vectors."""

    items: list[np.ndarray]
    said: list[np.ndarray]
    y: np.ndarray
    words: np.ndarray
    seen: np.ndarray
    seen_words: np.ndarray

    def right(self, items: Any, said: Any, **options: Any) -> np.ndarray:
        """Which items get their class."""
        made = PrototypePropagation(**options).fit(items, views=said)
        return np.asarray(made.transduction_ == self.y)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    tasks = {"WordNet": _nouns(setting), "CLINC150": _intents(setting)}
    both = {name: task.right(task.items, task.said) for name, task in tasks.items()}
    alone = {name: float(found.mean()) for name, found in both.items()}

    near = {
        name: [_added(task, task.items[part], task.said[part]) for part in (slice(1), slice(1, 2), slice(2))]
        for name, task in tasks.items()
    }
    best = {name: max(found, key=lambda right: float(right.mean())) for name, found in near.items()}
    gains = {name: _gain(both[name], best[name]) for name in tasks}
    text = "; ".join(
        f"{name} {alone[name]:.1%}, nearest by the first, the second and both views "
        f"{', '.join(f'{right.mean():.1%}' for right in near[name])}: {_points(gains[name])} over "
        f"{len(tasks[name].y):,} items"
        for name in tasks
    )
    yield _finding(NEAREST, text, {name: gain for name, (gain, _) in gains.items()}, 0.05)

    moved = {}
    for name, task in tasks.items():
        classes = range(len(task.said[0]))
        beside = [np.hstack([_unit(part) for part in parts]) for parts in (task.items, task.said)]
        moved[name] = max(
            float(LabelVectors(max_documents=most).fit(said, classes, documents=items).score(items, task.y))
            for items, said in ((task.items[0], task.said[0]), (beside[0], beside[1]))
            for most in (10, 20, 30)
        )
    text = "; ".join(f"{name} {alone[name]:.1%}, label vectors {moved[name]:.1%}" for name in tasks)
    text += " (the best of those of 10, 20 and 30 documents, from the first view and from both)"
    yield _finding(MOVED, text, {name: alone[name] - moved[name] for name in tasks}, 0.01)

    single = {name: task.right(task.items[0], task.said[0]) for name, task in tasks.items()}
    other = {name: task.right(task.items[1], task.said[1]) for name, task in tasks.items()}
    gains = {name: _gain(both[name], single[name]) for name in tasks}
    text = "; ".join(
        f"{name} {single[name].mean():.1%} by the first, {other[name].mean():.1%} by the second, {alone[name]:.1%} by "
        f"both: {_points(gains[name])}"
        for name in tasks
    )
    yield _finding(SECOND, text, {name: gain for name, (gain, _) in gains.items()}, 0.01)
    yield from _labels(tasks, alone, setting)
    yield _spaces(tasks, alone)
    yield _learnt(tasks, both)

    pairs = {name: float(task.right(task.items, task.said, links="pairs").mean()) for name, task in tasks.items()}
    text = "; ".join(f"{name} {alone[name]:.1%} and {pairs[name]:.1%}" for name in tasks)
    yield _finding(HYPER, text, {name: alone[name] - pairs[name] for name in tasks}, 0.005)


def _finding(claim: Claim, text: str, gains: dict[str, float], least: float) -> Finding:
    short = [name for name, gain in gains.items() if gain < least]
    why = "not on " + " and ".join(f"{name} ({100 * gains[name]:+.1f} points)" for name in short)
    return Finding(claim, f"{text}.", Verdict.of(not short, in_part=len(short) < len(gains), why=why), gains)


def _added(task: Task, items: list[np.ndarray], said: list[np.ndarray]) -> np.ndarray:
    """The better of plain cosines and those of centred vectors, added over the views: which items get their class."""
    found = []
    for middle in (False, True):
        moved = [[_unit(rows - middle * rows.mean(axis=0)) for rows in pair] for pair in zip(items, said, strict=True)]
        beside = [np.hstack([pair[side] for pair in moved]) for side in (0, 1)]
        predicted = ZeroShotClassifier().fit(beside[1], range(len(beside[1]))).predict(beside[0])
        found.append(np.asarray(predicted == task.y))
    return max(found, key=lambda right: float(right.mean()))


def _gain(right: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The difference, and half of its 95% interval over the items."""
    change = right.astype(float) - other
    return float(change.mean()), 1.96 * float(change.std()) / len(change) ** 0.5


def _points(gain: tuple[float, float]) -> str:
    return f"{100 * gain[0]:+.1f} points (± {100 * gain[1]:.1f})"


def _labels(tasks: dict[str, Task], alone: dict[str, float], setting: Setting) -> Iterator[Finding]:
    spread: dict[str, list[float]] = {}
    few: dict[str, dict[str, float]] = {}
    for name, task in tasks.items():
        five = shots(task.y, 5, setting.random_state)
        rest = np.setdiff1d(np.arange(len(task.y)), five)
        spread[name] = []
        for count in (0, 1, 2, 5):
            given = np.full(len(task.y), None, object)
            if count:
                chosen = np.concatenate([five[task.y[five] == kind][:count] for kind in np.unique(task.y)])
                given[chosen] = task.y[chosen]
            model = PrototypePropagation().fit(task.items, given, views=task.said)
            spread[name].append(float(np.mean(model.transduction_[rest] == task.y[rest])))
        beside = np.hstack([_unit(rows) for rows in task.items])
        few[name] = {
            type(model).__name__: max(
                float(model.fit(rows[five], task.y[five]).score(rows[rest], task.y[rest]))
                for rows in (task.items[0], beside)
            )
            for model in (Prototypes(), LinearProbe())
        }
    text = "; ".join(f"{name} {', '.join(f'{value:.1%}' for value in values)}" for name, values in spread.items())
    rise = {name: float(np.diff(values).min()) for name, values in spread.items()}
    yield _finding(SHOTS, f"Right with 0, 1, 2 and 5 labels a class, of items without any: {text}", rise, 1e-9)
    text = "; ".join(
        f"{name} {spread[name][-1]:.1%}, prototypes {found['Prototypes']:.1%}, probe {found['LinearProbe']:.1%}"
        for name, found in few.items()
    )
    yield _finding(FEW, text, {name: spread[name][-1] - max(found.values()) for name, found in few.items()}, 1e-9)


def _spaces(tasks: dict[str, Task], alone: dict[str, float]) -> Finding:
    """Views of different encoders: names by MiniLM and WordLlama. WordNet's two views share a space already."""
    found = {}
    for name, task in tasks.items():
        most = min(rows.shape[1] for rows in task.items)
        found[name] = {
            f"{width} dimensions, shrunk by {shrinkage}": float(
                task.right(task.items, task.said, shared_dim=width, shrinkage=shrinkage).mean()
            )
            for width in (most // 8, most // 2)
            for shrinkage in (0.1, 0.5, 0.9)
        }
    best = {name: max(values, key=lambda key: values[key]) for name, values in found.items()}
    text = "; ".join(
        f"{name} {alone[name]:.1%} in their own, {found[name][best[name]]:.1%} in the best shared one ({best[name]})"
        for name in tasks
    )
    return _finding(SHARED, text, {name: found[name][best[name]] - alone[name] for name in tasks}, 1e-9)


def _learnt(tasks: dict[str, Task], both: dict[str, np.ndarray]) -> Finding:
    gains, parts = {}, []
    for name, task in tasks.items():
        mapped = RidgeMap().fit(task.seen, task.seen_words).transform(task.items[0])
        by_words = _added(task, [mapped], [task.words])
        more = task.right([*task.items, mapped], [*task.said, task.words])
        gain = _gain(more, both[name])
        gains[name] = gain[0]
        parts.append(
            f"{name} {both[name].mean():.1%} without, {more.mean():.1%} with: {_points(gain)}; nearest in that view "
            f"alone {by_words.mean():.1%}"
        )
    return _finding(LEARNT, "; ".join(parts), gains, 0.01)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _split(count: int, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Classes that only descriptions tell, and others."""
    order = np.random.default_rng(0).permutation(count)
    asked = setting.pick(60, 6)
    return np.sort(order[:asked]), np.sort(order[asked:])


def _task(items: list[np.ndarray], said: list[np.ndarray], y: np.ndarray, words: np.ndarray, setting: Setting) -> Task:
    asked, others = _split(len(words), setting)
    mine, rest = np.isin(y, asked), np.isin(y, others)
    own = np.searchsorted(asked, y[mine])
    parts = [[rows[mine] for rows in items], [view[asked] for view in said]]
    return Task(parts[0], parts[1], own, words[asked], items[0][rest], words[y[rest]])


def _nouns(setting: Setting) -> Task:
    classes = noun_classes(setting.pick(150, 16), 0, 0, setting.pick(40, 10))
    encode = remembering(material.minilm())
    texts, y = flat([each.held for each in classes])
    told = [list(each.descriptions) or [each.name] for each in classes]
    items, names = encode(texts), encode([each.name for each in classes])
    glosses = np.array([encode(own).mean(axis=0) for own in told])
    words = material.averaged_words(setting.pick(400_000, 50_000))([" ".join(own) for own in told])
    return _task([items, items], [names, glosses], y, words, setting)


def _intents(setting: Setting) -> Task:
    requests = load("clinc150").test
    intents = sorted(set(requests.intents))[: setting.pick(None, 16)]
    pairs = [pair for pair in zip(requests.texts, requests.intents, strict=True) if pair[1] in intents]
    texts, names = [text for text, _ in pairs], [intent.replace("_", " ") for intent in intents]
    y = np.searchsorted(intents, [intent for _, intent in pairs])
    minilm, static = material.minilm(), WordLlama()
    items = [np.asarray(encoder.encode(texts, progress=False)) for encoder in (minilm, static)]
    said = [np.asarray(encoder.encode(names, progress=False)) for encoder in (minilm, static)]
    return _task(items, said, y, material.averaged_words(setting.pick(400_000, 50_000))(names), setting)
