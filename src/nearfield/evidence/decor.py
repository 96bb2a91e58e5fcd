"""Unwanted words in a query: projecting out their span against subtracting their mean."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..common.ndcg import discounts
from ..datasets import load
from ..transform import Subspace
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact

PAPER = Paper(
    "decor",
    "DECOR:Decomposition and Projection of Text Embeddings for Text-to-Image Customization",
    "nearfield.transform.Subspace over the span of unwanted examples, on MiniLM vectors of requests (CLINC150).",
)
FEWER = Claim("Projecting out the unwanted span lowers unwanted items among the twenty nearest by at least 70%.")
BETTER = Claim("It raises nDCG@20 of the wanted topic.")
PARETO = Claim("Over strengths it is nowhere worse than subtracting the mean: more wanted at as few unwanted.")
DIAL = Claim("The strength is a dial: unwanted items fall with every step.")
EXACT = Claim("At strength 1 the inner product with the unwanted span is under 1e-6.")
CLAIMS = (FEWER, BETTER, PARETO, DIAL, EXACT)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
WIDTHS = (1, 2, 4, 8)
_EXAMPLES, _ITEMS = 15, 60


class World:
    """Requests of some intents as items; queries that mix a wanted and an unwanted one; examples of each intent."""

    def __init__(self, setting: Setting):
        clinc, encoder = load("clinc150"), material.minilm()
        rng = np.random.default_rng(setting.random_state)
        intents = rng.permutation(sorted(set(clinc.train.intents)))[: setting.pick(40, 8)]
        train = {
            name: [t for t, i in zip(clinc.train.texts, clinc.train.intents, strict=True) if i == name]
            for name in intents
        }
        test = {
            name: [t for t, i in zip(clinc.test.texts, clinc.test.intents, strict=True) if i == name]
            for name in intents
        }
        texts = [text for name in intents for text in train[name][: _ITEMS + _EXAMPLES]]
        every = material.unit(encoder.encode(texts, progress=False)).reshape(len(intents), _ITEMS + _EXAMPLES, -1)
        self.examples = every[:, _ITEMS:]
        self.items = np.ascontiguousarray(every[:, :_ITEMS].reshape(-1, every.shape[2]))
        self.intent = np.repeat(np.arange(len(intents)), _ITEMS)
        count = setting.pick(400, 20)
        self.wanted = rng.integers(0, len(intents), count)
        self.unwanted = (self.wanted + rng.integers(1, len(intents), count)) % len(intents)
        mixed = []
        for pair in zip(self.wanted, self.unwanted, strict=True):
            parts = [str(rng.choice(test[intents[number]])) for number in pair]
            mixed.append(", ".join(parts if rng.random() < 0.5 else parts[::-1]))
        self.queries = material.unit(encoder.encode(mixed, progress=False))

    def judged(self, queries: np.ndarray, some: slice) -> tuple[float, float]:
        """Share of unwanted items among the twenty nearest, and nDCG@20 of the wanted."""
        found = self.intent[exact(self.items, material.unit(queries), 20).rows]
        discount = discounts(20)
        wanted = (found == self.wanted[some, None]) @ discount / discount.sum()
        return float((found == self.unwanted[some, None]).mean()), float(wanted.mean())

    def projected(self, some: slice, width: int, strength: float) -> np.ndarray:
        """Some queries without the leading directions of their unwanted examples."""
        made = []
        for query, unwanted in zip(self.queries[some], self.unwanted[some], strict=True):
            span = Subspace(width).fit(self.examples[unwanted]).components_
            made.append(Subspace(span, strength=strength).fit(query[None]).transform(query[None])[0])
        return np.array(made)

    def subtracted(self, some: slice, strength: float) -> np.ndarray:
        """Some queries less ``strength`` times the mean of their unwanted examples."""
        return self.queries[some] - strength * self.examples.mean(axis=1)[self.unwanted[some]]


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another; the width is chosen on the first quarter of the queries."""
    world = World(setting)
    quarter = len(world.queries) // 4
    chosen, rest = slice(0, quarter), slice(quarter, None)
    width = max(WIDTHS, key=lambda width: world.judged(world.projected(chosen, width, 1.0), chosen)[1])
    curve = {strength: world.judged(world.projected(rest, width, strength), rest) for strength in STRENGTHS}
    # Twice as fine and as far: the mean's best strength is not known beforehand.
    means = {strength: world.judged(world.subtracted(rest, strength), rest) for strength in np.arange(0, 2.01, 0.125)}
    (unwanted, before), (left, after) = curve[0.0], curve[1.0]
    fall = 1 - left / unwanted
    text = (
        f"{unwanted:.1%} of the twenty nearest are unwanted before, {left:.1%} after (-{fall:.0%}); {width} "
        f"directions of "
    )
    text += f"{_EXAMPLES} examples, chosen on other queries."
    yield Finding(FEWER, text, Verdict.of(fall >= 0.7, in_part=fall >= 0.5, why=f"they fall by {fall:.0%}"))
    best = max(value for _, value in means.values())
    text = f"{before:.3f} before, {after:.3f} after; the mean subtracted at its best strength {best:.3f}."
    yield Finding(BETTER, text, Verdict.of(after > before, why="it falls"))

    worse, lines = [], []
    for share in sorted({value for value, _ in curve.values()})[:-1]:
        own, rival = (max((v for u, v in tried.values() if u <= share), default=0.0) for tried in (curve, means))
        lines.append(f"{share:.1%} unwanted: {own:.3f} against {rival:.3f}")
        worse.append(own < rival)
    text = "Best nDCG@20 with at most so many unwanted items, projection against mean: " + "; ".join(lines) + "."
    numbers = {"projection": {str(s): v for s, v in curve.items()}, "mean": {str(s): v for s, v in means.items()}}
    why = f"the mean is better at {sum(worse)} of {len(worse)} points"
    yield Finding(PARETO, text, Verdict.of(not any(worse), in_part=not all(worse), why=why), numbers)

    shares = [curve[strength][0] for strength in STRENGTHS]
    text = "Strengths 0 to 1 in quarters: " + ", ".join(f"{share:.1%}" for share in shares) + "."
    falling = all(b <= a for a, b in itertools.pairwise(shares))
    yield Finding(DIAL, text, Verdict.of(falling, why="they do not fall at every step"))
    query = world.queries[:1].astype(np.float64)
    span = Subspace(width).fit(world.examples[world.unwanted[0]]).components_
    worst = float(np.abs(Subspace(span).fit(query).transform(query) @ span.T).max())
    single = float(np.abs(world.projected(slice(0, 1), width, 1.0) @ span.T).max())
    text = f"At most {worst:.1e} in float64 and {single:.1e} in float32."
    yield Finding(EXACT, text, Verdict.of(max(worst, single) <= 1e-6, why="more is left"))
