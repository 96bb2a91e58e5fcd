"""Collections of texts with queries and relevance judgements."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .sources import Source, damage_named, folders, obtain, read_bytes, read_vectors


@dataclass
class Retrieval:
    """Documents, queries, and which document answers which query.

    Attributes
    ----------
    document_ids, documents : list of str; a document is ``"title. text"``.
    query_ids, queries : list of str; only queries with judgements.
    judgements : query id -> document id -> grade (positive means relevant).
    asked : the name of these queries among the files of the set: "queries", or "train_queries".
    vectors, query_vectors : float32 (n, 384), rows as in ``documents`` and ``queries``; read on first use, and
        FileNotFoundError says how they are made when they are not there.

    Examples
    --------
    >>> from nearfield.datasets import Retrieval
    >>> small = Retrieval("small", ["d1"], ["Wings. On lift."], ["q1"], ["what lifts a wing"], {"q1": {"d1": 1}})
    >>> small.judgements["q1"]
    {'d1': 1}
    """

    name: str
    document_ids: list[str]
    documents: list[str]
    query_ids: list[str]
    queries: list[str]
    judgements: dict[str, dict[str, int]]
    asked: str = "queries"

    @cached_property
    def vectors(self) -> np.ndarray:
        """The documents as vectors of all-MiniLM-L6-v2."""
        return self._read("corpus", "documents", len(self.documents))

    @cached_property
    def query_vectors(self) -> np.ndarray:
        """The queries as vectors of all-MiniLM-L6-v2."""
        return self._read(self.asked, "queries", len(self.queries))

    def _read(self, part: str, attribute: str, rows: int) -> np.ndarray:
        name = self.name if self.asked == "queries" else f"{self.name}_train"
        advice = (
            "It is computed and has no public home. To make it: numpy.save(path, nearfield.OnnxText('<all-MiniLM-L6-v2 "
            f"exported to ONNX>', max_tokens=256).encode(nearfield.datasets.load('{name}').{attribute}))."
        )
        source = Source(f"{self.name}/minilm_{part}.npy", advice=advice)
        array = read_vectors(source)
        with damage_named(obtain(source)):
            if len(array) != rows:
                raise ValueError(f"expected {rows} rows, one for each of the {attribute}, got {len(array)}")
        return array


def load_retrieval(name: str, advice: str) -> Retrieval:
    """Read ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv`` below ``name``; BEIR's ``qrels/test.tsv`` will do."""
    documents = {_id(line): _text(line) for line in read_jsonl(Source(f"{name}/corpus.jsonl", advice=advice))}
    queries = {_id(line): _text(line) for line in read_jsonl(Source(f"{name}/queries.jsonl", advice=advice))}
    judgements: dict[str, dict[str, int]] = {}
    path = obtain(Source(f"{name}/qrels.tsv", advice=advice, also=_beir_places(name)))
    content = read_bytes(path).decode()
    with damage_named(path):
        for query, document, grade in list(csv.reader(io.StringIO(content), delimiter="\t"))[1:]:
            judgements.setdefault(query, {})[document] = int(float(grade))
    judged = {key: text for key, text in queries.items() if key in judgements}
    return Retrieval(name, list(documents), list(documents.values()), list(judged), list(judged.values()), judgements)


def _beir_places(name: str) -> tuple[str, ...]:
    return tuple(str(folder / name / "qrels" / "test.tsv") for folder in folders())


def read_jsonl(source: Source) -> list[dict[str, Any]]:
    """The lines of a file of JSON objects."""
    path = obtain(source)
    content = read_bytes(path)
    with damage_named(path):
        return [json.loads(line) for line in content.splitlines() if line.strip()]


def _id(line: dict[str, Any]) -> str:
    return str(line["_id"] if "_id" in line else line["id"])


def _text(line: dict[str, Any]) -> str:
    title, text = line.get("title") or "", str(line["text"])
    return text if text.startswith(title) else f"{title}. {text}"
