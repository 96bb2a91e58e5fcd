"""Naming without a list of classes: candidates from retrieved texts against all names there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from ..datasets import Synset, load
from ..decide import OpenVocabulary, names_in
from ..encode import WordLlama
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .classes import remembering
from .material import unit

PAPER = Paper(
    "cased",
    "Vocabulary-free Image Classification",
    "nearfield.decide.OpenVocabulary, with its defaults; the collection is the nouns of WordNet with their glosses, "
    "less those whose definitions are to be named, and names are the nouns that a gloss defines or mentions.",
)
BETTER = Claim(
    "Its names are nearer to the truth by 5 points than the best of all names, by cosine and by shared ancestors."
)
OTHER = Claim("With static word vectors, and all names there are, they are too.")
FEWER = Claim("It compares at least 100 times fewer names.")
TERMS = Claim("The two terms together are at least as good as either alone.")
HOLD = Claim("The candidates hold a synonym or something above the truth at least 60% of the time.")
NEAREST = Claim("It names better than the first word of the nearest text.")
CLAIMS = (BETTER, OTHER, FEWER, TERMS, HOLD, NEAREST)

Encode = Callable[[list[str]], np.ndarray]


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    words, rng = load("wordnet"), np.random.default_rng(setting.random_state)
    count = sum(1 for synset in words.synsets if 3 <= synset.topic <= 28)  # nouns come first
    nouns = words.synsets[:count]
    able = [row for row, own in enumerate(nouns) if "@" in own.relations and len(own.definition.split()) > 2]
    held = np.sort(rng.permutation(able)[: setting.pick(300, 12)])
    kept = np.setdiff1d(np.arange(count), held)
    if setting.quick:
        kept = np.sort(rng.permutation(kept)[:3000])
    truth = _Truth(nouns, held)
    mentioned = [list(dict.fromkeys([*nouns[row].words, *names_in(nouns[row].definition, truth.rows)])) for row in kept]
    first = [nouns[row].words[0] for row in kept]
    every = sorted(truth.rows)
    minilm, static = remembering(material.minilm()), remembering(WordLlama())
    called = minilm([nouns[row].words[0] for row in held])
    for claim, encode in ((BETTER, minilm), (OTHER, static)):
        items = encode([nouns[row].definition for row in held])
        if encode is minilm:
            texts = unit(words.vectors[kept])
        else:
            texts = encode([f"{', '.join(nouns[row].words)}: {nouns[row].definition}" for row in kept])
        naming = OpenVocabulary(encoder=_Named(encode)).fit(texts, mentioned)
        candidates = [[name for name, _ in ranked] for ranked in naming.candidates(items)]
        among = every
        if encode is minilm:  # some 120,000 names take a quarter of an hour; fewer make it easier for what is compared
            some = rng.permutation(every)[: setting.pick(4_000, 50)].tolist()
            among = sorted({*some, *(name for own in candidates for name in own), *truth.first})
        found = {
            "best of all names": truth.score([among[row] for row in _nearest(items, encode(among))], minilm, called)
        }
        for weight, name in ((0.7, "both terms"), (1.0, "item alone"), (0.0, "retrieved texts alone")):
            naming.set_params(weight=weight)
            found[name] = truth.score(naming.predict(items).tolist(), minilm, called)
        found["nearest text"] = truth.score([first[row] for row in _nearest(items, texts)], minilm, called)
        shown = "; ".join(f"{name} {cosine:.3f}, {shared:.3f}" for name, (cosine, shared) in found.items())
        text = (
            f"Mean cosine to the true name, and share of ancestors in common: {shown} ({len(held)} definitions; best "
        )
        text += f"of {len(among):,} names)."
        gains = np.subtract(found["both terms"], found["best of all names"])
        why = f"the differences are {100 * gains[0]:+.1f} and {100 * gains[1]:+.1f} points; the right name "
        why += "itself is among all, and of the same encoder"
        yield Finding(claim, text, Verdict.of(min(gains) >= 0.05, in_part=min(gains) > 0, why=why), found)
        if claim is BETTER:
            yield from _rest(found, candidates, truth, len(every))


def _rest(
    found: dict[str, tuple[float, float]], candidates: list[list[str]], truth: _Truth, names: int
) -> Iterator[Finding]:
    mean = float(np.mean([len(own) for own in candidates]))
    fewer = names / mean
    text = f"{mean:.0f} of {names:,}, {fewer:,.0f} times fewer."
    yield Finding(FEWER, text, Verdict.of(fewer >= 100, why="it compares more"))
    both, item, near = (found[name] for name in ("both terms", "item alone", "retrieved texts alone"))
    best = [both[part] >= max(item[part], near[part]) for part in (0, 1)]
    text = f"Cosine {both[0]:.3f}, {item[0]:.3f}, {near[0]:.3f}; ancestors {both[1]:.3f}, {item[1]:.3f}, {near[1]:.3f} "
    alone = "item alone" if item[0] >= near[0] else "retrieved texts alone"
    why = f"the {alone} does better, by {100 * max(item[0] - both[0], near[0] - both[0]):.1f} points of cosine"
    text += "(both, item alone, retrieved texts alone)."
    yield Finding(TERMS, text, Verdict.of(all(best), in_part=any(best), why=why))
    share = float(np.mean([truth.holds(number, own) for number, own in enumerate(candidates)]))
    yield Finding(HOLD, f"{share:.0%} of {len(candidates)}.", Verdict.of(share >= 0.6, why="they hold it less often"))
    gains = np.subtract(both, found["nearest text"])
    why = "the word that the nearest gloss defines shares more ancestors" if gains[1] <= 0 else "its cosine is smaller"
    text = f"The differences are {100 * gains[0]:+.1f} points of cosine and {100 * gains[1]:+.1f} of ancestors."
    yield Finding(NEAREST, text, Verdict.of(min(gains) > 0, in_part=max(gains) > 0, why=why))


class _Named:
    """An encoder of names that asks for each once."""

    def __init__(self, encode: Encode):
        self._encode = encode

    def encode(self, items: list[str], *, progress: bool | None = None) -> np.ndarray:
        return self._encode(items)


class _Truth:
    """How near a name is to what is to be named, by meaning and by WordNet's hierarchy."""

    def __init__(self, nouns: Sequence[Synset], held: np.ndarray):
        self._held, self._above = held, cache(self._find_above)
        self._nouns, self.first = nouns, [nouns[row].words[0] for row in held]
        self.rows: dict[str, list[int]] = {}
        for row, own in enumerate(nouns):
            for word in own.words:
                self.rows.setdefault(word, []).append(row)

    def _find_above(self, row: int) -> frozenset[int]:
        relations = self._nouns[row].relations
        parents = [*relations.get("@", ()), *relations.get("@i", ())]
        return frozenset({row}).union(*(self._above(parent) for parent in parents))

    def holds(self, number: int, names: list[str]) -> bool:
        """Whether one of the names is a synonym of the truth or lies above it."""
        return any(row in self._above(self._held[number]) for name in names for row in self.rows[name])

    def score(self, names: list[str], encode: Encode, called: np.ndarray) -> tuple[float, float]:
        """Mean cosine to the true names; mean intersection over union of the ancestors, of a name's best meaning."""
        shared = []
        for number, name in enumerate(names):
            own = self._above(self._held[number])
            meanings = [self._above(row) for row in self.rows.get(name, ())]
            shared.append(max((len(own & other) / len(own | other) for other in meanings), default=0.0))
        known = [number for number, name in enumerate(names) if name is not None]
        cosines = (encode([names[number] for number in known]) * called[known]).sum(axis=1)
        return float(cosines.sum() / len(names)), float(np.mean(shared))


def _nearest(items: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.asarray((items @ vectors.T).argmax(axis=1))
