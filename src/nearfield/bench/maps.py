"""New queries on old vectors: what :func:`nearfield.tune.choose_map` reaches, and whether the loss it states is true.

SciFact has judged queries, so nDCG@10 is counted: with every document mapped; with each document mapped by a fit that
had not seen it (*unseen*); and with the documents of the pairs, whose new vectors are known, served by those (*known
kept*). WordNet has none: the share of the new model's ten nearest is counted for glosses held out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import ndcg_score

from .. import native
from ..tune import MapChoice, choose_map
from ..tune.map_choice import NEW_TO_OLD, OLD_TO_NEW
from ..tune.maps import CANDIDATES
from . import machine

K = 10
_FOLDS = 5


class Judged:
    """Documents and judged queries by two models, and nDCG@10 over them."""

    def __init__(self, old: Any, new: Any, relevant: np.ndarray):
        (self.old, self.old_asked), (self.new, self.new_asked) = old, new
        self.relevant = relevant

    def score(self, documents: np.ndarray, queries: np.ndarray) -> float:
        """nDCG@10 under cosine."""
        scores = _unit(queries).astype(np.float64) @ _unit(documents).T
        return float(ndcg_score(self.relevant, scores, k=K))

    def turned(self) -> Judged:
        """The old model as the new one."""
        return Judged((self.new, self.new_asked), (self.old, self.old_asked), self.relevant)

    def measure(self, choice: MapChoice, pairs: np.ndarray) -> dict[str, Any]:
        """What the map chosen from these pairs gives."""
        found = {"choice": choice.to_dict(), "pairs": len(pairs)}
        if choice.direction == NEW_TO_OLD:
            return found | {"all": self.score(self.old, choice.map.transform(self.new_asked))}
        mapped = _unit(choice.map.transform(self.old))
        unseen, kept = mapped.copy(), mapped.copy()
        kept[pairs] = _unit(self.new[pairs])
        for part in np.array_split(pairs, _FOLDS):
            rest = np.setdiff1d(pairs, part)
            unseen[part] = _unit(
                clone(CANDIDATES[choice.name]).fit(self.old[rest], self.new[rest]).transform(self.old[part])
            )
        scores = {name: self.score(rows, self.new_asked) for name, rows in (("all", mapped), ("kept", kept))}
        return found | scores | {"unseen": self.score(unseen, self.new_asked)}


def measure_judged(data: Judged, counts: Iterable[int], seed: int = 0) -> dict[str, Any]:
    """Both directions, for each number of pairs; the other documents are the collection the loss is stated for."""
    found: dict[str, Any] = {"old": data.score(data.old, data.old_asked), "new": data.score(data.new, data.new_asked)}
    found["maps"] = []
    for count in counts:
        pairs = np.sort(np.random.default_rng(seed).permutation(len(data.old))[:count])
        for way in (OLD_TO_NEW, NEW_TO_OLD):
            choice = choose_map(data.old[pairs], data.new[pairs], direction=way, rows=len(data.old), progress=False)
            found["maps"].append(data.measure(choice, pairs))
    return found


def measure_parts(data: Judged, parts: tuple[Any, Any, np.ndarray], pairs: np.ndarray) -> list[dict[str, Any]]:
    """Both directions with the sentences of the paired documents; no score of unseen documents is taken."""
    found = []
    for way in (OLD_TO_NEW, NEW_TO_OLD):
        choice = choose_map(
            data.old[pairs], data.new[pairs], direction=way, parts=parts, rows=len(data.old), progress=False
        )
        one: dict[str, Any] = {"choice": choice.to_dict(), "pairs": len(pairs), "parts": len(parts[2])}
        if way == NEW_TO_OLD:
            found.append(one | {"all": data.score(data.old, choice.map.transform(data.new_asked))})
            continue
        mapped = _unit(choice.map.transform(data.old))
        one["all"] = data.score(mapped, data.new_asked)
        mapped[pairs] = _unit(data.new[pairs])
        found.append(one | {"kept": data.score(mapped, data.new_asked)})
    return found


def true_loss(choice: MapChoice, old: np.ndarray, new: np.ndarray, asked: np.ndarray) -> float:
    """The share of the new model's ten nearest of ``asked`` (by it) that the map loses among these rows."""
    queries, k = _unit(asked), choice.loss.k
    truth = native.exact_search(_unit(new), queries, k).rows
    if choice.direction == OLD_TO_NEW:
        found = native.exact_search(_unit(choice.map.transform(old)), queries, k).rows
    else:
        found = native.exact_search(_unit(old), _unit(choice.map.transform(asked)), k).rows
    return _lost(truth, found)


def _lost(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean share of the true rows that were not found."""
    return 1 - float(np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(truth, found, strict=True)]))


def measure_glosses(old: np.ndarray, new: np.ndarray, counts: Iterable[int], queries: int) -> dict[str, Any]:
    """Stated and true loss among all rows that are neither pairs nor queries."""
    order = np.random.default_rng(0).permutation(len(old))
    asked, others = order[:queries], order[queries:]
    truth = native.exact_search(_unit(new[others]), _unit(new[asked]), K).rows
    alone = native.exact_search(_unit(old[others]), _unit(old[asked]), K).rows
    found: dict[str, Any] = {"rows": len(others), "old": _lost(truth, alone), "maps": []}
    for count in counts:
        pairs, rest = others[:count], np.sort(others[count:])
        for way in (OLD_TO_NEW, NEW_TO_OLD):
            choice = choose_map(old[pairs], new[pairs], direction=way, rows=len(rest), progress=False)
            true = true_loss(choice, old[rest], new[rest], new[asked])
            found["maps"].append({"choice": choice.to_dict(), "pairs": count, "true": true})
    return found


def measure_coverage(
    old: np.ndarray, new: np.ndarray, *, pairs: int, rows: int, queries: int, repeats: int
) -> list[dict[str, Any]]:
    """How often the stated interval holds the true loss, each time with other pairs, queries and rows.

    Among as many rows as there are pairs, for which little is carried on, and among ``rows``.
    """
    found = []
    for way, among in ((OLD_TO_NEW, pairs), (OLD_TO_NEW, rows), (NEW_TO_OLD, rows)):
        stated = []
        for repeat in range(repeats):
            order = np.random.default_rng(1_000 + repeat).permutation(len(old))
            own, asked = order[:pairs], order[pairs : pairs + queries]
            rest = order[pairs + queries : pairs + queries + among]
            choice = choose_map(old[own], new[own], direction=way, rows=among, random_state=repeat, progress=False)
            stated.append((choice.loss, true_loss(choice, old[rest], new[rest], new[asked])))
        found.append({"direction": way, "rows": among, "pairs": pairs, "given": "nothing"} | _coverage(stated))
    return found


def measure_sampled(
    old: np.ndarray,
    new: np.ndarray,
    samples: tuple[np.ndarray, np.ndarray],
    asked: np.ndarray,
    *,
    pairs: int,
    rows: int,
    share: float,
    repeats: int,
) -> list[dict[str, Any]]:
    """The same with sample queries: of the new model alone (``queries=``), and of both (``old_queries=`` as well).

    Each time other pairs and rows are drawn, and a ``share`` of ``samples``, by the old and by the new model, and of
    those that are ``asked``.
    """
    found = []
    for way in (OLD_TO_NEW, NEW_TO_OLD):
        for given in ("queries", "queries of both"):
            stated = []
            for repeat in range(repeats):
                rng = np.random.default_rng(1_000 + repeat)
                order = rng.permutation(len(old))
                own, rest = order[:pairs], order[pairs : pairs + rows]
                some, others = (np.sort(rng.permutation(n)[: round(share * n)]) for n in (len(samples[1]), len(asked)))
                beside = {"old_queries": samples[0][some]} if given == "queries of both" else {}
                choice = choose_map(
                    old[own],
                    new[own],
                    direction=way,
                    queries=samples[1][some],
                    rows=len(rest),
                    random_state=repeat,
                    progress=False,
                    **beside,
                )
                stated.append((choice.loss, true_loss(choice, old[rest], new[rest], asked[others])))
            found.append({"direction": way, "rows": rows, "pairs": pairs, "given": given} | _coverage(stated))
    return found


def _coverage(stated: list[tuple[Any, float]]) -> dict[str, Any]:
    """Share of the stated losses whose interval holds the true one, the mean error and the mean width."""
    return {
        "repeats": len(stated),
        "inside": float(np.mean([loss.low <= true <= loss.high for loss, true in stated])),
        "error": float(np.mean([loss.value - true for loss, true in stated])),
        "width": float(np.mean([loss.high - loss.low for loss, _ in stated])),
    }


def sentences(texts: Iterable[str], least: int = 20) -> tuple[list[str], np.ndarray]:
    """The sentences of texts, of at least so many characters, and the number of the text each is from.

    Examples
    --------
    >>> sentences(["Wings lift bodies in air. They stall when the angle is large."])
    (['Wings lift bodies in air.', 'They stall when the angle is large.'], array([0, 0]))
    """
    found = [
        (part.strip(), number)
        for number, text in enumerate(texts)
        for part in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9(])", text)
        if len(part.strip()) >= least
    ]
    return [part for part, _ in found], np.array([number for _, number in found])


def _unit(rows: np.ndarray) -> np.ndarray:
    return native.unit(np.ascontiguousarray(rows, np.float32))


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    lines = ["# Maps between two models' spaces", ""]
    lines += [f"{where['cpu']['model']}, {where['date']}.", ""]
    head = "| pairs | direction | map chosen | all mapped | unseen | known kept | stated loss |"
    for name, found in result["scifact"].items():
        lines += [f"## SciFact, {name}", ""]
        lines += [f"nDCG@10 of 300 claims: old model alone {found['old']:.3f}, new alone {found['new']:.3f}.", ""]
        lines += [head, "| ---: | --- | --- | ---: | ---: | ---: | --- |"]
        for one in found["maps"]:
            cells = [f"{one['pairs']:,}", one["choice"]["direction"], one["choice"]["name"]]
            if "parts" in one:
                cells[0] += f" and their {one['parts']:,} sentences"
            cells += [f"{one[key]:.3f}" if key in one else "" for key in ("all", "unseen", "kept")]
            lines.append("| " + " | ".join([*cells, _loss(one["choice"])]) + " |")
        lines.append("")
    for name, found in result["wordnet"].items():
        lines += [f"## WordNet, {name}", ""]
        lines += [f"Of the new model's ten nearest among {found['rows']:,} glosses the old model alone, with its own"]
        lines[-1] += f" queries, loses {found['old']:.3f}."
        lines += [
            "",
            "| pairs | direction | map chosen | true loss | stated loss |",
            "| ---: | --- | --- | ---: | --- |",
        ]
        for one in found["maps"]:
            cells = [f"{one['pairs']:,}", one["choice"]["direction"], one["choice"]["name"], f"{one['true']:.3f}"]
            lines.append("| " + " | ".join([*cells, _loss(one["choice"])]) + " |")
        lines.append("")
    lines += ["## How often the stated interval holds the true loss", ""]
    lines += [
        "Sample queries, where some are given, are others than those that are asked: SciFact's share no abstract.",
        "",
    ]
    lines += ["| set | direction | given | pairs | rows | repeats | inside | mean error | mean width |"]
    lines += ["| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for name, found in result["coverage"].items():
        for one in found:
            cells = [name, one["direction"], one["given"], f"{one['pairs']:,}", f"{one['rows']:,}", str(one["repeats"])]
            cells += [f"{one['inside']:.0%}", f"{one['error']:+.3f}", f"{one['width']:.3f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _loss(choice: dict[str, Any]) -> str:
    loss = choice["loss"]
    return f"{loss['value']:.3f} [{loss['low']:.3f}, {loss['high']:.3f}]"


def run_maps(out: Path, *, quick: bool = False) -> Path:
    """Measure, write ``maps.json`` and ``maps.md`` under ``out``, return the Markdown file."""
    from ..datasets import load
    from ..encode import WordLlama

    papers, words = load("scifact"), WordLlama()
    place = {document: number for number, document in enumerate(papers.document_ids)}
    relevant = np.zeros((len(papers.queries), len(papers.documents)))
    for number, query in enumerate(papers.query_ids):
        for document, grade in papers.judgements[query].items():
            relevant[number, place[document]] = grade
    old = words.encode(papers.documents, progress=False), words.encode(papers.queries, progress=False)
    data = Judged(old, (papers.vectors, papers.query_vectors), relevant)
    counts = (200,) if quick else (1_000, 3_000, 5_000)
    result: dict[str, Any] = {"machine": machine.describe()}
    result["scifact"] = {"WordLlama to MiniLM": measure_judged(data, counts)}
    if not quick:
        result["scifact"]["MiniLM to WordLlama"] = measure_judged(data.turned(), (1_000, 5_000))
        pairs = np.sort(np.random.default_rng(0).permutation(len(papers.documents))[:1_000])
        parts = _parts([papers.documents[row] for row in pairs], words)
        if parts is not None:
            result["scifact"]["WordLlama to MiniLM"]["maps"] += measure_parts(data, parts, pairs)
    glosses = load("wordnet").vectors
    ours = words.encode(load("wordnet").texts, progress=False)
    if quick:
        glosses, ours = glosses[::40], ours[::40]
    sizes, asked = ((200,), 50) if quick else ((1_000, 5_000), 1_000)
    result["wordnet"] = {"WordLlama to MiniLM": measure_glosses(ours, glosses, sizes, asked)}
    if not quick:
        result["wordnet"]["MiniLM to WordLlama"] = measure_glosses(glosses, ours, (1_000,), asked)
    setting = {"pairs": 100, "queries": 50, "repeats": 2} if quick else {"pairs": 500, "queries": 500, "repeats": 50}
    rows = 500 if quick else 4_000
    few = np.sort(np.random.default_rng(1).permutation(len(ours))[: 10 * rows])
    result["coverage"] = {
        "SciFact": measure_coverage(data.old, data.new, rows=rows, **setting),
        "WordNet": measure_coverage(ours[few], glosses[few], rows=5 * rows, **setting),
    }
    sampled = {"pairs": setting["pairs"], "repeats": 2 if quick else 20, "share": 0.8}
    claims = _claims(words, quick)
    if claims is not None:
        result["coverage"]["SciFact"] += measure_sampled(
            data.old, data.new, claims, data.new_asked, rows=rows, **sampled
        )
    own, more, rest = np.split(np.random.default_rng(2).permutation(few), [rows // 8, rows // 4])
    glossed = ours[own], glosses[own]
    result["coverage"]["WordNet"] += measure_sampled(
        ours[rest], glosses[rest], glossed, glosses[more], rows=5 * rows, **sampled
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "maps.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "maps.md").write_text(markdown(result))
    return out / "maps.md"


def _claims(words: Any, quick: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Training claims that share no abstract with the test claims, by both models; None without the new one."""
    from ..datasets import load

    encoder = _minilm()
    if encoder is None:
        return None
    claims = load("scifact_train").queries[: 60 if quick else None]
    return words.encode(claims, progress=False), encoder.encode(claims, progress=False)


def _minilm() -> Any:
    """The new model; None where it is not here."""
    import os

    from ..encode import OnnxText

    folder = Path(os.environ.get("NEARFIELD_MODELS") or "models") / "minilm"
    return OnnxText(folder, max_tokens=128) if folder.is_dir() else None


def _parts(texts: list[str], words: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Sentences by both models; None where the new one is not here."""
    encoder = _minilm()
    if encoder is None:
        return None
    split, of = sentences(texts)
    old, new = words.encode(split, progress=False), encoder.encode(split, progress=False)
    there = old.any(axis=1) & new.any(axis=1)
    return old[there], new[there], of[there]
