"""Whether a cut keeps its promise when the store does not stay as it was: filters, few bits, words, another model.

A judge and a fusion are fitted to labelled queries and asked others: with a filter that lets a share of the items pass;
with one that keeps the answers out; with an index over few bits; by words and vectors together; and after a move to
another model, with the labelled queries encoded again, given to the move by both models, or mapped. *False* is the
share of queries without an answer that get one, which is what ``max_false`` promises; *lost* the share of the others
that get nothing. A store refuses ``max_false`` where the labelled queries were mapped: what it would have been worth is
measured by the relevance of the hits.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.interval import mean_interval
from ..common.lengths import unit_rows
from ..decide import Fusion
from ..store import Store
from ..tune import Recipe
from . import machine

if TYPE_CHECKING:
    from ..datasets import Retrieval, Utterances

LEVELS = (0.05, 0.1, 0.2)
PASSING = (0.5, 0.1, 0.01)
K = 10
# One bit a dimension and nothing that is read again but eight candidates for each hit.
FEW_BITS = Recipe("ivf", bits=1, rotated=True, rescore="vectors", lists=64, probes=16, candidates=80)
_PAIRS = 200
Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Asked:
    """Queries as texts, and the rows of the store that answer each (none: nothing does)."""

    texts: list[str]
    relevant: list[list[int]]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Case:
    """Texts of a store, labelled queries to fit to, and others: ``answered`` have answers and ``outside`` none.

    Where there is none outside, the answers of ``answered`` are deleted and the same are asked again.
    """

    name: str
    items: list[str]
    labelled: Asked
    answered: Asked
    outside: list[str]


class _Model:
    """An encoder as a store wants it."""

    def __init__(self, encode: Encode, dim: int):
        self._encode, self.dim = encode, dim

    def encode(self, items: Sequence[str], *, progress: bool | None = None) -> np.ndarray:
        return unit_rows(self._encode(list(items)))

    def fingerprint(self) -> dict[str, Any]:
        return {"encoder": "new", "dim": self.dim}


def measure(case: Case, old: Encode, new: Encode, *, levels: Sequence[float] = LEVELS) -> list[dict[str, Any]]:
    """A row for each setting: false answers and losses at each level, with their 95% intervals."""
    models = {name: _Model(encode, encode(case.items[:1]).shape[1]) for name, encode in (("old", old), ("new", new))}
    stored = {name: model.encode(case.items) for name, model in models.items()}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        store = _filled(Path(folder) / "a.nf", case, stored["new"])
        labelled = models["new"].encode(case.labelled.texts)
        store.fit_query_judge(labelled, case.labelled.relevant)
        settings: list[tuple[str, dict[str, Any]]] = [("as fitted", {})]
        settings += [(f"a filter that {share:.0%} pass", {"where": f"place < {share}"}) for share in PASSING]
        found += list(_asked(store, case, models["new"], settings, levels, hiding=True))
        store.optimize(recipes=[FEW_BITS])
        found += list(_asked(store, case, models["new"], [("an index of one bit a dimension", {})], levels))
        store.fit_fusion(labelled, case.labelled.texts, case.labelled.relevant)
        found += list(_asked(store, case, models["new"], [("words and vectors", {"text": True})], levels))
        store.close()
        before, text = models["old"].encode(case.labelled.texts), case.labelled.texts
        sampled = {"queries": labelled, "old_queries": before}
        moves: tuple[tuple[str, Any, dict[str, Any]], ...] = (
            ("queries encoded again", models["new"], {}),
            ("queries by both models", None, sampled),
            ("queries mapped", None, {}),
        )
        for name, encoder, asked in moves:
            store = _filled(Path(folder) / f"{name}.nf", case, stored["old"])
            store.fit_query_judge(before, case.labelled.relevant, text=text)
            store.fit_fusion(before, text, case.labelled.relevant)
            _move(store, stored["new"], encoder, asked)
            moved = [(f"after a move, {name}", {}), (f"words and vectors after a move, {name}", {"text": True})]
            found += list(_asked(store, case, models["new"], moved, levels))
            store.close()
    return found


def _filled(path: Path, case: Case, vectors: np.ndarray) -> Store:
    store = Store.create(path, vectors.shape[1], attributes={"place": "float", "answer": "bool"}, text="text")
    count = len(vectors)
    answers = np.zeros(count, bool)
    answers[[row for rows in case.answered.relevant for row in rows]] = True
    place = np.random.default_rng(0).random(count)
    columns = {"place": place.tolist(), "answer": answers.tolist()}
    store.add(list(range(count)), vectors, attributes=columns, payload=[{"text": text} for text in case.items])
    return store


def _move(store: Store, new: np.ndarray, encoder: Any, asked: dict[str, Any]) -> None:
    pairs, made = np.sort(np.random.default_rng(0).permutation(len(new))[:_PAIRS]), {"encoder": "new"}
    upgrade = store.upgrade(pairs=(pairs.tolist(), new[pairs]), embedding={**made, "dim": new.shape[1]}, **asked)
    while ids := upgrade.next(4096, order="arrival"):
        upgrade.put(ids, new[np.array(ids)])
    upgrade.finish(encoder)


def _asked(
    store: Store,
    case: Case,
    model: _Model,
    settings: list[tuple[str, dict[str, Any]]],
    levels: Sequence[float],
    *,
    hiding: bool = False,
) -> Iterator[dict[str, Any]]:
    """``hiding`` asks with the answers kept out by a filter as well, where the answers are few."""
    asked = model.encode(case.answered.texts)
    refused = not store.stats()["judge"]["promises"]

    def empty(vectors: np.ndarray, texts: list[str], level: float, **given: Any) -> np.ndarray:
        worded = given.pop("text", False)
        if worded:
            given["text"] = texts
        if refused:
            relevance = np.asarray(store.search(vectors, K, **given).relevance)
            return relevance[:, 0] < _unpromised(store, level, worded)
        return np.array([len(hits) == 0 for hits in store.search(vectors, K, max_false=level, **given)])

    lost = {name: [empty(asked, case.answered.texts, level, **given) for level in levels] for name, given in settings}
    none = asked if not case.outside else model.encode(case.outside)
    texts = case.answered.texts if not case.outside else case.outside
    if hiding and not case.outside:
        shown = [~empty(asked, texts, level, where="not answer") for level in levels]
        yield _row("a filter that keeps the answers out", levels, shown, None)
    if not case.outside:
        store.tag("whole")
        store.delete(sorted({row for rows in case.answered.relevant for row in rows}))
    for name, given in settings:
        shown = [~empty(none, texts, level, **given) for level in levels]
        said = f"{name} (refused)" if refused else name
        yield _row(said, levels, shown, lost[name] if "where" not in given else None)
    if not case.outside:
        store.restore("whole")
        store.untag("whole")


def _unpromised(store: Store, level: float, worded: bool) -> float:
    """The threshold that mapped queries would set."""
    fitted: Any = Fusion.from_dict(store._meta()["fusion"]["both"]) if worded else store.judge
    fitted.mapped_ = False
    return float(fitted.threshold(level))


def _row(name: str, levels: Sequence[float], false: list[np.ndarray], lost: list[np.ndarray] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"setting": name, "queries": len(false[0])}
    row["false"] = {str(level): mean_interval(one.astype(float)) for level, one in zip(levels, false, strict=True)}
    if lost is not None:
        row["lost"] = {str(level): float(one.mean()) for level, one in zip(levels, lost, strict=True)}
    return row


def markdown(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The tables."""
    lines = ["# Whether a cut survives", ""]
    lines += [
        "*False*: share of the queries without an answer that get one, with its 95% interval, at each `max_false`."
    ]
    lines += [
        "*Lost*: share of the others that get nothing. *Refused*: the store takes no `max_false` there; the figures"
    ]
    lines += ["are what it would have been worth."]
    for name, rows in found.items():
        levels = list(rows[0]["false"])
        head = " | ".join(f"false at {float(level):.0%} | lost" for level in levels)
        lines += ["", f"## {name}, {rows[0]['queries']} queries without an answer", ""]
        lines += [f"| setting | {head} |", "| --- |" + " --- | ---: |" * len(levels)]
        for row in rows:
            cells = [row["setting"]]
            for level in levels:
                value, low, high = row["false"][level]
                cells.append(f"{value:.1%} [{low:.1%}, {high:.1%}]")
                cells.append(f"{row['lost'][level]:.0%}" if "lost" in row else "")
            lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def load_cases(*, quick: bool = False) -> list[Case]:
    """SciFact, fitted to training claims about other abstracts, and CLINC150, with its out-of-scope utterances."""
    from ..datasets import load

    step = 12 if quick else 1
    found, train, talk = load("scifact"), load("scifact_train"), load("clinc150")
    judged = {name for grades in (*found.judgements.values(), *train.judgements.values()) for name in grades}
    kept = [row for row, name in enumerate(found.document_ids) if row % step == 0 or name in judged]
    place = {found.document_ids[row]: number for number, row in enumerate(kept)}

    def claims(some: Retrieval) -> Asked:
        known = [[place[name] for name, grade in some.judgements[key].items() if grade > 0] for key in some.query_ids]
        return Asked(some.queries[::step], known[::step])

    claimed = Case("SciFact", [found.documents[row] for row in kept], claims(train), claims(found), [])
    rng = np.random.default_rng(0)
    stored = range(0, len(talk.train), step)
    rows: dict[str, list[int]] = {}
    for number, row in enumerate(stored):
        rows.setdefault(talk.train.intents[row], []).append(number)

    def utterances(part: Utterances, most: int) -> Asked:
        some = np.sort(rng.permutation(len(part))[: most // step])
        return Asked([part.texts[row] for row in some], [rows[part.intents[row]] for row in some])

    asked, tried = utterances(talk.validation, 500), utterances(talk.test, 500)
    none = [*talk.oos_train.texts, *talk.oos_validation.texts]
    labelled = Asked(asked.texts + none, asked.relevant + [[] for _ in none])
    items = [talk.train.texts[row] for row in stored]
    return [claimed, Case("CLINC150", items, labelled, tried, list(talk.oos_test.texts[::step]))]


def run_survival(out: Path, *, quick: bool = False) -> Path:
    """Measure, write ``survival.json`` and ``survival.md`` under ``out``, return the Markdown file."""
    from ..encode import OnnxText, WordLlama

    words = WordLlama()
    sentences = OnnxText(Path(os.environ.get("NEARFIELD_MODELS") or "models") / "minilm", max_tokens=256)
    encoders = [partial(model.encode, progress=False) for model in (words, sentences)]
    found = {case.name: measure(case, *encoders) for case in load_cases(quick=quick)}
    where = machine.describe()
    out.mkdir(parents=True, exist_ok=True)
    (out / "survival.json").write_text(json.dumps({"machine": where, "cases": found}, indent=1) + "\n")
    (out / "survival.md").write_text("\n".join(markdown(found)))
    return out / "survival.md"
