from __future__ import annotations

from pathlib import Path

import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import STSB, ScoredPairs, load


def test_sizes_and_scores(data: Path) -> None:
    loaded = load("stsb")
    assert isinstance(loaded, STSB)
    assert isinstance(loaded.train, ScoredPairs)
    assert [len(part) for part in (loaded.train, loaded.dev, loaded.test)] == [5749, 1500, 1379]
    assert loaded.test.first[0] == "A girl is styling her hair."
    assert (loaded.train.score.min(), loaded.train.score.max()) == (0.0, 5.0)


def test_another_csv_is_named(empty_home: Path) -> None:
    (empty_home / "stsb").mkdir(parents=True)
    (empty_home / "stsb" / "train.csv").write_text("a,b,c\n")
    with pytest.raises(CorruptFileError, match=r"train\.csv"):
        load("stsb")
