"""Hard debiasing of word vectors: what the gender direction holds, what is left of it, and what else changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import spearmanr

from ..datasets import WordLists, load
from ..transform import HardDebias
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "hard_debias",
    "Man is to Computer Programmer as Woman is to Homemaker? Debiasing Word Embeddings",
    "nearfield.transform.HardDebias on GloVe 6B, 50 dimensions, with the paper's lists; nearfield.survey.association.",
)
SHARE = Claim("One direction holds 40% of the differences within ten gender pairs, far more than within random pairs.")
ZERO = Claim("After debiasing the direct bias of neutral words is 0 within 1e-6.")
TERMS = Claim("The difference in association of male and female terms with career and family falls by at least 70%.")
SCIENCE = Claim("Mathematics and science no longer lean to male terms, nor the arts to female ones (WEAT 7 and 8).")
EQUAL = Claim("Equalized pairs are equally far from neutral words, within 1e-6.")
KEPT = Claim("Analogies solved and agreement with human likeness scores change by less than one point.")
CLAIMS = (SHARE, ZERO, TERMS, SCIENCE, EQUAL, KEPT)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    from ..survey import association

    lists, glove = load("word_lists"), load("glove")
    count = setting.pick(100_000, 20_000)
    before = material.unit(glove.vectors[:count])
    row = {word: number for number, word in enumerate(glove.words[:count])}
    pairs = [(row[a], row[b]) for a, b in lists.definitional if a in row and b in row]
    model = HardDebias().fit(before[np.ravel(pairs)], np.repeat(np.arange(len(pairs)), 2))
    share = float(model.explained_variance_ratio_[0])
    rng = np.random.default_rng(setting.random_state)
    other = [
        HardDebias().fit(before[rng.integers(0, count, 20)], np.repeat(np.arange(10), 2)).explained_variance_ratio_[0]
        for _ in range(100)
    ]
    text = (
        f"{share:.1%}; the first direction of ten random pairs {np.mean(other):.1%}, at most {max(other):.1%} in 100."
    )
    yield Finding(SHARE, text, Verdict.of(share >= 0.4 and share > max(other), why="it holds less"))

    couples = [(a, b) for a, b in (*lists.equalize, *lists.definitional) if a in row and b in row and a != b]
    equal = sorted({tuple(sorted((row[a], row[b]))) for a, b in couples})
    about = {*lists.specific, *(word for pair in (*lists.equalize, *lists.definitional) for word in pair)}
    specific = sorted(row[word] for word in about if word in row)
    after = model.debias(before, specific=specific, equalize=equal)
    neutral = np.setdiff1d(np.arange(count), specific)
    direct = [float(np.abs(words[neutral] @ model.components_[0]).mean()) for words in (before, after)]
    worst = float(np.abs(after[neutral] @ model.components_[0]).max())
    text = f"{direct[0]:.3f} before, {direct[1]:.1e} after, at most {worst:.1e} ({len(neutral):,} neutral words)."
    yield Finding(ZERO, text, Verdict.of(worst <= 1e-6, why="some of it is left"))

    def tested(words: np.ndarray, *groups: list[str]) -> tuple[float, float, float]:
        parts = [words[[row[word] for word in group if word in row]] for group in groups]
        found = association(*parts)
        return found.parts["statistic"], found.value, found.parts["p_value"]

    names, mathematics, science = (lists.associations[number] for number in (5, 6, 7))
    terms = mathematics.attributes[1], mathematics.other_attributes[1]
    career = names.attributes[1], names.other_attributes[1]
    old, new = (tested(words, *terms, *career) for words in (before, after))
    people = [tested(words, names.targets[1], names.other_targets[1], *career) for words in (before, after)]
    text = (
        f"{old[0]:.4f} becomes {new[0]:.4f} (effect {old[1]:.2f} to {new[1]:.2f}, p {old[2]:.2g} to "
        f"{new[2]:.2g}). Of first "
    )
    text += f"names, which no list calls gender-specific or equalizes, {people[0][0]:.3f} becomes {people[1][0]:.3f}."
    fell = abs(new[0]) <= 0.3 * abs(old[0])
    yield Finding(TERMS, text, Verdict.of(fell, why=f"it falls by {1 - abs(new[0] / old[0]):.0%}"))

    lines, clear = [], []
    for name, test in (("mathematics", mathematics), ("science", science)):
        groups = (test.targets[1], test.other_targets[1], test.attributes[1], test.other_attributes[1])
        first, last = tested(before, *groups), tested(after, *groups)
        lines.append(
            f"{name}: {first[0]:.3f} (effect {first[1]:.2f}, p {first[2]:.2g}) becomes {last[0]:.3f} ({last[1]:.2f}, "
            f"p {last[2]:.2g})"
        )
        clear.append(0.025 <= last[2] <= 0.975)
    why = "mathematics and the arts still differ, now the other way round and by less"
    yield Finding(SCIENCE, "; ".join(lines) + ".", Verdict.of(all(clear), in_part=any(clear), why=why))

    distances = [np.abs((after[a] - after[b]) @ after[neutral].T).max() for a, b in equal]
    text = f"The largest difference of two cosines is {max(distances):.1e}, over {len(equal)} pairs."
    yield Finding(EQUAL, text, Verdict.of(max(distances) <= 1e-6, why="float32 keeps no more"))
    yield _kept(lists, row, before, after, setting)


def _kept(lists: WordLists, row: dict[str, int], before: np.ndarray, after: np.ndarray, setting: Setting) -> Finding:
    from ..survey import analogy

    every = (question for part in lists.analogies.values() for question in part)
    asked = [[row[word] for word in question] for question in every if all(word in row for word in question)]
    solved = [analogy(words, asked, sample=setting.pick(None, 300)).value for words in (before, after)]
    moved = {"analogies": solved[1] - solved[0]}
    text = f"Analogies solved: {solved[0]:.2%} before, {solved[1]:.2%} after ({len(asked):,} questions). Likeness: "
    shown = []
    for name, triples in lists.likeness.items():
        known = [(row[a], row[b], score) for a, b, score in triples if a in row and b in row]
        first, second, human = (np.array(column) for column in zip(*known, strict=True))
        old, new = (spearmanr((words[first] * words[second]).sum(axis=1), human)[0] for words in (before, after))
        moved[name] = float(new - old)
        shown.append(f"{name} {old:.3f}, {new:.3f}")
    lost = min(moved.values())
    text += "; ".join(shown) + "."
    verdict = Verdict.of(max(map(abs, moved.values())) < 0.01, in_part=lost > -0.01, why="some change by more, upward")
    return Finding(KEPT, text, verdict if lost > -0.01 else Verdict.of(False, why=f"one falls by {-lost:.1%}"), moved)
