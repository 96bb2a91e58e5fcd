"""Classes by their descriptions: what they add to names, a class of unknown name, the explanation, and editing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..decide import ZeroShotClassifier
from ..encode import WordLlama
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .classes import NounClass, flat, noun_classes, remembering

PAPER = Paper(
    "description_clf",
    "Visual Classification via Description from Large Language Models",
    "nearfield.decide.ZeroShotClassifier on classes of WordNet's nouns, described by phrases of their own definitions, "
    "what they are a kind of, their parts and examples; to be classified are definitions of other nouns below them.",
)
BETTER = Claim("Descriptions that begin with the name beat the best of three name prompts by at least 3 points.")
OTHER = Claim("With static word vectors (WordLlama) they do so too.")
SEMANTICS = Claim("The descriptions of another class in their place do worse than the name alone.")
UNKNOWN = Claim("A class whose name is made up is recognised at least 70% as often from its descriptions.")
EXACT = Claim("The terms of the descriptions sum to the score exactly.")
EDIT = Claim(
    "One description added for a part of a class that is overlooked gains 20 points there and moves the rest by less "
    "than 2."
)
CLAIMS = (BETTER, OTHER, SEMANTICS, UNKNOWN, EXACT, EDIT)

Texts = Sequence[Sequence[str]]


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    classes = noun_classes(setting.pick(60, 6), 20, 10, setting.pick(30, 10), setting.random_state)
    held, y = flat([each.held for each in classes])
    described = [[f"{each.name}, {text}" for text in each.descriptions] for each in classes]
    names = {
        "name": [[each.name] for each in classes],
        "a kind of name": [[f"a kind of {each.name}"] for each in classes],
        "both": [[each.name, f"a kind of {each.name}"] for each in classes],
    }
    for claim, encoder in ((BETTER, material.minilm()), (OTHER, WordLlama())):
        encode = remembering(encoder)
        items = encode(held)
        asked = {name: _fit(encode, texts).score(items, y) for name, texts in names.items()}
        found = {how: _fit(encode, described, how).score(items, y) for how in ("mean", "max", "centroid")}
        shown = ", ".join(f"{value:.1%} ({name})" for name, value in asked.items())
        text = f"{found['mean']:.1%} with {len(flat(described)[0])} descriptions of {len(classes)} classes, against "
        text += f"{shown}; their nearest {found['max']:.1%}, their centroid {found['centroid']:.1%} ({len(y):,} items)."
        gain = found["mean"] - max(asked.values())
        yield Finding(claim, text, Verdict.of(gain >= 0.03, why=f"they gain {100 * gain:.1f} points"), asked | found)
        if claim is BETTER:
            yield from _meaning(classes, described, items, y, encode, asked["name"])


def _meaning(
    classes: Sequence[NounClass],
    described: Texts,
    items: np.ndarray,
    y: np.ndarray,
    encode: Callable[[list[str]], np.ndarray],
    name: float,
) -> Iterator[Finding]:
    shifted = [
        [f"{each.name}, {text}" for text in classes[place - 1].descriptions] for place, each in enumerate(classes)
    ]
    wrong = _fit(encode, shifted).score(items, y)
    yield Finding(SEMANTICS, f"{wrong:.1%} against {name:.1%}.", Verdict.of(wrong < name, why="they do better"))

    shares = {}
    for how in ("mean", "max", "centroid"):
        known = _fit(encode, described, how).score(items, y)
        for label, made_up in (("made-up name", "zorvax, {}"), ("no name", "something that is {}")):
            right = []
            for place, each in enumerate(classes):
                texts = [*described]
                texts[place] = [made_up.format(text) for text in each.descriptions]
                right.append(_fit(encode, texts, how).score(items[y == place], y[y == place]))
            shares[f"{label}, {how}"] = float(np.mean(right)) / known
    text = "Share of the accuracy with all names, each class renamed in turn: "
    text += ", ".join(f"{share:.0%} ({label})" for label, share in shares.items()) + "."
    why = "a made-up name is taken for something of its own; leave the name out and the descriptions suffice"
    kept, nameless = shares["made-up name, mean"] >= 0.7, shares["no name, mean"] >= 0.7
    yield Finding(UNKNOWN, text, Verdict.of(kept, in_part=nameless, why=why), shares)

    whys = _fit(encode, described).terms(items)
    worst = max(abs(float(why.terms.sum()) - why.score) for why in whys)
    worst = max(worst, *(abs(sum(map(float, why.terms[::-1])) - why.score) for why in whys))
    text = f"The largest difference over {len(whys):,} items is {worst:g}, added up in two orders."
    yield Finding(EXACT, text, Verdict.of(worst == 0, why="they differ"))
    yield _edited(classes, described, items, y, encode)


def _edited(
    classes: Sequence[NounClass],
    described: Texts,
    items: np.ndarray,
    y: np.ndarray,
    encode: Callable[[list[str]], np.ndarray],
) -> Finding:
    """Add the definition of one kind of a class where fewer than half of that kind's nouns are found."""
    gains: dict[str, tuple[float, float]] = {}
    for how in ("mean", "max"):
        before = _fit(encode, described, how).predict(items) == y
        there, elsewhere = [], []
        for place, each in enumerate(classes):
            for kind, count in Counter(each.kinds).items():
                within = [own == kind != item for own, item in zip(each.kinds, each.held, strict=True)]
                part = np.flatnonzero(y == place)[within]
                if count < 6 or before[part].mean() > 0.5:
                    continue
                fitted = _fit(encode, described, how).partial_fit(encode([f"{each.name}, {kind}"]), [place])
                change = (fitted.predict(items) == y) - before.astype(float)
                there.append(change[part].mean())
                elsewhere.append(np.delete(change, part).mean())
        gains[how] = (float(np.mean(there or [0])), float(np.abs(elsewhere or [0]).max()))
        gains[f"{how}, parts"] = (float(len(there)), 0.0)
    (mean, rest), (nearest, rest_nearest) = gains["mean"], gains["max"]
    text = (
        f"Mean gain over {gains['mean, parts'][0]:.0f} overlooked parts {100 * mean:.0f} points, the rest moves by at "
    )
    text += f"most {100 * rest:.1f}; where the nearest description decides, {100 * nearest:.0f} and "
    text += f"{100 * rest_nearest:.1f}."
    calm = max(rest, rest_nearest) < 0.02
    why = f"the rest stays, but one of several descriptions averaged gains {100 * mean:.0f} points"
    return Finding(EDIT, text, Verdict.of(mean >= 0.2 and calm, in_part=mean > 0 and calm, why=why), gains)


def _fit(encode: Callable[[list[str]], np.ndarray], texts: Texts, how: str = "mean") -> ZeroShotClassifier:
    strings, labels = flat(texts)
    return ZeroShotClassifier(how).fit(encode(strings), labels)
