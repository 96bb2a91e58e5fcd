"""What a move to another model gains with every item that is encoded, in a chosen order and at random.

Three tasks, from WordLlama (256 dimensions, a table of words) to all-MiniLM-L6-v2 (384, a transformer): SciFact by its
judgements (nDCG@10), WordNet's nouns by its hierarchy (nDCG@10), and glosses of WordNet by the new model's own ten
nearest. That recall is agreement and not quality: what only the old model finds counts as wrong, and so the new one is
right in everything by definition. The map is learnt from pairs that are given as arrays beside the store, so that a
share of encoded items is just what the order chose, and again whenever that is due; the rows called *all counted* begin
with a twentieth of the items as pairs instead. Sample queries are others than those that are scored: other glosses, of
nouns those of other families, and for SciFact training claims that share no abstract with a test claim, as its claims
come in variants. Two orders are measured on the way back as well, from MiniLM to WordLlama; of the nouns, which are
many, three on the way there, and judged questions both ways.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import judged_moves, machine, noun_families
from .data import exact_neighbors, unit

if TYPE_CHECKING:
    from ..store import Store

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
K = 10
PAIRS = 1000
STEP = 0.05
PARTS = ("orders", "back", "judged", "nouns", "mapped")
BACK = ("sample queries of both", "random, sample queries of both")
NOUNS = ("sample queries of both", "no sample queries", "random, sample queries of both")
_COUNTED = 0.05
_ASKING = 10_000


@dataclass(frozen=True)
class Task:
    """Items, queries and sample queries, each by both models; ``score`` judges the rows of an answer.

    ``each`` judges the answer to each query, and ``relevant`` are the rows that answer each sample query.
    """

    name: str
    measure: str
    old: np.ndarray
    new: np.ndarray
    old_queries: np.ndarray
    new_queries: np.ndarray
    old_samples: np.ndarray
    new_samples: np.ndarray
    score: Callable[[np.ndarray], float]
    each: Callable[[np.ndarray], np.ndarray] | None = None
    relevant: list[list[int]] | None = None

    def back(
        self,
        score: Callable[[np.ndarray], float],
        each: Callable[[np.ndarray], np.ndarray] | None = None,
        relevant: list[list[int]] | None = None,
    ) -> Task:
        """The same from the new model to the old one."""
        sides = (self.new, self.old, self.new_queries, self.old_queries, self.new_samples, self.old_samples)
        return Task(f"{self.name}, back", self.measure, *sides, score, each, relevant)


def scifact(rows: int | None = None) -> Task:
    """Abstracts and test claims; training claims about other abstracts are the sample queries."""
    from sklearn.metrics import ndcg_score

    from ..datasets import load
    from ..encode import OnnxText, WordLlama

    found = load("scifact")
    trained = load("scifact_train")
    samples, names = trained.queries, trained.query_ids
    place = {name: row for row, name in enumerate(found.document_ids)}
    judged = np.array(sorted({place[name] for grades in found.judgements.values() for name in grades}))
    chosen = np.arange(len(place))
    if rows is not None:
        rest = np.random.default_rng(0).permutation(np.setdiff1d(chosen, judged))
        answering = np.array(sorted({place[name] for query in names[:60] for name in trained.judgements[query]}))
        some = np.concatenate([judged, answering, np.setdiff1d(rest, answering)])[:rows]
        chosen, samples, names = np.sort(some), samples[:60], names[:60]
    grades = np.zeros((len(found.queries), len(place)))
    for query, name in enumerate(found.query_ids):
        for document, grade in found.judgements[name].items():
            grades[query, int(place[document])] = grade
    grades = grades[:, chosen]

    def score(answer: np.ndarray) -> float:
        shown = np.zeros(grades.shape)
        np.put_along_axis(shown, answer, np.broadcast_to(1.0 / np.arange(1, K + 1), answer.shape), axis=1)
        return float(ndcg_score(grades, shown, k=K))

    row_of = {int(row): number for number, row in enumerate(chosen)}
    answers = [
        sorted(
            row_of[place[name]]
            for name, grade in trained.judgements[query].items()
            if grade > 0 and place[name] in row_of
        )
        for query in names
    ]

    def each(answer: np.ndarray) -> np.ndarray:
        shown = np.zeros(grades.shape)
        np.put_along_axis(shown, answer, np.broadcast_to(1.0 / np.arange(1, K + 1), answer.shape), axis=1)
        lines = zip(grades[:, None], shown[:, None], strict=True)
        return np.array([ndcg_score(truth, found, k=K) for truth, found in lines])

    words = WordLlama()
    sentences = OnnxText(Path(os.environ.get("NEARFIELD_MODELS", "models")) / "minilm", max_tokens=256)
    return Task(
        "SciFact",
        "nDCG@10",
        unit(words.encode([found.documents[row] for row in chosen], progress=False)),
        unit(found.vectors[chosen]),
        unit(words.encode(found.queries, progress=False)),
        unit(found.query_vectors),
        unit(words.encode(samples, progress=False)),
        unit(sentences.encode(samples, progress=False)),
        score,
        each,
        answers,
    )


def wordnet(rows: int = 5_000, queries: int = 500) -> Task:
    """Glosses; others of them are the queries and the sample queries."""
    from ..datasets import load
    from ..encode import WordLlama

    found = load("wordnet")
    chosen = np.random.default_rng(0).permutation(len(found.vectors))[: rows + 2 * queries]
    old = unit(WordLlama().encode([found.texts[row] for row in chosen], progress=False))
    new = unit(found.vectors[chosen])
    asked, samples, items = np.split(np.arange(len(chosen)), (queries, 2 * queries))
    return Task(
        "WordNet",
        "recall of the new model's 10 nearest",
        old[items],
        new[items],
        old[asked],
        new[asked],
        old[samples],
        new[samples],
        recall(new[items], new[asked]),
        recalls(new[items], new[asked]),
        exact_neighbors("cosine", new[items], new[samples], K)[1].tolist(),
    )


def nouns(rows: int | None = None, questions: int = 500) -> Task:
    """WordNet's nouns; some of their glosses ask for their families, and of others the sample queries are made."""
    from ..datasets import load
    from ..encode import WordLlama

    found = load("wordnet")
    drawn = noun_families.draw(found.synsets, rows, questions)
    sides = (drawn.items, drawn.scored, drawn.samples)
    words = WordLlama()
    old, old_queries, old_samples = (
        unit(words.encode([found.texts[row] for row in side], progress=False)) for side in sides
    )
    new, new_queries, new_samples = (unit(found.vectors[side]) for side in sides)
    each = noun_families.gains(drawn.relevant)
    return Task(
        "WordNet's nouns",
        "nDCG@10",
        old,
        new,
        old_queries,
        new_queries,
        old_samples,
        new_samples,
        lambda answer: float(each(answer).mean()),
        each,
        [own.tolist() for own in drawn.known],
    )


def recall(items: np.ndarray, asked: np.ndarray) -> Callable[[np.ndarray], float]:
    """What judges an answer by the share of the nearest items it holds.

    Examples
    --------
    >>> items = np.eye(20, dtype=np.float32)
    >>> judge = recall(items, items[:1] + items[:10].sum(axis=0, keepdims=True))
    >>> judge(np.arange(5, 15)[None])
    0.5
    """
    each = recalls(items, asked)
    return lambda answer: float(each(answer).mean())


def recalls(items: np.ndarray, asked: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The same of each query.

    Examples
    --------
    >>> items = np.eye(20, dtype=np.float32)
    >>> judge = recalls(items, np.eye(20, dtype=np.float32)[:2] + items[:10].sum(axis=0, keepdims=True))
    >>> judge(np.array([np.arange(10), np.arange(5, 15)])).tolist()
    [1.0, 0.5]
    """
    nearest = exact_neighbors("cosine", items, asked, K)[1]
    return lambda answer: np.array([np.isin(row, best).mean() for row, best in zip(answer, nearest, strict=True)])


def glosses(rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """WordNet's glosses by both models, in random order."""
    from ..datasets import load
    from ..encode import WordLlama

    found = load("wordnet")
    chosen = np.random.default_rng(0).permutation(len(found.vectors))[:rows]
    words = WordLlama().encode([found.texts[row] for row in chosen], progress=False)
    return unit(words), unit(found.vectors[chosen])


def run_upgrade(out: Path, *, quick: bool = False, parts: Collection[str] | None = None) -> Path:
    """Measure the tasks, write ``upgrade.json`` and ``upgrade.md`` under ``out``, return the Markdown file.

    ``parts`` are some of :data:`PARTS`; of those that are not measured now, the figures that ``out`` holds stay.
    """
    unknown = sorted(set(parts or ()) - set(PARTS))
    if unknown:
        raise ValueError(f"parts: expected some of {', '.join(PARTS)}, got {unknown[0]!r}")
    pairs, step = (200, 0.1) if quick else (PAIRS, STEP)
    wanted = PARTS if parts is None else parts
    kept = out / "upgrade.json"
    out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    result |= {"pairs": pairs, "step": step}
    if "mapped" in wanted or "machine" not in result:  # the one part that is timed
        result["machine"] = machine.describe()

    def keep(part: str, found: dict[str, Any]) -> None:
        known = {task["name"]: task for task in result.get(part, [])}
        result[part] = list((known | {found["name"]: found}).values())
        kept.write_text(json.dumps(result, indent=1) + "\n")

    if set(wanted) - {"nouns", "mapped"}:
        claims, words = (scifact(600), wordnet(800, 100)) if quick else (scifact(), wordnet())
        asked = words.old, words.old_queries
        nearest = exact_neighbors("cosine", words.old, words.old_samples, K)[1].tolist()
        back = (
            claims.back(claims.score, claims.each, claims.relevant),
            words.back(recall(*asked), recalls(*asked), nearest),
        )
        for task in (claims, words) if "orders" in wanted else ():
            keep("tasks", measure(task, pairs=pairs, step=step))
        for task in back if "back" in wanted else ():
            keep("tasks", measure(task, pairs=pairs, step=step, names=BACK))
        for task in (claims, back[0], words, back[1]) if "judged" in wanted else ():
            keep("judged", judged_moves.measure(task, pairs=pairs, step=step, shares=SHARES))
    if "nouns" in wanted:
        families = nouns(3_000, 60) if quick else nouns()
        keep("tasks", measure(families, pairs=pairs, step=step, names=NOUNS))
        for task in (families, families.back(families.score, families.each, families.relevant)):
            keep("judged", judged_moves.measure(task, pairs=pairs, step=step, shares=SHARES))
    if "mapped" in wanted:
        result["mapped"] = measure_mapped(*glosses(6_000 if quick else None), pairs=pairs)
    kept.write_text(json.dumps(result, indent=1) + "\n")
    (out / "upgrade.md").write_text(markdown(result))
    return out / "upgrade.md"


def measure(
    task: Task, *, pairs: int = PAIRS, step: float = STEP, names: Collection[str] | None = None
) -> dict[str, Any]:
    """All orders of one task, or those of these names."""
    from ..store import Store

    both = {"queries": task.new_samples, "old_queries": task.old_samples}
    orders: dict[str, dict[str, Any]] = {
        "sample queries of both": both,
        "sample queries of the new": {"queries": task.new_samples},
        "no sample queries": {},
        "random, sample queries of both": {**both, "order": "random"},
        "sample queries of both, all counted": {**both, "counted": True},
    }
    found: dict[str, Any] = {"name": task.name, "measure": task.measure, "items": len(task.old), "curves": []}
    found["reach"] = reach(task)
    for name in orders if names is None else names:
        given = orders[name]
        with (
            tempfile.TemporaryDirectory() as folder,
            Store.create(Path(folder) / "a.nf", task.old.shape[1]) as store,
        ):
            store.add(list(range(len(task.old))), task.old)
            curve = _walk(store, task, dict(given), pairs, step)
        found |= {"old": curve.pop("old"), "new": curve.pop("new")}
        found["curves"].append({"name": name, **curve})
    return found


def reach(task: Task, share: float = 0.2) -> dict[str, float]:
    """Which part of the new model's ten nearest to the queries a share of the items holds, by who chooses it.

    No order can know the queries that come; what orders with the whole new model at hand would hold says how much of
    the gain there is to be had early. Of many items ten thousand ask for their neighbours.
    """
    count = round(share * len(task.new))
    some = task.new[np.sort(np.random.default_rng(0).permutation(len(task.new))[:_ASKING])]
    wanted = exact_neighbors("cosine", task.new, task.new_queries, K)[1]

    def held(answers: np.ndarray) -> float:
        often = np.bincount(answers.ravel(), minlength=len(task.new))
        return float(np.isin(wanted, np.argsort(-often, kind="stable")[:count]).mean())

    among = {
        "the queries themselves": wanted,
        "the new model's answers to the sample queries": exact_neighbors("cosine", task.new, task.new_samples, K)[1],
        "the new model's neighbours of all items": exact_neighbors("cosine", task.new, some, K + 1)[1],
    }
    return {name: held(answers) for name, answers in among.items()}


def _walk(store: Store, task: Task, given: dict[str, Any], pairs: int, step: float) -> dict[str, Any]:
    """One order, from nothing encoded to the end of the move."""
    order, counted = given.pop("order", "gain"), given.pop("counted", False)
    count = len(task.old)
    some = np.sort(
        np.random.default_rng(1).permutation(count)[: max(20, round(_COUNTED * count)) if counted else pairs]
    )
    old = _score(store.search(task.old_queries, K).ids, task)
    upgrade = store.upgrade(pairs=(some.tolist() if counted else task.old[some], task.new[some]), **given)
    points, loss, learnt = [], upgrade.loss, 0
    for share in SHARES:
        while upgrade.done < round(share * count):
            wanted = min(max(1, round(step * count)), round(share * count) - upgrade.done)
            chosen = upgrade.next(wanted, order=order)
            upgrade.put(chosen, task.new[np.array(chosen, np.int64)])
            if upgrade.relearn_due:
                upgrade.relearn()
                learnt += 1
        alone = store.search(task.new_queries, K).ids
        fused = store.search(task.new_queries, K, old_queries=task.old_queries).ids
        still = store.search(task.old_queries, K).ids
        scores = {name: _score(ids, task) for name, ids in (("new", alone), ("both", fused), ("old", still))}
        points.append({"share": upgrade.done / count, **scores})
    upgrade.finish()
    whole = _score(store.search(task.new_queries, K).ids, task)
    report = store.verify()
    if not report.ok:
        raise RuntimeError(f"{task.name}: {report}")
    return {"points": points, "loss": loss, "learnt": learnt, "old": old, "new": whole}


def measure_mapped(old: np.ndarray, new: np.ndarray, *, pairs: int = PAIRS, queries: int = 200) -> dict[str, Any]:
    """Searching mapped rows through the old rows' index beside a scan of them: recall, bytes and time.

    Row i of ``old`` and ``new`` is the same thing; the last are the queries, those before them the pairs.
    """
    from ..store import Store
    from ..store.search import nearest

    count = len(old) - pairs - queries
    asked = np.ascontiguousarray(new[-queries:], np.float32)
    found: dict[str, Any] = {"items": count, "dim": new.shape[1], "queries": queries, "pairs": pairs}
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.create(Path(folder) / "a.nf", old.shape[1]) as store,
    ):
        store.add(list(range(count)), old[:count])
        store.compact()
        store.upgrade(pairs=(old[count : count + pairs], new[count : count + pairs]))
        began = time.perf_counter()
        store.search(asked[:1], K)
        found["first"] = time.perf_counter() - began
        view = store._viewer.current()
        assert view.next is not None
        found["bytes"] = view.next.mapped.memory()
        for k in (K, 10 * K):
            rows = {}
            for name, exact in (("scan", True), ("index", False)):
                began = time.perf_counter()
                rows[name] = np.concatenate(
                    [nearest(view.newer, "cosine", query[None], k, exact=exact).keys for query in asked]
                )
                found[f"{name}_{k}"] = (time.perf_counter() - began) / queries
            shared = [np.isin(a, b).mean() for a, b in zip(rows["index"], rows["scan"], strict=True)]
            found[f"recall_{k}"] = float(np.mean(shared))
    return found


def _score(ids: list[list[Any]], task: Task) -> float:
    return task.score(np.array(ids, np.int64))


def halfway(points: list[dict[str, float]], name: str, share: float = 0.2) -> float:
    """Which part of the gain, from nothing encoded to everything, a share of encoded items brings; NaN without gain.

    Examples
    --------
    >>> halfway([{"share": 0.0, "new": 0.3}, {"share": 0.2, "new": 0.5}, {"share": 1.0, "new": 0.7}], "new")
    0.5
    """
    here = min(points, key=lambda point: abs(point["share"] - share))
    whole = points[-1][name] - points[0][name]
    return round((here[name] - points[0][name]) / whole, 6) if whole else float("nan")


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    lines = [
        "# What a move to another model gains on the way",
        "",
        f"WordLlama (256) to all-MiniLM-L6-v2 (384), *back* the other way; {where['cpu']['model']}, {where['date']}. "
        "Quality by the share of "
        "items that the new model has encoded. *New*: only the new model can be called; *both*: the old one too. The "
        f"map is learnt from {result['pairs']:,} pairs given beside the store, so nothing is encoded at 0%, and again "
        f"whenever the pairs have doubled, up to half of the items; *all counted*: the pairs are "
        f"{100 * _COUNTED:.0f}% of the items, counted. Sample queries of both models are pairs as well, and order what "
        f"is encoded, {100 * result['step']:.0f}% at a time. *Gain at 20%*: which part of what the whole move gains "
        "over its own beginning; and over the old model alone.",
        "",
    ]
    for task in result["tasks"]:
        shares = [point["share"] for point in task["curves"][0]["points"]]
        losses: dict[str, list[str]] = {}
        for curve in task["curves"]:
            found = curve["loss"]
            text = f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
            losses.setdefault(text, []).append(curve["name"])
        stated = "; ".join(f"{text} ({' / '.join(names)})" for text, names in losses.items())
        lines += [
            f"## {task['name']}, {task['items']:,} items, {task['measure']}",
            "",
            f"Old model alone {task['old']:.3f}, new model alone {task['new']:.3f}. Stated loss of the first map, of "
            f"the new model's nearest: {stated}.",
            "",
            "| order | queries | " + " | ".join(f"{100 * share:.0f}%" for share in shares) + " | gain at 20% |",
            "| --- | --- |" + " ---: |" * (len(shares) + 1),
        ]
        for curve in task["curves"]:
            points = curve["points"]
            for name in ("new", "both"):
                gain = f"{halfway(points, name):.2f}"
                here = min(points, key=lambda point: abs(point["share"] - 0.2))[name]
                whole = task["new"] - task["old"]
                gain += f"; {(here - task['old']) / whole:.2f}" if whole > 0 else ""
                cells = [
                    f"{point[name]:.3f}" if abs(point["share"] - share) < 0.01 else ""  # the pairs are encoded at once
                    for point, share in zip(points, shares, strict=True)
                ]
                lines.append(f"| {curve['name']} | {name} | " + " | ".join([*cells, gain]) + " |")
        held = ", ".join(f"{value:.2f} by {name}" for name, value in task["reach"].items())
        worst = min(point["both"] - task["old"] for curve in task["curves"] for point in curve["points"])
        kept = {point["old"] for curve in task["curves"] for point in curve["points"]}
        lines += [
            "",
            f"The least that both models together were above the old one alone: {worst:+.3f}. Queries of the old model "
            f"alone: {' / '.join(f'{value:.3f}' for value in sorted(kept))} throughout. Of the new model's ten nearest "
            f"to the queries a fifth of the items holds {held}; at random 0.20.",
            "",
        ]
    if "judged" in result:
        lines += judged_moves.markdown(result["judged"])
    if "mapped" not in result:
        return "\n".join(lines)
    found = result["mapped"]
    lines += [
        f"## Searching mapped rows, {found['items']:,} glosses of WordNet, {found['pairs']:,} pairs, nothing encoded",
        "",
        "One query at a time. The old rows' index finds candidates for a query that is taken back to the old space, "
        f"where that is worth it, and they are scored by their mapped vectors: {found['bytes'] / 2**20:.0f} MiB in "
        f"memory, {found['bytes'] / found['items']:.0f} bytes an item, made by the first search in "
        f"{found['first']:.1f} s.",
        "",
        "| k | recall of a scan of the mapped rows | as a search does it, ms | by a scan, ms |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for k in (K, 10 * K):
        times = (1000 * found[f"{name}_{k}"] for name in ("index", "scan"))
        lines.append(f"| {k} | {found[f'recall_{k}']:.3f} | " + " | ".join(f"{ms:.2f}" for ms in times) + " |")
    return "\n".join([*lines, ""])
