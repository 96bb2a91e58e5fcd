"""Filtered search beside its peers: the cases, the ladder, and a small run to the end."""

import argparse
import json

import numpy as np
import pytest

from nearfield.bench import add_arguments, data, filter_peers, filtered, run


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch):
    """1,000 unit rows and 30 queries; the cases of half and a tenth."""
    rows = np.random.default_rng(0).standard_normal((1030, 16), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    workload = data.Workload("wordnet", "cosine", rows[30:], {"wordnet": rows[:30]})
    monkeypatch.setattr(filtered, "wordnet", lambda rows=None, count=5: workload)
    monkeypatch.setattr(filtered, "QUERIES", 10)
    return workload.base, filtered.cases(workload.base, workload.queries["wordnet"], (1.0, 0.5, 0.1))


def test_a_filter_and_its_mask_say_the_same(made) -> None:
    base, cases = made
    assert [case.name for case in cases] == [
        "all",
        *(f"{share}% {place}" for share in (50, 10) for place in filtered.PLACES),
    ]
    attributes = filtered.columns(base, cases[0].queries[0])
    for case in cases:
        column, sign, bound = case.where.split()
        values = attributes[column]
        assert ((values < int(bound) if sign == "<" else values >= int(bound)) == case.mask).all()
        assert case.mask.sum() == round(case.share * len(base)) and len(case.queries) == 10
    near, far = cases[2], cases[3]
    assert (base[near.mask] @ near.queries[0]).min() >= (base[far.mask] @ near.queries[0]).max() - 1e-6


class Narrow(filter_peers.ScanFloats):
    """Finds as many neighbours as its width says."""

    name = "narrow"
    widths = (1, 9, 10)

    def search(self, case, queries, k, width):
        rows = super().search(case, queries, k, width)
        return np.where(np.arange(k) < width, rows, -1)


def test_a_peer_climbs_until_it_reaches_the_target(made, tmp_path) -> None:
    base, cases = made
    peer = Narrow(tmp_path)
    peer.build(base, {})
    found = filtered.measure(peer, cases[1], base)
    assert found["width"] == 10 and found["reached"] and found["recall"] == 1 and found["queries"] == 10
    peer.widths = (1, 9)
    found = filtered.measure(peer, cases[1], base)
    assert found["width"] == 9 and not found["reached"] and found["recall"] == pytest.approx(0.9)


def test_rows_that_the_filter_excludes_are_an_error(made, tmp_path) -> None:
    base, cases = made
    peer = Narrow(tmp_path)
    peer.build(base, {})
    peer.search = lambda case, queries, k, width: np.zeros((len(queries), k), int) + np.flatnonzero(~case.mask)[0]
    with pytest.raises(RuntimeError, match="narrow returned rows"):
        filtered.measure(peer, cases[1], base)


@pytest.mark.parametrize("make", filter_peers.PEERS, ids=lambda make: make.name)
def test_every_installed_peer_answers(made, tmp_path, make) -> None:
    if make.missing() is not None:
        pytest.skip(make.missing())
    if make.package in ("lancedb", "zvec"):
        pytest.skip("starts threads that outlive the test")
    base, cases = made
    peer = make(tmp_path)
    peer.build(base, filtered.columns(base, cases[0].queries[0]))
    assert all(filtered.measure(peer, case, base)["recall"] >= 0.95 for case in cases)
    assert peer.version() and peer.about
    peer.close()


def test_a_small_run_writes_tables(made, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(filtered, "SHARES", (1.0, 0.1))
    monkeypatch.setattr(filtered, "PEERS", filter_peers.PEERS[:5])
    monkeypatch.setattr(filter_peers.ScanCodes, "missing", classmethod(lambda _: "pip install something"))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = ["filtered", "--quick", "--out", str(tmp_path)]
    assert run(parser.parse_args(arguments)) == 0
    result = json.loads((tmp_path / "quick" / "filtered.json").read_text())
    assert list(result["peers"]) == ["scan of floats", "Graph", "Store", "Store, one"]
    assert len(result["cases"]) == 4 and all(line["peers"]["Graph"]["reached"] for line in result["cases"])
    text = (tmp_path / "quick" / "filtered.md").read_text()
    assert "| 10% far | 100 |" in text and "Not measured: scan of codes (pip install something)" in text
