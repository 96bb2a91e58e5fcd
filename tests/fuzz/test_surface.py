"""The Python surface: every public callable with one argument that is wrong. Only documented kinds of error come of it.

A specimen is a call that works. Each case spoils one of its arguments; what is raised must be a caller's error
(``TypeError``, ``ValueError`` and what derives from them), one of ours, or say that memory would not do.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield import quantize, transform
from nearfield.common import CorruptFileError, FormatVersionError, StoreLockedError
from nearfield.decide import Judge, QueryCalibrator, conformal_cut, cut_at_jump, labels_from_clicks
from nearfield.index import IVF, CrossEncoder, Flat, Graph, Hash, explain, load
from nearfield.metric import get_metric
from nearfield.store import Store
from nearfield.tune import Plan, Recipe, compress, tune

Rounds = Callable[[int], Iterator[random.Random]]
ALLOWED = (
    TypeError,
    ValueError,
    MemoryError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
OURS = (CorruptFileError, FormatVersionError, StoreLockedError)
DIM = 6


class Odd:
    """An object of no use to anybody."""


def odd_values() -> list[Any]:
    rows = np.random.default_rng(1).standard_normal((5, DIM)).astype(np.float32)
    nan, inf = rows.copy(), rows.copy()
    nan[2, 1], inf[1, 0] = np.nan, -np.inf
    return [
        None, True, False, 0, 1, -1, 2, 7, 64, 10**6, 2**31, 2**63, 2**64, -(2**70), 10**400, 0.0, 0.5, -0.5, 1.5,
        1e308, float("nan"), float("inf"), 1 + 2j, "", "x", "cosine", "l2", "é\x00", "\ud800", "a" * 10_000, b"",
        b"x", bytearray(b"xy"), (), (1,), [], [1], [[]], [[1.0, 2.0]], ["a", 1], [None], [[1], [1, 2]], {}, {"a": 1},
        {1, 2}, frozenset(), range(3), Odd(), Odd, print, iter([1]), slice(None), Ellipsis, NotImplemented,
        ValueError("x"), Path("/nonexistent/x"), Path("\x00"), np.float32(1), np.int64(3), np.bool_(True),
        np.array(None), np.array([]), np.empty((0, DIM), np.float32), np.empty((3, 0), np.float32),
        np.zeros((5, DIM), np.float32), rows, rows[0], rows[:, :3], rows[None], rows.astype(np.float64),
        rows.astype(np.float16), rows.astype(complex), rows.astype(str), rows.astype(object), rows > 0,
        rows.astype(np.int8), np.asfortranarray(rows), rows[::-2], nan, inf, np.full((5, DIM), 1e38, np.float32),
        np.full((5, DIM), 1e-40, np.float32), np.ones((1, 1), np.float32), np.arange(5), np.array(["a", "b"]),
        np.array([2**63], np.uint64), np.datetime64("NaT"), np.array([np.timedelta64(1)]),
        np.ma.masked_all((2, DIM)), np.zeros(5, [("a", "f4")]), np.broadcast_to(np.float32(1), (5, DIM)),
        memoryview(b"abc"), np.matrix(np.eye(2)), np.recarray((2,), [("a", "i4")]),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((80, DIM)).astype(np.float32)


Specimen = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def specimens(rows: np.ndarray, folder: Path) -> dict[str, Specimen]:
    """Calls that work, by name; objects are shared, so whatever a case does to one must leave it usable."""
    found: dict[str, Specimen] = {}
    asked = rows[:4] + np.float32(0.1)
    for kind in (Flat, Graph, IVF, Hash):
        name = kind.__name__
        built = kind("l2").build(rows)
        built.save(folder / f"{name}.nfa")
        found[f"{name}()"] = (kind, (), {"metric": "l2", "transform": None, "codec": None, "rescore": None})
        found[f"{name}.build"] = (
            lambda *a, kind=kind, **o: kind("l2", codec=quantize.ScalarQuantizer()).build(*a, **o),
            (rows,),
            {"queries": asked, "memory": "1GB", "progress": None},
        )
        found[f"{name}.search"] = (
            built.search,
            (asked, 3),
            {"allow": np.ones(80, bool), "candidates": None, "threads": 1},
        )
        found[f"{name}.load"] = (kind.load, (folder / f"{name}.nfa",), {"vectors": None, "check": True})
        found[f"{name}.save"] = (built.save, (folder / f"{name}-again.nfa",), {})
        found[f"{name}.estimate_build"] = (built.estimate_build, (100, 8), {"threads": 1, "queries": 0})
        found[f"explain {name}"] = (explain, (built, rows, asked), {"k": 3, "candidates": None, "allow": None})
    graph = Graph("l2").build(rows)
    found["Graph.search beam"] = (graph.search, (asked, 3), {"beam": 20, "slack": 0.1, "slack_from": 5})
    found["Graph.count_distances"] = (graph.count_distances, (asked, 3), {"beam": 9, "slack": None})
    found["Graph.with_codes"] = (
        graph.with_codes,
        (rows,),
        {"queries": asked, "transform": None, "codec": quantize.Float16(), "rescore": None},
    )
    found["Graph() own"] = (
        Graph,
        (),
        {
            "degree": 8,
            "build_beam": 20,
            "alpha": 1.1,
            "layout": "fast",
            "link_bits": 1,
            "link_dims": 3,
            "random_state": 0,
        },
    )
    found["IVF() own"] = (IVF, (), {"lists": 5, "random_state": 0})
    found["IVF.search probes"] = (IVF("l2").build(rows).search, (asked, 3), {"probes": 2})
    found["Hash() own"] = (Hash, (), {"tables": 2, "bits": 4, "random_state": 0})
    found["Hash.search probes"] = (Hash("l2").build(rows).search, (asked, 3), {"probes": 2})
    found["Hash.pairs"] = (Hash("l2", bits=4).build(rows).pairs, (rows,), {"probes": 1, "limit": 10_000})
    found["load"] = (load, (folder / "Flat.nfa",), {"vectors": None, "check": True})

    codecs: dict[str, tuple[Any, dict[str, Any]]] = {
        "ScalarQuantizer": (quantize.ScalarQuantizer, {"bits": 8}),
        "RotatedQuantizer": (quantize.RotatedQuantizer, {"bits": 1, "random_state": 0}),
        "RecurrentBinary": (quantize.RecurrentBinary, {"loops": 2, "symmetric": False}),
        "TwoLevelQuantizer": (quantize.TwoLevelQuantizer, {"residual_bits": 4}),
        "ProductQuantizer": (
            quantize.ProductQuantizer,
            {"groups": 3, "books": "free", "iterations": 2, "random_state": 0},
        ),
        "ResidualQuantizer": (
            quantize.ResidualQuantizer,
            {"stages": 2, "groups": 2, "books": "linear", "iterations": 2, "random_state": 0},
        ),
        "LowRankQuantizer": (quantize.LowRankQuantizer, {"groups": 2, "rank": 2, "iterations": 2, "random_state": 0}),
        "VarianceQuantizer": (quantize.VarianceQuantizer, {"bits": 2.0, "iterations": 2}),
        "Float16": (quantize.Float16, {}),
        "Float32": (quantize.Float32, {}),
    }
    for name, (codec, options) in codecs.items():
        fitted = codec(**options).fit(rows)
        found[f"{name}()"] = (codec, (), options)
        found[f"{name}.fit"] = (codec(**options).fit, (rows,), {})
        found[f"{name}.encode"] = (fitted.encode, (rows,), {})
        found[f"{name}.decode"] = (fitted.decode, (fitted.encode(rows),), {})
        found[f"{name}.scorer"] = (fitted.scorer, (rows[0], "ip"), {})
        found[f"{name}.row_bytes"] = (fitted.row_bytes, (8,), {})
    two = quantize.TwoLevelQuantizer().fit(rows)
    found["TwoLevelQuantizer.encode_residual"] = (two.encode_residual, (rows,), {})
    found["TwoLevelQuantizer.decode_both"] = (two.decode_both, (two.encode(rows), two.encode_residual(rows)), {})
    found["codec_loss"] = (
        quantize.codec_loss,
        (quantize.ScalarQuantizer(4), rows),
        {"queries": asked, "k": 3, "metric": "l2", "residual": False, "random_state": 0},
    )

    estimators: dict[str, tuple[Any, dict[str, Any]]] = {
        "PCA": (transform.PCA, {"n_components": 3, "whiten": False, "center": True, "random_state": 0}),
        "LeanVec": (transform.LeanVec, {"n_components": 3, "method": "shared", "random_state": 0}),
        "Truncation": (transform.Truncation, {"n_components": 3, "max_loss": 1.0, "metric": "l2", "random_state": 0}),
        "PairMargin": (
            transform.PairMargin,
            {"n_components": 3, "radius": 0.4, "ratio": 3.0, "steps": 5, "random_state": 0},
        ),
    }
    pairs = {"near": np.arange(40).reshape(20, 2), "far": None}
    for name, (estimator, options) in estimators.items():
        more = pairs if name == "PairMargin" else {"queries": rows} if name in ("LeanVec", "Truncation") else {}
        fitted = estimator(**options).fit(rows, **more)
        found[f"{name} parameters"] = (
            lambda estimator=estimator, more=more, **o: estimator(**o).fit(rows, **more),
            (),
            options,
        )
        found[f"{name}.fit"] = (estimator(**options).fit, (rows,), more)
        found[f"{name}.transform"] = (fitted.transform, (rows,), {})
    found["PCA.partial_fit"] = (transform.PCA(2).partial_fit, (rows,), {})
    found["PCA.inverse_transform"] = (transform.PCA(2).fit(rows).inverse_transform, (rows[:, :2],), {})
    linear = transform.PCA(3).fit(rows).export()
    found["LinearMap()"] = (
        transform.LinearMap,
        (np.eye(3, DIM, dtype=np.float32),),
        {"offset": np.zeros(DIM), "queries": None},
    )
    found["LinearMap.transform"] = (linear.transform, (rows,), {})
    found["LinearMap.transform_queries"] = (linear.transform_queries, (rows,), {})
    found["LinearMap.inverse_transform"] = (linear.inverse_transform, (rows[:, :3],), {})
    found["LinearMap.rotated"] = (linear.rotated, (), {"random_state": 0})
    found["LinearMap.from_arrays"] = (transform.LinearMap.from_arrays, (linear.to_arrays(),), {})

    small = {"recall": 0.5, "k": 3, "sample": 1000, "random_state": 0, "progress": False}
    found["tune"] = (
        tune,
        (rows,),
        {
            "metric": "l2",
            "memory": "1MB",
            "latency": 1000.0,
            "queries": asked,
            "recipes": [Recipe("flat", bits=32)],
            **small,
        },
    )
    found["compress"] = (
        compress,
        (rows,),
        {
            "memory": 4000,
            "metric": "l2",
            "k": 3,
            "queries": None,
            "methods": ["scalar-8"],
            "sample": 1000,
            "random_state": 0,
            "progress": False,
        },
    )
    found["Recipe()"] = (Recipe, (), Recipe("graph", bits=4, rescore=8).to_dict())
    found["Recipe.from_dict"] = (Recipe.from_dict, (Recipe().to_dict(),), {})
    plan = tune(rows, metric="l2", recipes=[Recipe("flat", bits=32)], **small)
    found["Plan.from_dict"] = (Plan.from_dict, (plan.to_dict(),), {})
    found["Plan.build"] = (plan.build, (rows,), {"random_state": 0})
    found["Recipe.make"] = (Recipe("ivf").make, (), {"metric": "l2", "random_state": 0})

    for name in ("cosine", "ip", "l2"):
        metric = get_metric(name)
        found[f"{name}.pairwise"] = (metric.pairwise, (rows, asked), {})
        found[f"{name}.to_many"] = (metric.to_many, (rows[0], rows), {})
        found[f"{name}.prepare_base"] = (metric.prepare_base, (rows,), {})
        found[f"{name}.prepare_queries"] = (metric.prepare_queries, (rows,), {})
    found["get_metric"] = (get_metric, ("l2",), {})
    found["Judge()"] = (
        lambda **o: Judge(**o).fit(np.sort(rows[:, :5] ** 2, axis=1), np.abs(np.tile(rows, 4)), n_items=80),
        (),
        {"hidden": 0.1, "nearest": 2, "locality": 0.4, "prior": 0.5, "random_state": 0},
    )
    near = np.sort(np.abs(rows[:, :5]), axis=1)
    calibrator = QueryCalibrator().fit(near, near < 0.5, queries=rows)
    found["QueryCalibrator()"] = (
        lambda **o: QueryCalibrator(**o).fit(near, near < 0.5),
        (),
        {"form": "linear", "nearest": 3, "context": True, "penalty": None, "random_state": 0},
    )
    found["QueryCalibrator.fit"] = (QueryCalibrator(penalty=10.0).fit, (near, near < 0.5), {"queries": rows})
    found["QueryCalibrator.relevance"] = (calibrator.relevance, (near,), {"queries": rows, "neighbors": near})
    found["QueryCalibrator.keep"] = (calibrator.keep, (near, 0.05), {"queries": rows, "threshold": None})
    found["conformal_cut"] = (conformal_cut, (near,), {"max_false": 0.1, "confidence": None})
    found["conformal_cut lost"] = (conformal_cut, (near, near < 0.5), {"max_lost": 0.1})
    found["cut_at_jump"] = (cut_at_jump, (near,), {"jumps": 1})
    found["labels_from_clicks"] = (labels_from_clicks, (np.arange(6).reshape(2, 3), [[1], [3]]), {})

    def score(query: Any, items: Any) -> np.ndarray:
        return np.arange(len(items), dtype=float)

    called = CrossEncoder().build(score, 80, rows[:6], item_vectors=rows, anchor_vectors=rows[:6], k=3)
    found["CrossEncoder()"] = (
        lambda **o: CrossEncoder(**o).build(score, 80, rows[:6], k=3),
        (),
        {"noise": 0.1, "rounds": 2, "start": "best", "codec": quantize.Float16(), "random_state": 0},
    )
    found["CrossEncoder.build"] = (
        CrossEncoder(noise=0.1, rounds=2, start="best").build,
        (score, 80, rows[:6]),
        {"item_vectors": rows, "anchor_vectors": rows[:6], "scores": None, "k": 3, "budget": 9, "batch": 40},
    )
    found["CrossEncoder.search"] = (
        called.search,
        (asked, 3),
        {
            "budget": 9,
            "vectors": asked,
            "first": None,
            "allow": None,
            "timeout": None,
            "batch": 4,
            "on_error": "partial",
        },
    )
    found["CrossEncoder.estimate"] = (called.estimate, (asked[0],), {"scored": [1, 2], "vector": asked[0]})

    store = Store.create(
        folder / "a.nf",
        DIM,
        metric="l2",
        attributes={"year": "int", "topic": "string", "seen": "timestamp", "flag": "bool", "score": "float"},
    )
    ids = [f"id{n}" for n in range(80)]
    store.add(ids, rows, attributes={"year": list(range(80)), "topic": ids}, payload=[{"n": n} for n in range(80)])
    columns = {
        "year": [1, 2],
        "topic": ["a", None],
        "seen": ["2024-01-01", None],
        "flag": [True, None],
        "score": [0.5, None],
    }
    found["Store.add"] = (
        store.add,
        (["x", "y"], rows[:2]),
        {"attributes": columns, "payload": [1, None], "embedding": None},
    )
    found["Store.upsert"] = (
        store.upsert,
        (["u", "v"], rows[:2]),
        {"attributes": columns, "payload": [1, None], "embedding": None},
    )
    for name, values in columns.items():
        found[f"Store.upsert {name}"] = (
            lambda value, name=name: store.upsert(["u", "v"], rows[:2], attributes={name: value}),
            (values,),
            {},
        )
        found[f"Store.upsert {name} of one"] = (
            lambda value, name=name: store.upsert("u", rows[0], attributes={name: value}),
            (values[0],),
            {},
        )
    found["Store.upsert payload of one"] = (lambda value: store.upsert("u", rows[0], payload=value), ({"a": 1},), {})
    found["Store.delete"] = (store.delete, (["x"],), {})
    found["Store.search"] = (
        store.search,
        (asked, 3),
        {"where": "year > 3", "payload": True, "attributes": True, "max_false": None, "beam": 5},
    )
    found["Store.get"] = (store.get, (["id1", "id2"],), {})
    found["Store.iterate"] = (lambda *a, **o: next(iter(store.iterate(*a, **o))), (), {"batch_size": 7})
    found["Store.verify"] = (store.verify, (), {"sample": 3, "repair": False, "random_state": 0})
    found["Store.optimize"] = (
        store.optimize,
        (),
        {"recall": 0.5, "memory": "1GB", "latency": 1000.0, "k": 3, "queries": None, "random_state": 0},
    )
    found["Store.fit_judge"] = (
        store.fit_judge,
        (),
        {
            "queries": None,
            "labels": None,
            "hidden": 0.1,
            "nearest": 2,
            "sample": 30,
            "background": 30,
            "random_state": 0,
        },
    )
    found["Store.in"] = (store.__contains__, ("id1",), {})
    found["Store.open"] = (lambda *a, **o: Store.open(*a, **o).close(), (folder / "a.nf",), {"read_only": True})
    fresh = iter(range(10**9))
    found["Store.create"] = (
        lambda name, *a, **o: Store.create(
            name if not isinstance(name, int) else folder / f"n{next(fresh)}.nf", *a, **o
        ).close(),
        (0, 4),
        {"metric": "l2", "dtype": "float16", "attributes": {"a": "int"}, "embedding": {"encoder": "x"}},
    )
    found["Store.snapshot"] = (
        lambda name: store.snapshot(name if not isinstance(name, int) else folder / f"n{next(fresh)}.nf"),
        (0,),
        {},
    )
    return found


SLOW = ("tune", "compress", "Store.optimize", "Store.fit_judge", "Plan.build", "codec_loss")


def test_one_wrong_argument(rows: np.ndarray, tmp_path: Path, rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls = specimens(rows, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (call, arguments, options) in calls.items():
            call(*arguments, **options) if name != "Store.add" else None
        names = sorted(calls)
        raised, wrong = 0, {}
        for number, chance in enumerate(rounds(1600)):
            name = names[number % len(names)]
            if name in SLOW and chance.random() < 0.7:
                continue
            call, arguments, options = calls[name]
            spoilt, named = list(arguments), dict(options)
            place = chance.randrange(len(spoilt) + len(named)) if spoilt or named else -1
            odd = chance.choice(odd_values())
            if 0 <= place < len(spoilt):
                spoilt[place] = odd
            elif place >= 0:
                named[sorted(named)[place - len(spoilt)]] = odd
            at = place if place < len(arguments) else sorted(named)[place - len(arguments)]
            described = f"{name}: argument {at} = {odd!r:.200}"
            try:
                call(*spoilt, **named)
            except (*ALLOWED, *OURS):
                raised += 1
            except OverflowError:  # scikit-learn's own check of what it is given
                if name.split(".")[0].split()[0] not in ("PCA", "LeanVec", "Truncation", "PairMargin"):
                    wrong[f"{name} OverflowError"] = described
            except OSError as error:  # a path of thousands of letters, say
                assert error.filename is not None or error.errno, described
            except Exception as error:
                wrong.setdefault(f"{name} {type(error).__name__}", f"{described}: {error!r:.200}")
        assert raised > 500 and not wrong, "\n".join(wrong.values())
