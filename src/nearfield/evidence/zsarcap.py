"""Classes and items as sets of sentences: against names and word vectors, more sentences an item, and filtering."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..datasets import load
from ..decide import SentenceSetClassifier, ZeroShotClassifier
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .classes import NounClass, flat, noun_classes, remembering

PAPER = Paper(
    "zsarcap",
    "Tell me what you see: A zero-shot action recognition method based on natural language descriptions",
    "nearfield.decide.SentenceSetClassifier on classes of WordNet's nouns, told by their own definitions and those of "
    "nouns below them, and on the intents of CLINC150, told by the requests nearest to their names.",
)
NAMES = Claim("The nearest sentence of a class decides better than its name, by at least 5 points (WordNet).")
WORDS = Claim(
    "A sentence encoder is at least 10 points better than averaged word vectors (GloVe) on the same sentences."
)
SEVERAL = Claim("Items of three sentences are classified better than items of one (CLINC150).")
FILTERED = Claim("Of the definitions that a search for the name finds, the 20 nearest to the name do better than all.")
NEAREST = Claim("The nearest sentence decides better than the mean or the centroid of all sentences of a class.")
CLAIMS = (NAMES, WORDS, SEVERAL, FILTERED, NEAREST)

Encode = Callable[[list[str]], np.ndarray]


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    classes = noun_classes(setting.pick(60, 6), 20, 10, setting.pick(30, 10), setting.random_state)
    encode = remembering(material.minilm())
    held, y = flat([each.held for each in classes])
    items, names = encode(held), encode([each.name for each in classes])
    told, owner = flat([[*each.descriptions[:1], *each.relatives] for each in classes])
    found = {"name": ZeroShotClassifier().fit(names, range(len(classes))).score(items, y)}
    for how in ("max", "mean", "centroid"):
        found[how] = SentenceSetClassifier(how).fit(encode(told), owner).score(items, y)
    gain = found["max"] - found["name"]
    text = f"{found['max']:.1%} with {len(told):,} sentences of {len(classes)} classes, names {found['name']:.1%}."
    yield Finding(NAMES, text, Verdict.of(gain >= 0.05, why=f"the gain is {100 * gain:.1f} points"), found)

    average = material.averaged_words(setting.pick(400_000, 50_000))
    words = {
        how: SentenceSetClassifier(how).fit(average(told), owner).score(average(held), y) for how in ("max", "centroid")
    }
    apart = found["max"] - words["max"]
    text = (
        f"{found['max']:.1%} and {words['max']:.1%}; by centroids {found['centroid']:.1%} and {words['centroid']:.1%}."
    )
    yield Finding(WORDS, text, Verdict.of(apart >= 0.1, why=f"the difference is {100 * apart:.1f} points"), words)
    yield _several(setting)
    yield _filtered(classes, held, items, y, names, encode, setting)

    text = f"Nearest {found['max']:.1%}, mean {found['mean']:.1%}, centroid {found['centroid']:.1%}."
    best, better = found["max"] >= max(found.values()), found["max"] >= found["mean"]
    yield Finding(NEAREST, text, Verdict.of(best, in_part=better, why="the centroid is better"))


def _several(setting: Setting) -> Finding:
    requests, rng = load("clinc150").test, np.random.default_rng(setting.random_state)
    intents = sorted(set(requests.intents))[: setting.pick(None, 10)]
    own = np.array(requests.intents)
    rows = [rng.permutation(np.flatnonzero(own == intent)) for intent in intents]
    encode = remembering(material.minilm())
    unlabelled, asked = (encode([requests.texts[row] for part in rows for row in part[half]]) for half in _HALVES)
    names = encode([intent.replace("_", " ") for intent in intents])
    near = np.argsort(-(names @ unlabelled.T), axis=1, kind="stable")[:, :5]  # what a search for the name would find
    classifier = SentenceSetClassifier().fit(unlabelled[near.ravel()], np.repeat(np.arange(len(names)), 5))
    y = np.arange(len(names))
    items = asked.reshape(len(names), 5, 3, -1)  # five items of three requests for each intent
    scores = {}
    for size in (1, 2, 3):
        sets = [item[:size] for own in items for item in own]
        scores[size] = float(np.mean(classifier.predict(sets) == y.repeat(5)))
    text = (
        f"{scores[1]:.1%} with one, {scores[2]:.1%} with two, {scores[3]:.1%} with three requests of one intent; the "
    )
    text += f"{len(names)} intents are told by the five unlabelled requests nearest to their names."
    return Finding(
        SEVERAL, text, Verdict.of(scores[3] > scores[1], why="they are not"), {str(k): v for k, v in scores.items()}
    )


_HALVES = (slice(0, 15), slice(15, 30))


def _filtered(
    classes: Sequence[NounClass],
    held: list[str],
    items: np.ndarray,
    y: np.ndarray,
    names: np.ndarray,
    encode: Encode,
    setting: Setting,
) -> Finding:
    """A search for the name in all definitions, the items left out, stands for the search engine of the paper."""
    shown, rng = set(held), np.random.default_rng(setting.random_state)
    definitions = [synset.definition for synset in load("wordnet").synsets if synset.definition not in shown]
    hits = []
    for each in classes:
        sought = re.compile(rf"\b{re.escape(each.name.lower())}(?:s|es)?\b")
        rows = [text for text in definitions if sought.search(text.lower())]
        hits.append([each.name, *(rows[row] for row in rng.permutation(len(rows))[: setting.pick(100, 40)])])
    texts, owner = flat(hits)
    vectors, called = encode(texts), dict(enumerate(names))
    found: dict[str, float] = {}
    for how in ("max", "centroid"):
        for keep in (5, 20, None):
            classifier = SentenceSetClassifier(how, n_sentences=keep).fit(vectors, owner, names=called)
            found[f"{keep or 'all'}, {how}"] = classifier.score(items, y)
    text = f"Of {len(texts):,} found, the nearest deciding: " + ", ".join(
        f"{keep} {found[f'{keep}, max']:.1%}" for keep in (5, 20, "all")
    )
    text += "; the centroid: " + ", ".join(f"{keep} {found[f'{keep}, centroid']:.1%}" for keep in (5, 20, "all")) + "."
    better = found["20, max"] > found["all, max"]
    verdict = Verdict.of(
        better and found["20, centroid"] > found["all, centroid"], in_part=better, why="not where the centroid decides"
    )
    return Finding(FILTERED, text, verdict, found)
