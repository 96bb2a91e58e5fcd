from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import Clinc150, Utterances, load


def test_parts_and_balance(data: Path) -> None:
    loaded = load("clinc150")
    assert isinstance(loaded, Clinc150)
    assert isinstance(loaded.train, Utterances)
    sizes = [len(part) for part in vars(loaded).values()]
    assert sizes == [15_000, 3000, 4500, 100, 100, 1000]
    assert set(Counter(loaded.train.intents).values()) == {100}
    assert set(loaded.oos_test.intents) == {"oos"}


def test_another_json_is_named(empty_home: Path) -> None:
    (empty_home / "clinc150").mkdir(parents=True)
    (empty_home / "clinc150" / "data_full.json").write_text('{"train": [["a", "b"]]}')
    with pytest.raises(CorruptFileError, match=r"data_full\.json"):
        load("clinc150")
