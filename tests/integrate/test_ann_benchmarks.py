"""The interface of ann-benchmarks, which is no package: its documented methods, and the loop of its runner."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.integrate import AnnBenchmarks

FOLDER = Path(__file__).parents[2] / "bench" / "ann-benchmarks"
ROWS = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
QUERIES = np.random.default_rng(1).standard_normal((40, 16)).astype(np.float32)

# The methods of BaseANN and their parameters, as its documentation has them.
METHODS = {
    "fit": ["X"],
    "query": ["q", "n"],
    "batch_query": ["X", "n"],
    "get_batch_results": [],
    "get_memory_usage": [],
    "get_additional": [],
    "done": [],
}


@pytest.mark.parametrize("name", METHODS)
def test_the_signatures_are_theirs(name: str) -> None:
    parameters = list(inspect.signature(getattr(AnnBenchmarks, name)).parameters)
    assert parameters == ["self", *METHODS[name]]


def configurations(metric: str) -> Iterator[tuple[Any, str, list[Any], list[list[Any]]]]:
    """What their reader makes of the configuration: constructor, group, its arguments, and query arguments."""
    yaml = pytest.importorskip("yaml")
    spec = importlib.util.spec_from_file_location("nearfield_ann_benchmarks", FOLDER / "module.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for said in yaml.safe_load((FOLDER / "config.yml").read_text())["float"]["any"]:
        assert said["module"] == "ann_benchmarks.algorithms.nearfield" and said["docker_tag"].endswith("nearfield")
        base = [metric if argument == "@metric" else argument for argument in said["base_args"]]
        for name, group in said["run_groups"].items():
            (fields,) = group["arg_groups"]
            choices = [value if isinstance(value, list) else [value] for value in fields.values()]
            for values in itertools.product(*choices):
                arguments = [*base, dict(zip(fields, values, strict=True))]
                queries = [list(one) for one in itertools.product(*group["query_args"])]
                yield getattr(module, said["constructor"]), name, arguments, queries


def run(algorithm: Any, rows: np.ndarray, queries: np.ndarray, widths: list[list[Any]], metric: str) -> list[float]:
    """Their runner's loop: fit, then for each width every query alone and all in a batch; recall of ten."""
    normal = [x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "angular" else x for x in (rows, queries)]
    truth = np.argsort(np.linalg.norm(normal[1][:, None] - normal[0][None], axis=2), axis=1)[:, :10]
    before = algorithm.get_memory_usage()
    algorithm.fit(rows)
    assert before is None or algorithm.get_memory_usage() > 0
    recalls = []
    for arguments in widths:
        algorithm.set_query_arguments(*arguments)
        single = [algorithm.query(query, 10) for query in queries]
        algorithm.batch_query(queries, 10)
        for one, other in zip(single, algorithm.get_batch_results(), strict=True):
            assert np.array_equal(one, other) and len(one) <= 10 and len(set(one.tolist())) == len(one)
            assert all(isinstance(int(number), int) for number in one)
        shares = [len(set(one) & set(right)) / 10 for one, right in zip(single, truth, strict=True)]
        recalls.append(float(np.mean(shares)))
        assert str(algorithm) == algorithm.name and f"width={arguments[0]}" in algorithm.name
    algorithm.done()
    return recalls


@pytest.mark.parametrize("metric", ["angular", "euclidean"])
def test_every_configuration_runs(metric: str) -> None:
    names = set()
    for constructor, name, arguments, widths in configurations(metric):
        algorithm = constructor(*arguments)
        assert str(algorithm) not in names  # a curve for each
        names.add(str(algorithm))
        recalls = run(algorithm, ROWS, QUERIES, [widths[0], widths[-1]], metric)
        assert recalls[1] > 0.97 and recalls[0] <= recalls[1] + 0.01, (name, recalls)
    assert len(names) >= 6


def test_inner_products_and_what_is_refused() -> None:
    algorithm = AnnBenchmarks("ip", {"kind": "flat", "bits": 32})
    algorithm.fit(ROWS.astype(np.float64))
    assert algorithm.query(QUERIES[0], 5).tolist() == np.argsort(-(ROWS @ QUERIES[0]))[:5].tolist()
    assert len(algorithm.query(QUERIES[0], 5000)) == 3000
    assert algorithm.get_additional()["bytes_total"] > 0
    with pytest.raises(ValueError, match="metric: expected one of angular, euclidean, ip, dot, got 'jaccard'"):
        AnnBenchmarks("jaccard")
    with pytest.raises(ValueError, match="parameters: expected fields of a Recipe"):
        AnnBenchmarks("angular", {"M": 16})
    with pytest.raises(ValueError, match="width"):
        algorithm.set_query_arguments(0)
    fresh = AnnBenchmarks("angular")
    assert fresh.get_additional() == {}
    for ask in (lambda: fresh.query(QUERIES[0], 1), fresh.get_batch_results):
        with pytest.raises(RuntimeError, match="first"):
            ask()


@pytest.mark.slow
def test_fashion_mnist() -> None:
    """The data set that they call fashion-mnist-784-euclidean, a tenth of its rows."""
    from nearfield import datasets

    try:
        images = datasets.load("fashion_mnist")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    rows, queries = images.train[:6000].astype(np.float32), images.test[:50].astype(np.float32)
    algorithm = AnnBenchmarks("euclidean", {"layout": "fast", "alpha": 1.1, "slack": True})
    recalls = run(algorithm, rows, queries, [[10], [80]], "euclidean")
    assert recalls[1] > 0.97 and recalls[0] > 0.7
