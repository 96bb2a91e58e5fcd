"""A query-dependent map from cosine to relevance: precision at equal recall, calibration, and answers left empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from ..datasets.answers import Answers, load_answers
from ..decide import Judge, QueryCalibrator, conformal_cut
from ..index import Flat
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import calibration_error, precision_at_recall

PAPER = Paper(
    "cosine_adapter",
    "Relevance Filtering for Embedding-based Retrieval",
    "nearfield.decide.QueryCalibrator: a linear map with a ridge from the query's vector and its nearest distances to "
    "the parameters of a monotone function, fitted to labelled hits.",
)
VECTOR = Claim(
    "From the query's vector alone, as in the paper: where 95% of the relevant hits among the 50 nearest are kept, "
    "precision is at least 10% above that of the best single cosine."
)
BOTH = Claim("The same from the query's vector and its nearest distances.")
CURVE = Claim("The area under the pooled precision-recall curve is larger than that of the cosine.")
ERROR = Claim(
    "The expected calibration error is lower than that of one logistic function of the cosine for all queries."
)
ORDER = Claim("The order within a query does not change.")
EMPTY = Claim("Of CLINC150's out-of-scope queries at least 70% get nothing where 5% of those in scope get nothing.")
BOUND = Claim("A conformal cut for 5% false answers, from out-of-scope queries set aside, keeps the rate on others.")
CLAIMS = (VECTOR, BOTH, CURVE, ERROR, ORDER, EMPTY, BOUND)
K = 50
SETS = ("scifact", "cranfield", "clinc150")


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    encoder = material.minilm(max_tokens=256)
    sets = [
        load_answers(name, lambda texts: encoder.encode(texts, progress=False), quick=setting.quick) for name in SETS
    ]
    found = {answers.name: _fitted(answers) for answers in sets}
    precision = {
        name: {rule: precision_at_recall(score, one["labels"], 0.95) for rule, score in one["scores"].items()}
        for name, one in found.items()
    }
    for claim, rule in ((VECTOR, "vector"), (BOTH, "both")):
        gains = {name: rules[rule] / rules["cosine"] - 1 for name, rules in precision.items()}
        shown = ", ".join(
            f"{name} {precision[name]['cosine']:.3f} to {precision[name][rule]:.3f} ({gain:+.0%})"
            for name, gain in gains.items()
        )
        high = [gain >= 0.1 for gain in gains.values()]
        why = "the gain is below 10% on " + ", ".join(name for name, gain in gains.items() if gain < 0.1)
        yield Finding(claim, f"{shown}.", Verdict.of(all(high), in_part=any(high), why=why), precision)

    areas = {
        name: {
            rule: float(average_precision_score(one["labels"].ravel(), score.ravel()))
            for rule, score in one["scores"].items()
        }
        for name, one in found.items()
    }
    shown = "; ".join(
        f"{name} cosine {one['cosine']:.3f}, vector alone {one['vector']:.3f}, both {one['both']:.3f}"
        for name, one in areas.items()
    )
    more = [one["both"] > one["cosine"] for one in areas.values()]
    yield Finding(CURVE, f"{shown}.", Verdict.of(all(more), in_part=any(more), why="not on all sets"), areas)

    errors = {
        name: {
            rule: calibration_error(one["scores"][rule], one["labels"]) for rule in ("one for all", "vector", "both")
        }
        for name, one in found.items()
    }
    shown = "; ".join(
        f"{name} one function {one['one for all']:.4f}, vector alone {one['vector']:.4f}, both {one['both']:.4f}"
        for name, one in errors.items()
    )
    less = [one["both"] < one["one for all"] for one in errors.values()]
    yield Finding(ERROR, f"{shown}.", Verdict.of(all(less), in_part=any(less), why="not on all sets"), errors)

    rises = sum(
        int((np.diff(one["scores"][rule], axis=1) > 0).sum()) for one in found.values() for rule in ("vector", "both")
    )
    text = f"{rises} of {sum(one['labels'].size for one in found.values()):,} hits stand above one that is nearer."
    yield Finding(ORDER, text, Verdict.of(rises == 0, why="some do"))

    talk = found["clinc150"]
    shares = {
        rule: float((talk["outside"][rule][:, 0] < np.quantile(score[:, 0], 0.05)).mean())
        for rule, score in talk["scores"].items()
    }
    shares["judge, no labels"] = _judged(sets[-1])
    text = f"Both {shares['both']:.1%}, vector alone {shares['vector']:.1%}, cosine {shares['cosine']:.1%}; the judge, "
    text += f"which is shown no label, {shares['judge, no labels']:.1%}."
    yield Finding(EMPTY, text, Verdict.of(shares["both"] >= 0.7, why="fewer get nothing"), shares)

    rates = []
    outside = talk["outside"]["both"][:, 0]
    for seed in range(200):
        order = np.random.default_rng(seed).permutation(len(outside))
        half = len(outside) // 2
        rates.append(float(conformal_cut(outside[order[:half]], max_false=0.05).keep(outside[order[half:]]).mean()))
    text = f"{np.mean(rates):.2%} on average over 200 draws of {half:,} queries to set aside, 5th to 95th percentile "
    text += f"{np.quantile(rates, 0.05):.1%} to {np.quantile(rates, 0.95):.1%}."
    off = 3 * float(np.std(rates)) / np.sqrt(len(rates))
    yield Finding(BOUND, text, Verdict.of(np.mean(rates) <= 0.05 + off, why="more are answered"), {"rates": rates})


def _fitted(answers: Answers) -> dict[str, Any]:
    """Scores of the test queries' hits by every rule, and their labels."""
    index, train = Flat("cosine").build(answers.store), answers.train
    k = min(K, len(answers.store))
    seen = np.concatenate([train.vectors, answers.outside_train])
    near, rows = index.search(seen, k)
    labels = np.zeros(rows.shape, bool)
    labels[: len(train)] = train.labels(rows[: len(train)])
    rules = {
        "vector": QueryCalibrator(context=False).fit(near, labels, queries=seen),
        "both": QueryCalibrator().fit(near, labels, queries=seen),
        "one for all": QueryCalibrator(form="shift", context=False).fit(near, labels),
    }

    def scores(queries: np.ndarray) -> dict[str, np.ndarray]:
        distances = index.search(queries, k).distances
        made = {name: rule.relevance(distances, queries=queries) for name, rule in rules.items()}
        return {"cosine": -distances, **made}

    test = answers.test
    found: dict[str, Any] = {"scores": scores(test.vectors), "labels": test.labels(index.search(test.vectors, k).rows)}
    if len(answers.outside_test):
        found["outside"] = scores(answers.outside_test)
    return found


def _judged(answers: Answers) -> float:
    """Share of queries without an answer that get nothing from the judge where 5% of the others do."""
    index = Flat("cosine").build(answers.store)
    rng, n, judge = np.random.default_rng(0), len(answers.store), Judge()
    asked, others = rng.permutation(n)[:2_000], rng.permutation(n)[:512]
    near, rows = index.search(answers.store, judge.k + 2)
    near, rows = near[:, 1:], rows[:, 1:]  # the first is the item itself, or a copy of it
    scale = near[:, 4]
    background = 1 - answers.store[asked] @ answers.store[others].T
    background[asked[:, None] == others] = np.nan
    judge.fit(near[asked], background, n_items=n, neighbor_scales=scale[rows[asked]], background_scales=scale[others])

    def first(queries: np.ndarray) -> np.ndarray:
        distances, found = index.search(queries, judge.k)
        return judge.relevance(distances, scale[found])[:, 0]

    inside, outside = first(answers.test.vectors), first(answers.outside_test)
    return float((outside < np.quantile(inside, 0.05)).mean())
