"""Words linked to one of their senses by matches on several levels, against the cosine of two vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..datasets import load
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .sense_trial import EVERY, SenseTrial, text_vectors
from .senses import around, load_senses, neighbour_means, spectral_vectors

PAPER = Paper(
    "m3el",
    "Multi-level Matching Network for Multimodal Entity Linking",
    "nearfield.decide.EntityLinker with its defaults on frozen MiniLM: the tokens of a sentence and of 'words: "
    "definition'; the second view of a sense is the mean of the glosses around it in WordNet's graph, that of a "
    "sentence its own vector. Nothing is trained but eight weights and the map between the views.",
)
BETTER = Claim("All levels together link 3 points more words to the right sense than the cosine of text vectors.")
LEVELS = Claim("Leaving out a level costs at least half a point, whichever it is.")
MISSING = Claim("Without the second view it links no worse than text alone.")
FEW = Claim("Fifty linked words are enough to be better than the cosine.")
SPECTRAL = Claim("Spectral vectors of the hypernym graph as the second view gain 3 points as well.")
REJECT = Claim("Of words whose sense is among the candidates at most 5% are rejected, if so asked.")
CLAIMS = (BETTER, LEVELS, MISSING, FEW, SPECTRAL, REJECT)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    senses = load_senses(setting.pick(1_500, 30), setting.random_state)
    words = load("wordnet")
    encoder = material.minilm()
    mentions, definitions, entities = (
        encoder.encode_tokens(texts, progress=False)
        for texts in (
            senses.sentences,
            [senses.synsets[row].definition for row in senses.rows],
            [f"{', '.join(senses.synsets[row].words)}: {senses.synsets[row].definition}" for row in senses.rows],
        )
    )
    trial = SenseTrial(senses, mentions, entities, neighbour_means(senses, words.vectors), text_vectors(mentions))
    plain = {
        "words and definition": trial.right(("global",)),
        "definition": SenseTrial(senses, mentions, definitions).right(("global",)),
    }
    best = max(plain, key=lambda name: plain[name])
    fused, text = trial.right(EVERY), trial.right(EVERY[:3])
    gain = fused - plain[best]
    told = f"Hits@1 {fused:.1%} against {plain[best]:.1%} by cosine to {best} ({len(senses.truth):,} words of "
    told += f"{np.mean([len(own) for own in senses.candidates]):.1f} senses on average; chance "
    told += f"{np.mean([1 / len(own) for own in senses.candidates]):.1%}; three folds). Text levels alone {text:.1%}."
    why = f"the difference is {100 * gain:+.1f} points"
    numbers = {"cosine": plain, "fused": fused, "text levels": text, "shares": trial.shares()}
    yield Finding(BETTER, told, Verdict.of(gain >= 0.03, in_part=gain > 0, why=why), numbers)

    without = {level: trial.right([each for each in EVERY if each != level]) for level in EVERY}
    costs = {level: fused - right for level, right in without.items()}
    told = "Without it: " + ", ".join(
        f"{level} {right:.1%} ({-100 * costs[level]:+.1f})" for level, right in without.items()
    )
    small = [level for level, cost in costs.items() if cost < 0.005]
    why = f"{', '.join(small)} cost less: the other levels know what {'they' if len(small) > 1 else 'it'} would say"
    yield Finding(LEVELS, told + ".", Verdict.of(not small, in_part=len(small) < len(EVERY), why=why), costs)

    lost = trial.right(EVERY, mentions_second=False)
    bare = trial.right(EVERY, second=False)
    told = f"{lost:.1%} where the words lack it, {bare:.1%} where the senses do as well; text levels alone {text:.1%}, "
    told += f"cosine {plain[best]:.1%}."
    yield Finding(MISSING, told, Verdict.of(min(lost, bare) >= text, why="it does worse"), {"lost": lost, "bare": bare})

    few = {count: trial.right(EVERY, links=count) for count in (20, 50, 200)}
    told = "By number of linked words: " + ", ".join(f"{count} {own:.1%}" for count, own in few.items())
    told += f"; cosine {plain[best]:.1%}."
    numbers = {str(count): own for count, own in few.items()}
    yield Finding(FEW, told, Verdict.of(few[50] > plain[best], why="they are not"), numbers)

    rejected, caught = trial.rejected()
    told = f"{rejected:.1%} rejected with, {caught:.1%} without the right sense among the candidates."
    yield Finding(REJECT, told, Verdict.of(rejected <= 0.065, why="more are"))  # two standard errors of 1,500

    graph = spectral_vectors(senses.synsets, setting.pick(128, 8))
    other = SenseTrial(senses, mentions, entities, list(graph[senses.rows]), around(senses, graph))
    right = other.right(EVERY)
    alone = other.right(("second",))
    gain = right - plain[best]
    told = f"{right:.1%} against {plain[best]:.1%}; that view alone, of the other words of the sentence, {alone:.1%}."
    why = f"the difference is {100 * gain:+.1f} points"
    yield Finding(SPECTRAL, told, Verdict.of(gain >= 0.03, in_part=gain > 0, why=why), {"fused": right, "alone": alone})
