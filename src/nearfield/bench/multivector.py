"""Late interaction on SciFact: what candidate generators find, what token codes lose, and how long a query takes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..common.checks import require
from ..common.ndcg import ndcg
from ..datasets import load
from ..datasets.sources import cache_folder
from ..encode import Bags, OnnxTokens
from ..index import (
    BagEncoding,
    FixedDimensionalEncoding,
    Flat,
    Index,
    LearnedEncoding,
    MeanEncoding,
    MultiVector,
    TokenSearch,
    exact_maxsim,
    pool_tokens,
    prune_tokens,
)
from ..quantize import (
    CentroidQuantizer,
    Codec,
    ProductQuantizer,
    RotatedQuantizer,
    ScalarQuantizer,
)
from . import machine

DEPTHS = (20, 50, 100, 200)
K = 10
Quality = Callable[[np.ndarray], float]


def generators() -> dict[str, tuple[BagEncoding | TokenSearch, Index]]:
    """Name -> candidate generator and the index of its vectors."""
    learned = (LearnedEncoding(384), ScalarQuantizer(8)), (LearnedEncoding(768), RotatedQuantizer(2))
    found: dict[str, tuple[BagEncoding | TokenSearch, Index]] = {
        "mean, 8 bits": (MeanEncoding(), Flat("ip", codec=ScalarQuantizer(8))),
        "mean not normalised, 8 bits": (MeanEncoding(normalize=False), Flat("ip", codec=ScalarQuantizer(8))),
        "mean, 4 bits": (MeanEncoding(), Flat("ip", codec=RotatedQuantizer(4))),
        "encodings 2,560, product codes": (
            FixedDimensionalEncoding(16, 10, 16),
            Flat("ip", codec=ProductQuantizer(396)),
        ),
        "encodings 10,240, product codes": (
            FixedDimensionalEncoding(32, 20, 16),
            Flat("ip", codec=ProductQuantizer(396)),
        ),
        "mean and residuals 2,944, product codes": (
            FixedDimensionalEncoding(16, 10, 16, residuals=True),
            Flat("ip", codec=ProductQuantizer(396)),
        ),
        "mean and residuals in learnt cells 1,408, product codes": (
            FixedDimensionalEncoding(16, 4, 16, residuals=True, partition="kmeans"),
            Flat("ip", codec=ProductQuantizer(396)),
        ),
    }
    found |= {f"learned {how.dimensions}, {codec!r}": (how, Flat("ip", codec=codec)) for how, codec in learned}
    found["learned 768, 1 bit"] = (LearnedEncoding(768), Flat("ip", codec=RotatedQuantizer(1)))
    return found


def token_codecs() -> dict[str, tuple[Codec, Codec | None]]:
    """Name -> codec of the token vectors, and of the means that they are taken from."""
    return {
        "8 bits": (ScalarQuantizer(8), None),
        "4 bits": (RotatedQuantizer(4), None),
        "2 bits": (RotatedQuantizer(2), None),
        "1 bit": (RotatedQuantizer(1), None),
        "two centroids and 0.54 bits": (CentroidQuantizer(0.54, 2), None),
        "mean, two centroids and 0.45 bits": (CentroidQuantizer(0.45, 2), ScalarQuantizer(8)),
    }


def measure_multivector(
    bags: Bags,
    sample: Bags,
    asked: Bags,
    quality: Quality,
    *,
    rounds: int = 3,
    parts: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Recall and bytes of every generator, quality and bytes of every token codec, milliseconds a query, peers.

    ``parts`` are some of :data:`PARTS`; None measures all.
    """
    truth = exact_maxsim(bags, asked, K)
    result: dict[str, Any] = {
        "documents": len(bags),
        "vectors": len(bags.vectors),
        "queries": len(asked),
        "sample": len(sample),
        "exact": quality(truth.rows),
        "depths": list(DEPTHS),
    }
    for part in PARTS if parts is None else parts:
        result[part] = PARTS[part](bags, sample, asked, truth.rows, quality, rounds)
    return result


def compare_generators(
    bags: Bags, sample: Bags, asked: Bags, truth: np.ndarray, quality: Quality, rounds: int
) -> dict[str, Any]:
    """What every candidate generator finds, in how many bytes, in what time."""
    found = {}
    for name, (how, vectors) in generators().items():
        index = MultiVector(how, index=vectors, codec=ScalarQuantizer(8)).build(bags, queries=sample)
        named = index.candidate_rows(asked, max(DEPTHS))
        found[name] = {
            "bytes": index._made.rows.index.codec.bytes_per_vector,  # type: ignore[attr-defined]
            "recall": [_share(named[:, :depth], truth) for depth in DEPTHS],
            "ndcg": quality(index.search(asked, K).rows),
            "milliseconds": {
                "candidates": _milliseconds(partial(index.candidate_rows, asked, 100, threads=1), asked, rounds),
                "all": _milliseconds(partial(index.search, asked, K, threads=1), asked, rounds),
            },
        }
    return found


def compare_codecs(
    bags: Bags, sample: Bags, asked: Bags, truth: np.ndarray, quality: Quality, rounds: int
) -> dict[str, Any]:
    """What every code of the tokens loses."""
    result = {}
    for name, (codec, means) in token_codecs().items():
        index = MultiVector(LearnedEncoding(384), codec=codec, means=means).build(bags, queries=sample)
        found = index.search(asked, K)
        result[name] = {
            "bytes": index._codec.codec.bytes_per_vector + (index._centers.rows.nbytes / len(bags.vectors)),
            "ndcg": quality(found.rows),
            "same": _share(found.rows, truth),
            "milliseconds": _milliseconds(partial(index.search, asked, K, threads=1), asked, rounds),
        }
    return result


def compare_reductions(
    bags: Bags, sample: Bags, asked: Bags, truth: np.ndarray, quality: Quality, rounds: int
) -> dict[str, Any]:
    """What fewer vectors lose, by exact search over them."""
    found = {}
    for factor in (2, 4):
        smaller = {
            f"pooled by {factor}": pool_tokens(bags, factor),
            f"pruned to {1 / factor:.0%}": prune_tokens(bags, 1 / factor, queries=sample),
        }
        for name, reduced in smaller.items():
            rows = exact_maxsim(reduced, asked, K).rows
            share = len(reduced.vectors) / len(bags.vectors)
            found[name] = {"share": share, "ndcg": quality(rows), "same": _share(rows, truth)}
    return found


def compare_peers(
    bags: Bags, sample: Bags, asked: Bags, truth: np.ndarray, quality: Quality, rounds: int
) -> dict[str, Any]:
    """Ours and every installed peer over their settings, one query at a time on one thread: medians of the queries."""
    found = {}
    for name, taken, search in (*_ours(bags, sample), *(row for make in peers().values() for row in make(bags))):
        rows = np.full((len(asked), K), -1, np.int64)
        times = np.empty(len(asked))
        search(asked[0])
        for at, query in enumerate(asked):
            start = time.perf_counter()
            answer = search(query)
            times[at] = time.perf_counter() - start
            rows[at, : len(answer)] = answer
        found[name] = {
            "bytes": taken / len(bags.vectors),
            "ndcg": quality(rows),
            "same": _share(rows, truth),
            "milliseconds": 1000 * float(np.median(times)),
        }
    return found


Searched = tuple[str, float, Callable[[np.ndarray], Any]]


def _ours(bags: Bags, sample: Bags) -> list[Searched]:
    """Name, bytes and search of our index: two codes of the tokens, three numbers of candidates."""
    found: list[Searched] = []
    for label, codec in (("8-bit tokens", ScalarQuantizer(8)), ("4-bit tokens", RotatedQuantizer(4))):
        index = MultiVector(LearnedEncoding(384), index=Flat("ip", codec=ScalarQuantizer(8)), codec=codec)
        index.build(bags, queries=sample)
        for count in (20, 50, 100):

            def search(query: np.ndarray, index: MultiVector = index, count: int = count) -> np.ndarray:
                return index.search(Bags.from_list([query]), K, candidates=count, threads=1).rows[0]

            found.append((f"nearfield, {label}, {count} candidates", index.memory()["total"], search))
    return found


def peers() -> dict[str, Callable[..., list[Searched]]]:
    """Peers that are installed: name -> what builds them."""
    return {"fast-plaid": _fast_plaid} if importlib.util.find_spec("fast_plaid") is not None else {}


def _fast_plaid(bags: Bags) -> list[Searched]:
    """fast-plaid as it comes (4 bits), over the two settings of its search; its index is kept in the cache.

    Making it takes half an hour of two cores, though k-means into 16,384 cells is given 1,500 of the documents to learn
    from instead of all: 22 vectors a cell. Products are of half floats there, which AVX2 computes five to seven times
    slower than floats, and so are those of a search.
    """
    torch: Any = require("torch", "bench")
    plaid: Any = importlib.import_module("fast_plaid.search")
    folder = cache_folder() / f"plaid_{importlib.metadata.version('fast-plaid')}_{len(bags)}_{len(bags.vectors)}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        plaid.FastPlaid(index=str(unfinished), device="cpu").create(
            documents_embeddings=[torch.from_numpy(bag.astype(np.float32)) for bag in bags], n_samples_kmeans=1_500
        )
        unfinished.rename(folder)
    index = plaid.FastPlaid(index=str(folder), device="cpu")
    torch.set_num_threads(1)
    taken = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def make(probes: int, scored: int) -> Searched:
        def search(query: np.ndarray) -> list[int]:
            asked = torch.from_numpy(np.ascontiguousarray(query, np.float32))[None]
            answer = index.search(asked, K, n_ivf_probe=probes, n_full_scores=scored, show_progress=False)
            return [number for number, _ in answer[0]]

        return f"fast-plaid, {probes} cells, {scored:,} scored", taken, search

    return [make(*setting) for setting in ((1, 32), (2, 64), (1, 256), (2, 256), (4, 256), (4, 1024))]


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "generators": compare_generators,
    "codecs": compare_codecs,
    "reduced": compare_reductions,
    "peers": compare_peers,
}


def _share(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([np.isin(right, row).mean() for right, row in zip(truth, found, strict=True)]))


def _milliseconds(run: Callable[[], Any], asked: Bags, rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return 1000 * best / len(asked)


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown, of those parts that were measured."""
    where = result["machine"]
    lines = [
        "# Late interaction",
        "",
        f"SciFact, {result['documents']:,} abstracts as {result['vectors']:,} token vectors of all-MiniLM-L6-v2, "
        f"{result['queries']:,} claims asked, {result['sample']:,} others to learn from. Exact MaxSim: nDCG@10 "
        f"{result['exact']:.4f}. {where['cpu']['model']}, {where['date']}, load {where['load'][0]} at the start; "
        "milliseconds a query on one thread, in batches where nothing else is said.",
    ]
    if "generators" in result:
        lines += [
            "",
            "Share of the exact ten best among so many candidates, and nDCG@10 with 100 candidates over 8-bit tokens:",
            "",
            "| candidates by | bytes a document | "
            + " | ".join(map(str, result["depths"]))
            + " | nDCG@10 | ms | ms in all |",
            "| --- |" + " ---: |" * (len(result["depths"]) + 4),
        ]
        for name, row in result["generators"].items():
            shares = " | ".join(f"{share:.3f}" for share in row["recall"])
            times = " | ".join(f"{row['milliseconds'][part]:.2f}" for part in ("candidates", "all"))
            lines.append(f"| {name} | {row['bytes']} | {shares} | {row['ndcg']:.4f} | {times} |")
    if "codecs" in result:
        lines += ["", *_table("token codes", result["codecs"])]
    if "peers" in result:
        lines += ["", "One query at a time on one thread, medians; bytes of the whole index, by token:", ""]
        lines += _table("index", result["peers"])
    if "reduced" in result:
        lines += ["", "| fewer vectors | of all | nDCG@10 | exact ten best |", "| --- | ---: | ---: | ---: |"]
        for name, row in result["reduced"].items():
            lines.append(f"| {name} | {row['share']:.0%} | {row['ndcg']:.4f} | {row['same']:.3f} |")
    return "\n".join([*lines, ""])


def _table(what: str, measured: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"| {what} | bytes a token | nDCG@10 | exact ten best | ms |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {row['bytes']:.0f} | {row['ndcg']:.4f} | {row['same']:.3f} | {row['milliseconds']:.2f} |"
            for name, row in measured.items()
        ),
    ]


def run_multivector(out: Path, *, quick: bool = False, parts: Sequence[str] | None = None) -> Path:
    """Measure, write ``multivector.json`` and ``multivector.md`` under ``out``, return the Markdown file.

    Tokens are encoded once and kept in the cache: twenty minutes of a core. Of ``parts`` that are not measured now,
    the figures that ``out`` holds stay.
    """
    unknown = sorted(set(parts or ()) - set(PARTS))
    if unknown:
        raise ValueError(f"parts: expected some of {', '.join(PARTS)}, got {unknown[0]!r}")
    papers = load("scifact")
    count, asked = (120, 30) if quick else (len(papers.documents), len(papers.queries))
    encoder = OnnxTokens(Path(os.environ.get("NEARFIELD_MODELS", "models")) / "minilm", max_tokens=24 if quick else 256)
    texts = papers.documents[:count]
    bags = encoder.encode(texts) if quick else encoder.encode_once(texts, cache_folder() / "scifact_tokens.nfa")
    queries, sample = (
        encoder.encode(papers.queries[:asked]),
        encoder.encode(load("scifact_train").queries[: 60 if quick else None]),
    )

    def quality(rows: np.ndarray) -> float:
        return ndcg(rows, papers.document_ids, papers.query_ids[:asked], papers.judgements)

    kept = out / "multivector.json"
    before = json.loads(kept.read_text()) if kept.exists() else {}
    now = {"machine": machine.describe()}
    now |= measure_multivector(bags, sample, queries, quality, rounds=1 if quick else 3, parts=parts)
    result = {part: before[part] for part in PARTS if part in before} | now
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result, indent=1) + "\n")
    (out / "multivector.md").write_text(markdown(result))
    return out / "multivector.md"
