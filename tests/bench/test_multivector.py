"""The benchmark of late interaction on invented bags: it runs, and its page says what was measured."""

import json

import numpy as np
import pytest

from nearfield.bench import multivector
from nearfield.bench.multivector import generators, markdown, measure_multivector, token_codecs
from nearfield.encode import Bags


def invented(count: int, seed: int) -> Bags:
    rng = np.random.default_rng(seed)
    middle = np.random.default_rng(0).standard_normal((10, 16))
    bags = [middle[row % 10] + rng.standard_normal((rng.integers(2, 12), 16)) for row in range(count)]
    return Bags.from_list([bag.astype(np.float32) for bag in bags]).unit()


@pytest.mark.slow
def test_all_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multivector, "peers", dict)
    found = measure_multivector(invented(150, 1), invented(30, 2), invented(12, 3), lambda rows: 0.5, rounds=1)
    json.dumps(found)
    assert set(found["generators"]) == set(generators()) and set(found["codecs"]) == set(token_codecs())
    assert all(row["recall"] == sorted(row["recall"]) for row in found["generators"].values())
    text = markdown({"machine": {"cpu": {"model": "x"}, "date": "d", "load": [0]}, **found})
    assert all(f"| {name} |" in text for name in (*generators(), *token_codecs(), *found["reduced"], *found["peers"]))
    assert all(row["same"] > 0.5 for row in found["peers"].values())


def test_peers_are_those_installed() -> None:
    assert set(multivector.peers()) <= {"fast-plaid"}
