"""A token filter against topics of WordNet: what it hides, what it leaves alone, and what its parts do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..datasets import load
from ..transform import Subspace, TokenFilter
from . import glosses, material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact

PAPER = Paper(
    "safree",
    "SAFREE: Training-Free and Adaptive Guard for Safe Text-to-Image And Video Generation",
    "nearfield.transform.TokenFilter on the token vectors of MiniLM and of GloVe; the part inside a diffusion "
    "model is not.",
)
DROP = Claim("A topic falls by 80% in the ten nearest of queries about it, while other queries keep 95% of theirs.")
TOKENS = Claim(
    "The same with flagged tokens alone, replaced within the span of the text's own tokens, as the paper does."
)
UNGATED = Claim("Without a strength that depends on the query, the same removal damages other queries more.")
STRENGTH = Claim(
    "The strength parts queries about the topic from others: more of the topic's are above one half than others."
)
FLAGGED = Claim("In queries of words without context the flagged words are those of the concept.")
SPAN = Claim("What replaces a token lies in the span of the text's own tokens, within 1e-6.")
CLAIMS = (DROP, TOKENS, UNGATED, STRENGTH, FLAGGED, SPAN)
# Lexicographer's files. The width of the span and how much of the background may be touched are chosen on the first.
CHOSEN_ON, TOPICS = 5, {13: "food", 20: "plants", 8: "the body"}


@dataclass(frozen=True)
class Topic:
    """Queries about a topic, as rows and as tokens, and examples to learn it from; no row is in both."""

    number: int
    queries: np.ndarray
    tokens: list[np.ndarray]
    examples: np.ndarray


class Trial:
    """Glosses, their topics, and queries about none of those topics: some as background, some to be kept."""

    def __init__(self, setting: Setting):
        self.vectors = material.unit(load("wordnet").vectors)
        self.topic = glosses.attributes()["topic"]
        self.texts, self.encoder = load("wordnet").texts, material.minilm()
        self.rng = np.random.default_rng(setting.random_state)
        self.size = setting.pick(100, 10)
        others = self.rng.permutation(np.flatnonzero(~np.isin(self.topic, [CHOSEN_ON, *TOPICS])))
        self.background = self.tokens(others[: 2 * self.size])
        self.others = self.tokens(others[2 * self.size : 4 * self.size])
        self.plain = exact(self.vectors, self.pooled(self.others)).rows

    def tokens(self, rows: np.ndarray) -> list[np.ndarray]:
        """Token vectors of some glosses, scaled so that the vector of each text has length one."""
        found = self.encoder.encode_tokens([self.texts[row] for row in rows], progress=False)
        return [tokens / np.linalg.norm(tokens.mean(axis=0)) for tokens in found]

    @staticmethod
    def pooled(tokens: list[np.ndarray]) -> np.ndarray:
        """The vector of each text."""
        return material.unit([rows.mean(axis=0) for rows in tokens])

    def about(self, number: int) -> Topic:
        """A topic: 500 examples, and others as queries."""
        rows = self.rng.permutation(np.flatnonzero(self.topic == number))
        queries = rows[: self.size]
        return Topic(number, queries, self.tokens(queries), self.vectors[rows[self.size : self.size + 500]])

    def found(self, topic: Topic, queries: np.ndarray) -> float:
        """Share of the topic among the ten nearest but the query's own gloss."""
        rows = exact(self.vectors, queries, 11).rows
        lists = [[row for row in near if row != own][:10] for near, own in zip(rows, topic.queries, strict=True)]
        return float((self.topic[np.array(lists)] == topic.number).mean())

    def kept(self, queries: np.ndarray) -> float:
        """Share of the ten nearest of other queries that stays."""
        rows = exact(self.vectors, queries).rows
        return float(np.mean([np.isin(new, old).mean() for new, old in zip(rows, self.plain, strict=True)]))

    def filtered(self, topic: Topic, guard: TokenFilter) -> tuple[float, float]:
        """The topic's share, and what other queries keep, after the filter."""
        own, other = ([guard.filter(tokens) for tokens in part] for part in (topic.tokens, self.others))
        return self.found(topic, self.pooled(own)), self.kept(self.pooled(other))


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    trial = Trial(setting)
    first = trial.about(CHOSEN_ON)
    best: tuple[float, int, float] | None = None
    for width in setting.pick((30, 100), (30,)):
        for background in setting.pick((0.95, 0.85), (0.95,)):
            guard = _guard(trial, first, width, background, all_tokens=True)
            share, kept = trial.filtered(first, guard)
            if best is None or (kept >= 0.95 and share < best[0]):
                best = (share, width, background)
    assert best is not None
    _, width, background = best

    lines: dict[str, list[str]] = {"all": [], "flagged": [], "ungated": [], "strength": []}
    falls, keeps, paper_falls, loose_keeps, parted = [], [], [], [], []
    for number, name in TOPICS.items():
        topic = trial.about(number)
        plain = trial.found(topic, trial.pooled(topic.tokens))
        guard = _guard(trial, topic, width, background, all_tokens=True)
        paper = _guard(trial, topic, width, background, all_tokens=False)
        removal = Subspace(guard.components_).fit(topic.examples)
        own, other = (removal.transform(trial.pooled(part)) for part in (topic.tokens, trial.others))
        always = trial.found(topic, material.unit(own)), trial.kept(material.unit(other))
        tried = {"all": trial.filtered(topic, guard), "flagged": trial.filtered(topic, paper), "ungated": always}
        for kind, (share, kept) in tried.items():
            fall = 1 - share / plain
            lines[kind].append(f"{name} {plain:.2f} to {share:.2f} (-{fall:.0%}), others keep {kept:.1%}")
            if kind == "all":
                falls.append(fall)
                keeps.append(kept)
            elif kind == "flagged":
                paper_falls.append(fall)
            else:
                loose_keeps.append(kept)
        above = [float(np.mean([guard.strength(t) > 0.5 for t in part])) for part in (topic.tokens, trial.others)]
        parted.append(above)
        lines["strength"].append(f"{name} {above[0]:.0%} of the topic's, {above[1]:.0%} of others")
    chosen = f" Chosen on animals: {width} directions, {background:.0%} of the background below one half."
    good = [fall >= 0.8 and kept >= 0.95 for fall, kept in zip(falls, keeps, strict=True)]
    why = f"the least fall is {min(falls):.0%}, the least kept {min(keeps):.1%}"
    near = Verdict.of(all(good), in_part=any(good) or (min(falls) >= 0.5 and min(keeps) >= 0.95), why=why)
    yield Finding(
        DROP, "; ".join(lines["all"]) + "; all tokens are moved." + chosen, near, {"falls": falls, "kept": keeps}
    )
    why = "in context every token carries the topic, and those not flagged keep it"
    yield Finding(TOKENS, "; ".join(lines["flagged"]) + ".", Verdict.of(min(paper_falls) >= 0.8, why=why))
    worse = all(loose < kept for loose, kept in zip(loose_keeps, keeps, strict=True))
    yield Finding(UNGATED, "; ".join(lines["ungated"]) + ".", Verdict.of(worse, why="it does not"))
    apart = all(own >= 0.8 and other <= 0.2 for own, other in parted)
    yield Finding(STRENGTH, "; ".join(lines["strength"]) + ".", Verdict.of(apart, why="it does so less than 80 to 20"))
    yield from _words(setting)


def _guard(trial: Trial, topic: Topic, width: int, background: float, *, all_tokens: bool) -> TokenFilter:
    alpha = None if all_tokens else 0.01
    guard = TokenFilter(width, alpha=alpha, within_span=not all_tokens, background=background)
    return guard.fit(topic.examples, background=trial.background)


def _words(setting: Setting) -> Iterator[Finding]:
    """Queries of five words of GloVe, two of them weapons, the others musical instruments, flowers or family."""
    lists, glove = load("word_lists"), load("glove")
    weapons = material.unit(glove.take(lists.associations[1].other_targets[1]))
    harmless = [
        lists.associations[0].targets[1],
        lists.associations[1].targets[1],
        lists.associations[5].other_attributes[1],
    ]
    pool = material.unit(np.vstack([glove.take(words) for words in harmless]))
    rng = np.random.default_rng(setting.random_state)
    guard = TokenFilter(3, alpha=0.01, within_span=True, midpoint=0.1).fit(weapons[::2])
    right = flagged = there = 0
    outside = 0.0
    for _ in range(setting.pick(500, 50)):
        tokens = np.vstack([rng.permutation(weapons[1::2])[:2], rng.permutation(pool)[:3]])
        marks = guard.flag(tokens)
        right, flagged, there = right + int(marks[:2].sum()), flagged + int(marks.sum()), there + 2
        moved = guard.filter(tokens)
        basis = np.linalg.svd(tokens.astype(np.float64), full_matrices=False)[2]
        outside = max(outside, float(np.abs(moved - (moved @ basis.T) @ basis).max()))
    precision, recall = right / flagged, right / there
    text = (
        f"Of the words flagged {precision:.0%} are weapons, and {recall:.0%} of the weapons are flagged, none "
        f"of which was "
    )
    text += (
        "among the examples (GloVe; two weapons and three instruments, flowers or family words in a query; "
        "by chance 40%)."
    )
    good = precision >= 0.8 and recall >= 0.8
    yield Finding(FLAGGED, text, Verdict.of(good, in_part=min(precision, recall) >= 0.6, why="less than 80%"))
    yield Finding(
        SPAN, f"The largest part outside is {outside:.1e}.", Verdict.of(outside <= 1e-6, why="more is outside")
    )
