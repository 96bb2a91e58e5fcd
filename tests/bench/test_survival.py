"""The benchmark of what a cut survives, on invented texts: it runs, and its figures mean what they say."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from nearfield.bench.survival import Asked, Case, markdown, measure


def texts(topics: np.ndarray, rng: np.random.Generator) -> list[str]:
    return [f"topic{topic} number{rng.integers(1000)}" for topic in topics]


def encode(seed: int, dim: int):
    """Texts of one topic lie together."""
    centers = np.random.default_rng(seed).standard_normal((80, dim))

    def encoded(some: Sequence[str]) -> np.ndarray:
        rows = [
            centers[int(text.split()[0][5:])]
            + 0.4 * np.random.default_rng([len(text), *text.encode()]).standard_normal(dim)
            for text in some
        ]
        return np.float32(rows)

    return encoded


@pytest.mark.slow
def test_every_setting_is_measured_and_promises_are_kept() -> None:
    rng = np.random.default_rng(0)
    topics = np.repeat(np.arange(60), 5)

    def asked(some: np.ndarray) -> Asked:
        return Asked(texts(some, rng), [np.flatnonzero(topics == topic).tolist() for topic in some])

    case = Case("invented", texts(topics, rng), asked(np.repeat(np.arange(40), 2)), asked(np.arange(40, 60)), [])
    rows = measure(case, encode(1, 12), encode(2, 16), levels=(0.1, 0.5))
    names = [row["setting"] for row in rows]
    assert names[0] == "a filter that keeps the answers out" and "a filter that 1% pass" in names
    assert sum("after a move" in name for name in names) == 6 and len(names) == 13
    assert [name for name in names if "refused" in name] == [name for name in names if "mapped" in name] != []
    for row in rows:
        value, low, high = row["false"]["0.1"]
        assert 0 <= low <= value <= high <= 1 and row["queries"] == 20
    plain = next(row for row in rows if row["setting"] == "as fitted")
    assert plain["false"]["0.1"][1] <= 0.1 and plain["lost"]["0.5"] <= plain["lost"]["0.1"]
    assert all(row["false"]["0.1"][0] <= plain["false"]["0.1"][0] for row in rows if "% pass" in row["setting"])
    outside = {**plain, "setting": "outside"}
    json.dumps(rows)
    lines = "\n".join(markdown({"invented": rows, "outside": [outside]}))
    assert "## outside, 20 queries without an answer" in lines and "| a filter that 50% pass |" in lines
