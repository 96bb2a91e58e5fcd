"""Where to cut a list of hits: the rules beside each other, at equal recall.

Every rule gives each of a query's 50 nearest a number that may be cut at: the distance, the rank, the number of leaps
before it (autocut), the judge's relevance, the calibrator's. The cut is put where a given share of the relevant hits is
kept, for every rule with the same hindsight, and the precision of what is kept is compared. Intervals are over queries
(bootstrap, paired: all rules see the same queries). CLINC150 has queries without an answer as well: the share of them
that gets nothing where one in twenty of the answerable gets nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.answers import NAMES, Answers, load_answers
from . import machine

K = 50
RECALLS = (0.95, 0.9, 0.8)
EMPTY = 0.05
_DRAWS = 500


def scores_of(answers: Answers, queries: np.ndarray) -> dict[str, np.ndarray]:
    """Rule -> a number for each hit of each query (q, K), larger is kept longer; ``"distances"`` and ``"rows"`` too."""
    from ..decide import QueryCalibrator, cut_at_jump
    from ..index import Flat
    from ..store import Store

    train = answers.train
    index = Flat("cosine").build(answers.store)
    k = min(K, len(answers.store))
    seen = np.concatenate([train.vectors, answers.outside_train])
    near, rows = index.search(seen, k)
    labels = np.zeros(rows.shape, bool)
    labels[: len(train)] = train.labels(rows[: len(train)])
    distances, found = index.search(queries, k)
    jumps = np.zeros(distances.shape)
    for count in range(1, 30):
        jumps += ~cut_at_jump(distances, count)
    scores = {"distances": distances, "rows": found}
    ranks = np.arange(k, dtype=np.float64)
    scores |= {"fixed cosine": -distances.astype(np.float64), "top k": -np.tile(ranks, (len(queries), 1))}
    scores["autocut"] = -jumps
    given: dict[str, dict[str, Any]] = {
        "calibrator, query vector alone": {"context": False},
        "calibrator, neighbourhood": {},
        "calibrator, both": {},
        "calibrator, both, power": {"form": "power"},
    }
    for name, options in given.items():
        vectors = None if name == "calibrator, neighbourhood" else seen
        fitted = QueryCalibrator(**options).fit(near, labels, queries=vectors)
        scores[name] = fitted.relevance(distances, queries=queries).astype(np.float64)
    dim = answers.store.shape[1]
    with tempfile.TemporaryDirectory() as folder, Store.create(Path(folder) / "a.nf", dim=dim) as store:
        store.add(np.arange(len(answers.store)), answers.store)
        for name, learnt in (("judge", None), ("judge, labels", seen)):
            truth = None if learnt is None else np.arange(len(seen)) < len(train)
            store.fit_judge(learnt, truth)
            scores[name] = np.asarray(store.search(queries, k).relevance, np.float64)
    return scores


def precision_at(
    score: np.ndarray, labels: np.ndarray, draws: np.ndarray, recalls: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and mean number of hits, each (draws, recalls), where a share of the relevant hits is kept.

    ``draws`` (m, q) say how often each query counts. Hits of equal score are kept or cut together.
    """
    order = np.argsort(-score, axis=None, kind="stable")
    flat, right, query = score.reshape(-1)[order], labels.reshape(-1)[order], order // score.shape[1]
    ends = np.flatnonzero(np.append(flat[1:] < flat[:-1], True))
    precision, hits = np.empty((len(draws), len(recalls))), np.empty((len(draws), len(recalls)))
    for place, weights in enumerate(draws):
        each = weights[query]
        kept, good = np.cumsum(each)[ends], np.cumsum(each * right)[ends]
        at = np.searchsorted(good, np.asarray(recalls) * good[-1] - 1e-9)
        precision[place], hits[place] = good[at] / kept[at], kept[at] / weights.sum()
    return precision, hits


def empty_at(inside: np.ndarray, outside: np.ndarray) -> float:
    """Share of ``outside`` below the score that leaves :data:`EMPTY` of ``inside`` below it."""
    return float((outside < np.quantile(inside, EMPTY)).mean())


def measure(answers: Answers) -> dict[str, Any]:
    """The figures of one set: for each rule, precision at each recall with its gain over the fixed cosine."""
    rng = np.random.default_rng(0)
    test = answers.test
    scores = scores_of(answers, np.concatenate([test.vectors, answers.outside_test]))
    rows = scores.pop("rows")[: len(test)]
    scores.pop("distances")
    labels = test.labels(rows)
    draws = rng.multinomial(len(test), np.full(len(test), 1 / len(test)), size=_DRAWS).astype(np.float64)
    draws = np.concatenate([np.ones((1, len(test))), draws])  # the first is what was measured
    result: dict[str, Any] = {
        "items": len(answers.store),
        "train": len(answers.train),
        "test": len(test),
        "outside": len(answers.outside_test),
        "relevant": float(labels.mean()),
        "rules": {},
    }
    base, _ = precision_at(scores["fixed cosine"][: len(test)], labels, draws, RECALLS)
    for name, score in scores.items():
        precision, hits = precision_at(score[: len(test)], labels, draws, RECALLS)
        gain = precision / base - 1
        one: dict[str, Any] = {
            str(recall): {
                "precision": float(precision[0, at]),
                "interval": np.quantile(precision[1:, at], [0.025, 0.975]).tolist(),
                "hits": float(hits[0, at]),
                "gain": float(gain[0, at]),
                "gain_interval": np.quantile(gain[1:, at], [0.025, 0.975]).tolist(),
            }
            for at, recall in enumerate(RECALLS)
        }
        if len(answers.outside_test):
            best, others = score[: len(test), 0], score[len(test) :, 0]
            again = np.array(
                [empty_at(rng.choice(best, len(best)), rng.choice(others, len(others))) for _ in range(_DRAWS)]
            )
            one["empty"] = empty_at(best, others)
            one["empty_interval"] = np.quantile(again, [0.025, 0.975]).tolist()
        result["rules"][name] = one
    return result


def markdown(result: Mapping[str, Any]) -> str:
    """The tables of ``cutoff.md``."""
    where = result["machine"]
    lines = ["# Where to cut a list of hits", "", f"{where['cpu']['model']}, {where['date']}; MiniLM vectors."]
    lines += [
        "",
        f"Precision of what is kept of the {K} nearest where a share of their relevant hits is kept, the same for",
        "every rule; 95% intervals over queries, and the gain over a fixed cosine with its paired interval. *Empty*:",
        "queries without an answer that get nothing where one in twenty of the others gets nothing.",
        "",
    ]
    for name, found in result["sets"].items():
        head = f"{found['items']:,} items; fitted to {found['train']:,} labelled queries, measured on {found['test']:,}"
        if found["outside"]:
            head += f" and {found['outside']:,} without an answer"
        lines += [f"## {name}", "", f"{head}; {found['relevant']:.1%} of all hits are relevant.", ""]
        recalls = " | ".join(f"at {float(recall):.0%} | gain" for recall in map(str, RECALLS))
        extra = " | empty" if found["outside"] else ""
        lines += [
            f"| rule | {recalls}{extra} |",
            "| --- |" + " --- | --- |" * len(RECALLS) + (" --- |" if extra else ""),
        ]
        for rule, one in found["rules"].items():
            cells = [rule]
            for recall in map(str, RECALLS):
                at = one[recall]
                low, high = at["interval"]
                cells.append(f"{at['precision']:.3f} [{low:.3f}, {high:.3f}]")
                low, high = at["gain_interval"]
                cells.append("" if rule == "fixed cosine" else f"{at['gain']:+.0%} [{low:+.0%}, {high:+.0%}]")
            if extra:
                low, high = one["empty_interval"]
                cells.append(f"{one['empty']:.1%} [{low:.1%}, {high:.1%}]")
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def run_cutoff(out: Path, *, quick: bool = False) -> Path:
    """Measure, write ``cutoff.json`` and ``cutoff.md`` under ``out``, return the Markdown file."""
    from ..encode import OnnxText

    folder = Path(os.environ.get("NEARFIELD_MODELS") or "models") / "minilm"
    encoder = OnnxText(folder, max_tokens=256)
    result: dict[str, Any] = {"machine": machine.describe(), "sets": {}}
    for name in NAMES:
        result["sets"][name] = measure(
            load_answers(name, lambda texts: encoder.encode(texts, progress=None), quick=quick)
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "cutoff.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "cutoff.md").write_text(markdown(result))
    return out / "cutoff.md"
