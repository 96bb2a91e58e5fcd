"""Words, vectors and both, on judged questions: what each finds, what fusing gains, and whether relevance is true.

Stores are made of SciFact's abstracts and of Cranfield's, with the vectors of MiniLM and of WordLlama. Everything is
asked through :meth:`nearfield.store.Store.search`; fusions are fitted and baselines tuned by cross-validation over the
questions. Latencies are measured only when asked for: they mean something on a quiet machine alone.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..common.ndcg import discounts
from ..store import Store
from . import machine

SETS: tuple[Literal["scifact", "cranfield"], ...] = ("scifact", "cranfield")
SETTINGS = ((1.2, 0.75), (0.9, 0.4), (1.6, 0.75), (2.0, 0.9))
TOKENIZERS = ("porter", "unicode61", "trigram")


class Questions:
    """A judged collection: documents that have a text, questions, and the documents that answer each."""

    def __init__(
        self, name: Literal["scifact", "cranfield"], *, documents: int | None = None, queries: int | None = None
    ):
        from ..datasets import load

        found = load(name)
        self.name = name
        judged = {key for key in found.query_ids[:queries] for key in found.judgements[key]}
        kept = [row for row, text in enumerate(found.documents) if text.strip()]
        if documents is not None:
            kept = [row for row in kept if found.document_ids[row] in judged or row < documents]
        self.rows = np.array(kept)
        self.ids = [found.document_ids[row] for row in kept]
        self.documents = [found.documents[row] for row in kept]
        self.queries = found.queries[:queries]
        self.grades = [found.judgements[key] for key in found.query_ids[:queries]]
        self._found = found

    def encoders(self, quick: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Vectors of documents and questions by every encoder that is here."""
        from ..encode import OnnxText, WordLlama

        words = WordLlama()
        made = {"WordLlama": self._encode(words)}
        if self.name == "scifact":
            vectors = self._found.vectors[self.rows], self._found.query_vectors[: len(self.queries)]
            return {"MiniLM": vectors, **made}
        folder = Path(os.environ.get("NEARFIELD_MODELS") or "models") / "minilm"
        if folder.is_dir() and not quick:
            made = {"MiniLM": self._encode(OnnxText(folder, max_tokens=256)), **made}
        return made

    def _encode(self, encoder: Any) -> tuple[np.ndarray, np.ndarray]:
        documents = encoder.encode(self.documents, progress=False)
        return np.asarray(documents, np.float32), np.asarray(encoder.encode(self.queries, progress=False), np.float32)

    def ndcg(self, ids: list[list[Any]]) -> np.ndarray:
        """nDCG@10 of every question that has an answer here."""
        discount = discounts(10)
        values = []
        for grades, found in zip(self.grades, ids, strict=True):
            best = np.sort([grade for grade in grades.values() if grade > 0])[::-1][:10]
            if len(best):
                gains = np.array([max(0, grades.get(name, 0)) for name in found[:10]], float)
                values.append((gains * discount[: len(gains)]).sum() / (best * discount[: len(best)]).sum())
        return np.array(values)


def measure_words(data: Questions, folder: Path) -> list[dict[str, Any]]:
    """What each way of making words finds, and the bytes it takes for a document."""
    rows = []
    for tokenizer in TOKENIZERS:
        path = folder / f"{data.name}-{tokenizer}.nf"
        with Store.create(path, 1, tokenizer=tokenizer) as store:
            store.add(data.ids, np.ones((len(data.ids), 1), np.float32), text=data.documents)
            store.compact()
            score = float(data.ndcg(store.search(text=data.queries).ids).mean())
        with sqlite3.connect(path / "catalogue.sqlite") as connection:
            (size,) = connection.execute("SELECT SUM(LENGTH(block)) FROM words_data").fetchone()
            (own,) = connection.execute("SELECT SUM(LENGTH(CAST(text AS BLOB))) FROM texts").fetchone()
        count = len(data.ids)
        rows.append({"tokenizer": tokenizer, "ndcg": score, "words": size / count, "text": own / count})
    return rows


def measure_weights(data: Questions, times: bool) -> list[dict[str, Any]]:
    """BM25 as sparse vectors of whole words, for several ``k1`` and ``b``; every weight, and bytes."""
    from sklearn.feature_extraction.text import CountVectorizer

    from ..index import SparseIndex, bm25_weights

    words = CountVectorizer(token_pattern=r"[^\W_]+").fit(data.documents)
    counts, asked = (words.transform(texts) for texts in (data.documents, data.queries))
    asked.data[:] = 1
    rows = []
    for (k1, b), bits in itertools.product(SETTINGS, (32, 8)):
        weights = bm25_weights(counts, k1=k1, b=b)
        index = SparseIndex(bits=bits).build(weights)
        begin = time.perf_counter()
        found = index.search(asked, 10).rows
        spent = time.perf_counter() - begin
        ids = [[data.ids[row] for row in line if row >= 0] for line in found]
        size = sum(index.memory().values()) / len(data.ids)
        row = {"k1": k1, "b": b, "bits": bits, "ndcg": float(data.ndcg(ids).mean()), "bytes": size}
        if times:
            row["milliseconds"] = 1000 * spent / len(data.queries)
            row["milliseconds of a product by scipy"] = 1000 * _by_scipy(weights, asked) / len(data.queries)
        rows.append(row)
    return rows


def _by_scipy(weights: Any, asked: Any) -> float:
    """Seconds that scipy takes for the same answers: the product of two sparse matrices, and the ten largest a row."""
    columns, queries = weights.T.tocsr(), asked.astype(np.float32)
    begin = time.perf_counter()
    scores = queries @ columns
    for start, end in itertools.pairwise(scores.indptr.tolist()):
        row = scores.data[start:end]
        if len(row) > 10:
            scores.indices[start:end][np.argpartition(row, len(row) - 10)[-10:]]
    return time.perf_counter() - begin


def measure_fusion(
    data: Questions, vectors: tuple[np.ndarray, np.ndarray], folder: Path, *, times: bool
) -> dict[str, Any]:
    """One store: each leg, both as a store without judgements adds them, and the report of the fitted fusion."""
    documents, queries = vectors
    with Store.create(folder / "a.nf", documents.shape[1]) as store:
        store.add(data.ids, documents, text=data.documents)
        store.compact()
        asked: dict[str, dict[str, Any]] = {
            "vector": {"queries": queries},
            "text": {"text": data.queries},
            "both": {"queries": queries, "text": data.queries},
        }
        found: dict[str, Any] = {"search": {}, "documents": len(data.ids), "questions": len(data.queries)}
        for name, given in asked.items():
            begin = time.perf_counter()
            ids = store.search(k=10, **given).ids
            spent = time.perf_counter() - begin
            found["search"][name] = float(data.ndcg(ids).mean())
            if times:
                found.setdefault("milliseconds", {})[name] = 1000 * spent / len(data.queries)
        relevant = [{name: grade for name, grade in grades.items() if grade > 0} for grades in data.grades]
        report = store.fit_fusion(queries, data.queries, relevant)
    return found | {"report": asdict(report) | {"verdict": report.verdict, "loses_to": report.loses_to}}


def markdown(result: dict[str, Any]) -> str:
    """The tables."""
    lines = [
        "# Words, vectors and both",
        "",
        f"{result['machine']['cpu']['model']}. nDCG@10, 95% by resampling questions.",
        "",
    ]
    lines += ["## How texts become words", "", "| set | tokenizer | nDCG@10 | bytes of words | bytes of text |"]
    lines += ["| --- | --- | ---: | ---: | ---: |"]
    for name, rows in result["words"].items():
        for row in rows:
            lines.append(
                f"| {name} | {row['tokenizer']} | {row['ndcg']:.3f} | {row['words']:.0f} | {row['text']:.0f} |"
            )
    lines += ["", "## Words as sparse vectors", "", "Whole words without stemming, in a `SparseIndex`.", ""]
    timed = [name for name in next(iter(result["weights"].values()))[0] if name.startswith("milliseconds")]
    lines += ["| " + " | ".join(["set", "k1", "b", "bits", "nDCG@10", "bytes a document", *timed]) + " |"]
    lines += ["| --- " + "| ---: " * (5 + len(timed)) + "|"]
    for name, rows in result["weights"].items():
        for row in rows:
            cells = [name, str(row["k1"]), str(row["b"]), str(row["bits"]), f"{row['ndcg']:.4f}", f"{row['bytes']:.0f}"]
            cells += [f"{row[name]:.3f}" for name in timed]
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## What fusing gains", "", "Held-out questions; *tuned* and *fused* were fitted to the others.", ""]
    for name, encoders in result["fusion"].items():
        for encoder, one in encoders.items():
            lines += [f"### {name}, {encoder}", "", "| | nDCG@10 | fused has more by |", "| --- | ---: | ---: |"]
            report = one["report"]
            for way, value in (report["legs"] | report["baselines"]).items():
                lines.append(f"| {way} | {_interval(value)} | {_interval(report['gains'][way], '+')} |")
            lines += [f"| **fused** | {_interval(report['fused'])} | |", ""]
            false = ", ".join(f"{rate}: {_interval(value)}" for rate, value in report["false_answers"].items())
            lines += [
                f"Relevance is off by {report['calibration_error']:.4f} on average (Brier {report['brier']:.4f}, of "
                f"the mean alone {report['brier_base']:.4f}). Unanswerable questions that got an answer, by "
                f"`max_false`: {false}. {report['verdict'][0].upper()}{report['verdict'][1:]}.",
                "",
            ]
            if "milliseconds" in one:
                spent = ", ".join(f"{way} {value:.2f}" for way, value in one["milliseconds"].items())
                lines += [f"Milliseconds a question, {one['documents']:,} documents, in one batch: {spent}.", ""]
    return "\n".join(lines)


def _interval(value: Any, sign: str = "") -> str:
    middle, low, high = value
    return f"{middle:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def run_fusion(out: Path, *, quick: bool = False, times: bool = False) -> Path:
    """Measure, write ``fusion.json`` and ``fusion.md`` under ``out``, return the Markdown file."""
    result: dict[str, Any] = {"machine": machine.describe(), "words": {}, "weights": {}, "fusion": {}}
    for name in SETS:
        data = Questions(name, documents=100, queries=60) if quick else Questions(name)
        with tempfile.TemporaryDirectory() as folder:
            result["words"][name] = measure_words(data, Path(folder))
        result["weights"][name] = measure_weights(data, times)
        result["fusion"][name] = {}
        for encoder, vectors in data.encoders(quick).items():
            with tempfile.TemporaryDirectory() as folder:
                result["fusion"][name][encoder] = measure_fusion(data, vectors, Path(folder), times=times)
    out.mkdir(parents=True, exist_ok=True)
    (out / "fusion.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "fusion.md").write_text(markdown(result))
    return out / "fusion.md"
