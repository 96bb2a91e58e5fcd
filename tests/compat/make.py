"""Make the corpus of one release: small stores and index files of every kind, with what they hold and answer.

    python tests/compat/make.py 0.1

writes ``tests/compat/0.1.zip``, which ``test_compat.py`` reads ever after. Run it once for each release, as that
release is; never again for an old one. Names behind the version make a corpus of those stores alone: what a format
brought since the last corpus. Everything goes through the public interface, apart from the limits that make
small stores take every path.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nearfield.tune
from nearfield.encode import Bags
from nearfield.index import IVF, Flat, Graph, Hash, Index, MeanEncoding
from nearfield.quantize import (
    CentroidQuantizer,
    Codec,
    Float16,
    Float32,
    LowRankQuantizer,
    ProductQuantizer,
    RecurrentBinary,
    ResidualQuantizer,
    RotatedQuantizer,
    ScalarQuantizer,
    TwoLevelQuantizer,
    VarianceQuantizer,
)
from nearfield.store import Hits, Store, maintenance, writing
from nearfield.store.catalogue import FORMAT_VERSION
from nearfield.transform import PCA, LeanVec, PairMargin, Truncation
from nearfield.tune import Plan, Recipe, tune

ROWS, DIM, QUERIES, K = 120, 8, 6, 5
SCHEMA = {"flag": "bool", "year": "int", "score": "float", "topic": "string", "seen": "timestamp"}
TOPICS = ("vision", "nlp", "", "größe", "日本語", "it's")


def rows(n: int, seed: int, dim: int = DIM) -> np.ndarray:
    """Soft clusters around twelve centers, all of different lengths."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(12, dim))
    found = centers[rng.integers(0, 12, n)] + 0.5 * rng.normal(size=(n, dim))
    return (found * np.exp(0.3 * rng.normal(size=(n, 1)))).astype(np.float32)


def attributes_of(number: int) -> dict[str, Any]:
    """One item's attributes as JSON; some are missing."""
    if number % 7 == 3:
        return dict.fromkeys(SCHEMA)
    return {
        "flag": number % 3 == 0,
        "year": 2000 + number % 25,
        "score": number / 8 - 3,
        "topic": TOPICS[number % len(TOPICS)],
        "seen": f"2024-05-{1 + number % 28:02d}T12:00:{number % 60:02d}.000{number % 1000:03d}+00:00",
    }


def payload_of(number: int) -> Any:
    return (None, {"n": number, "text": "ü\u2028😀"}, [number, None, 1.5], "text", number, True)[number % 6]


def text_of(number: int) -> str:
    return f"{TOPICS[number % len(TOPICS)]} number {number}, {'odd' if number % 2 else 'even'} größer"


def bag_of(number: int) -> np.ndarray | None:
    """One to five vectors; every seventh item has none."""
    return None if number % 7 == 6 else rows(1 + number % 5, 1000 + number)


# -- stores -----------------------------------------------------------------------------------------------------------


class Made:
    """A store under way, and what it should hold."""

    def __init__(self, path: Path, vectors: np.ndarray, *, text: bool = True, words: bool = False, **create: Any):
        self.text, self.vectors, self.words = text, vectors, words
        self.typed, self.bagged = "attributes" in create, "bags" in create
        self.store = Store.create(path, vectors.shape[1], **create)
        self.items: dict[Any, list[Any]] = {}

    def name(self, number: int) -> Any:
        return f"id-{number}-é" if self.text else number * 3 - 50

    def put(self, numbers: range, call: str = "add", shift: int = 0) -> None:
        ids = [self.name(number) for number in numbers]
        places = [(number + shift) % len(self.vectors) for number in numbers]
        found = {"payload": [payload_of(place) for place in places]}
        if self.typed:
            found["attributes"] = [attributes_of(place) for place in places]
        if self.words:
            found["text"] = [text_of(place) for place in places]
        if self.bagged:
            found["bags"] = [bag_of(place) for place in places]
        getattr(self.store, call)(ids, self.vectors[places], **found)
        for identifier, place in zip(ids, places, strict=True):
            self.items.pop(identifier, None)
            self.items[identifier] = [
                identifier,
                place,
                attributes_of(place) if self.typed else None,
                payload_of(place),
            ]

    def delete(self, numbers: range) -> None:
        self.store.delete([self.name(number) for number in numbers])
        for number in numbers:
            self.items.pop(self.name(number), None)

    def optimize(self, recipe: Recipe) -> None:
        """The plan of this recipe, without the choosing."""
        measured = tune(self.vectors[:100], metric=self.store.metric, recall=0.5)
        fixed = Plan.from_dict({**measured.to_dict(), "recipe": recipe.to_dict()})
        before, nearfield.tune.tune = nearfield.tune.tune, lambda *_, **__: fixed
        try:
            self.store.optimize(recall=0.5)
        finally:
            nearfield.tune.tune = before


def many_parts(made: Made) -> None:
    """A segment, a second one, pending rows, deletions and replacements in all of them."""
    made.put(range(50))
    made.store.seal()
    made.put(range(50, 90))
    made.put(range(10), "upsert", 7)
    made.store.seal()
    made.put(range(90, 110))
    made.put(range(60, 64), "upsert", 3)
    made.delete(range(5, 100, 9))


def pending_only(made: Made) -> None:
    made.put(range(40))
    made.put(range(40, 60))
    made.delete(range(0, 60, 11))


def compacted(made: Made) -> None:
    many_parts(made)
    made.store.compact()


def judged(made: Made) -> None:
    many_parts(made)
    made.store.fit_judge(sample=100, background=50)


def planned(**recipe: Any) -> Callable[[Made], None]:
    def steps(made: Made) -> None:
        made.put(range(len(made.vectors) - 5))
        made.delete(range(0, 40, 9))
        made.optimize(Recipe(**recipe))
        made.put(range(len(made.vectors) - 5, len(made.vectors)))

    return steps


RECIPES: dict[str, dict[str, Any]] = {
    "graph": {"kind": "graph", "bits": 8, "degree": 8, "beam": 40, "slack": True, "slack_from": 10},
    "graph-fast": {"kind": "graph", "bits": 8, "rescore": "vectors", "layout": "fast", "alpha": 1.1, "degree": 8},
    "graph-residual": {"kind": "graph", "bits": 4, "rescore": "residual", "degree": 8, "candidates": 60},
    "graph-pca": {"kind": "graph", "bits": 4, "rescore": 8, "pca": 6, "degree": 8},
    "flat-codes": {"kind": "flat", "bits": 4, "rescore": 16, "candidates": 60},
    "flat-rotated": {"kind": "flat", "bits": 1, "rotated": True, "rescore": "vectors", "candidates": 100},
    "lists": {"kind": "ivf", "bits": 8, "lists": 9, "probes": 9},
    "lists-rotated": {"kind": "ivf", "bits": 2, "rotated": True, "rescore": "vectors", "lists": 9, "probes": 9},
    "exact": {"kind": "flat", "bits": 32},
}


def stores() -> dict[str, tuple[dict[str, Any], Callable[[Made], None]]]:
    """Name -> (arguments of :class:`Made`, what is done to it)."""
    every = {"attributes": SCHEMA}
    found: dict[str, tuple[dict[str, Any], Callable[[Made], None]]] = {
        "empty": ({}, lambda made: None),
        "emptied": (every, lambda made: (made.put(range(30)), made.delete(range(30)), made.store.compact())),
        "pending-int": ({"text": False, "metric": "l2", **every}, pending_only),
        "pending-text": (every, pending_only),
        "unclosed": (every, many_parts),
        "parts-cosine": ({"metric": "cosine", **every}, many_parts),
        "parts-ip-int": ({"metric": "ip", "text": False, **every}, many_parts),
        "parts-l2-half": ({"metric": "l2", "dtype": "float16", **every}, many_parts),
        "parts-plain": ({"metric": "l2", "text": False}, many_parts),
        "compacted-half-int": ({"dtype": "float16", "text": False, **every}, compacted),
        "judged": (every, judged),
        "encoder": ({"embedding": {"encoder": "small", "dim": DIM, "revision": "1"}}, pending_only),
    }
    sample = Bags.from_list([bag for bag in map(bag_of, range(ROWS)) if bag is not None])
    coarse = {"codec": CentroidQuantizer(1.0, 2), "means": ScalarQuantizer(8), "sample": sample}
    found |= {
        "words": ({"words": True, **every}, many_parts),
        "bags": ({"bags": {"dim": DIM, "encoding": MeanEncoding()}, "metric": "ip", **every}, many_parts),
        "bags-centroids": ({"bags": {"dim": DIM, **coarse}, "text": False, "words": True, **every}, compacted),
    }
    metrics = ("cosine", "l2", "ip")
    for number, (name, recipe) in enumerate(RECIPES.items()):
        found[f"plan-{name}"] = ({"metric": metrics[number % 3], **every}, planned(**recipe))
    return found


def ask(store: Store, query: np.ndarray, asked: dict[str, Any], k: int, where: str | None) -> Hits:
    """Ask by the vector, and by the bag and the words that ``asked`` has."""
    bag = np.array(asked["bags"], np.float32) if "bags" in asked else None
    return store.search(query, k, bags=bag, text=asked.get("text"), where=where)


def make_store(folder: Path, name: str, create: dict[str, Any], steps: Callable[[Made], Any]) -> dict[str, Any]:
    path = folder / f"{name}.nf"
    made = Made(path, rows(ROWS, 1), **create)
    store = made.store
    steps(made)
    answers = []
    for number, query in enumerate(rows(QUERIES, 2)):
        where = None
        if made.typed and number % 2:
            where = (
                "year >= 2010 and topic in ('nlp', 'größe')",
                "flag or seen < '2024-05-05'",
                "score between -2 and 2",
            )[number // 2]
        asked: dict[str, Any] = {}
        if made.bagged and number % 3 != 2:
            asked["bags"] = rows(1 + number, 3000 + number).tolist()
        if made.words and number % 3:
            asked["text"] = text_of(number)
        hits = ask(store, query, asked, K, where)
        answers.append(
            {
                "query": number,
                **({"asked": asked} if asked else {}),
                "where": where,
                "ids": hits.ids,
                "distances": [float(d) for d in hits.distances if np.isfinite(d)],
                "relevance": None if hits.relevance is None else [float(r) for r in hits.relevance],
                "status": hits.status,
            }
        )
    assert store.verify().ok
    stats = store.stats()
    described = {
        "metric": store.metric,
        "dtype": str(store.dtype),
        "attributes": store.attributes,
        "embedding": store.embedding,
        "items": list(made.items.values()),
        "indexes": [segment["index"] for segment in stats["segments"]],
        "plan": store.plan is not None and str(store.plan.recipe),
        "answers": answers,
    }
    if name == "unclosed":  # as a killed process leaves it: committed, and still in the log
        store.add([made.name(999)], made.vectors[:1], attributes=[attributes_of(0)], payload=[payload_of(0)])
        described["items"].append([made.name(999), 0, attributes_of(0), payload_of(0)])
        described["answers"] = []
        copy = path.with_name("copied")
        shutil.copytree(path, copy)
        store.close()
        shutil.rmtree(path)
        copy.rename(path)
        assert path.joinpath("catalogue.sqlite-wal").stat().st_size > 0
    store.close()
    path.joinpath("writer.lock").unlink(missing_ok=True)
    return described


# -- indexes ----------------------------------------------------------------------------------------------------------


def codecs() -> dict[str, Codec]:
    return {
        "float32": Float32(),
        "float16": Float16(),
        "scalar8": ScalarQuantizer(8),
        "scalar4": ScalarQuantizer(4),
        **{f"rotated{bits}": RotatedQuantizer(bits) for bits in (1, 2, 4, 8)},
        **{f"recurrent{loops}": RecurrentBinary(loops) for loops in (1, 2, 4)},
        "recurrent2s": RecurrentBinary(2, symmetric=True),
        "product": ProductQuantizer(4),
        "residual": ResidualQuantizer(2, 2),
        "low-rank": LowRankQuantizer(4, rank=2),
        "variance": VarianceQuantizer(2.0),
    }


def indexes(vectors: np.ndarray) -> dict[str, Index]:
    """Every kind over every codec, with transforms and every way of scoring again among them; built."""
    sample = rows(60, 3)
    graph = {"degree": 6, "build_beam": 30}
    found: dict[str, Index] = {}
    metrics = ("cosine", "ip", "l2")
    for number, name in enumerate(codecs()):
        metric = metrics[number % 3]
        rescore = (None, "vectors", ScalarQuantizer(8))[number % 3]
        found[f"flat-{name}"] = Flat(metric, codec=codecs()[name])
        found[f"graph-{name}"] = Graph(metric, codec=codecs()[name], rescore=rescore, **graph)
        if number % 2 == 0:
            found[f"fast-{name}"] = Graph(
                metric, codec=codecs()[name], rescore=rescore, layout="fast", link_bits=1 + number // 2 % 4, **graph
            )
            found[f"lists-{name}"] = IVF(metric, codec=codecs()[name], rescore=rescore, lists=7)
        else:
            found[f"hash-{name}"] = Hash(metric, codec=codecs()[name], rescore=rescore, tables=2, bits=4)
    for bits in (1, 2, 4, 8):
        kind = (Flat, Graph)[bits % 4 == 0]
        options = graph if kind is Graph else {}
        found[f"levels{bits}"] = kind("cosine", codec=TwoLevelQuantizer(bits), rescore="residual", **options)
    found["fast-levels"] = Graph("l2", codec=TwoLevelQuantizer(), rescore="residual", layout="fast", **graph)
    found["flat-pca"] = Flat("l2", transform=PCA(6), codec=ScalarQuantizer(8), rescore=Float16())
    found["graph-pca"] = Graph("ip", transform=PCA(6, center=False), rescore="vectors", **graph)
    found["lists-truncated"] = IVF("cosine", transform=Truncation(6, max_loss=1.0), rescore="vectors", lists=5)
    found["fast-leanvec"] = Graph(
        "cosine", transform=LeanVec(5, method="frank-wolfe"), rescore="vectors", layout="fast", link_dims=4, **graph
    )
    pairs = PairMargin(4, steps=20).fit(vectors, near=np.arange(100).reshape(50, 2))
    found["hash-pairs"] = Hash("l2", transform=pairs, tables=3, bits=5)
    found["one-row"] = Graph("l2")
    for name, index in found.items():
        if name == "one-row":
            index.build(vectors[:1])
        elif name in ("fast-leanvec", "graph-float32"):
            index.build(vectors, queries=sample)
        else:
            index.build(vectors)
    return found


def widest(index: Index) -> dict[str, int]:
    """Settings under which only the codes decide what is found: later releases may walk otherwise."""
    settings = {} if index.rescore is None else {"candidates": len(index)}
    if isinstance(index, Graph):
        settings["beam"] = len(index)
    if isinstance(index, IVF | Hash):
        settings["probes"] = 1 << 20
    return settings


def make_index(folder: Path, name: str, index: Index) -> dict[str, Any]:
    index.save(folder / f"{name}.nfa")
    found = index.search(rows(QUERIES, 2), K, **widest(index))
    return {
        "kind": type(index).__name__,
        "n": len(index),
        "vectors": index.rescore == "vectors",
        "settings": widest(index),
        "digest": index.digest(),
        "rows": found.rows.tolist(),
        "distances": [[float(d) for d in line if np.isfinite(d)] for line in found.distances],
    }


def main(version: str, *names: str) -> None:
    writing.PENDING_ROWS = 60
    maintenance.MIN_INDEXED = 20
    target = Path(__file__).with_name(f"{version}.zip")
    if target.exists():
        raise FileExistsError(f"{target}: the corpus of a release is made once")
    vectors = rows(ROWS, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stores").mkdir()
        (folder / "indexes").mkdir()
        manifest = {
            "version": version,
            "format": FORMAT_VERSION,
            "stores": {
                name: make_store(folder / "stores", name, *how)
                for name, how in stores().items()
                if name in names or not names
            },
            "indexes": {
                name: make_index(folder / "indexes", name, one)
                for name, one in ({} if names else indexes(vectors)).items()
            },
        }
        np.save(folder / "vectors.npy", vectors)
        np.save(folder / "queries.npy", rows(QUERIES, 2))
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
        with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
    made = f"{len(manifest['stores'])} stores, {len(manifest['indexes'])} indexes"
    print(f"{target}: {target.stat().st_size:,} bytes, {made}")


if __name__ == "__main__":
    main(*sys.argv[1:])
