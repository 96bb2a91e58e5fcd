from __future__ import annotations

from pathlib import Path

import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import KnowledgeGraph, load


def test_sizes(data: Path) -> None:
    graph = load("wn18rr")
    assert isinstance(graph, KnowledgeGraph)
    assert (len(graph), len(graph.relations)) == (40_943, 11)
    assert [len(part) for part in (graph.train, graph.valid, graph.test)] == [86_835, 3034, 3134]


def test_small_and_damaged_files(empty_home: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"ConvE"):
        load("wn18rr")
    (empty_home / "wn18rr").mkdir(parents=True)
    for part, text in (("train", "b\tis\ta\n"), ("valid", ""), ("test", "a\thas\tc\n")):
        (empty_home / "wn18rr" / f"{part}.txt").write_text(text)
    graph = load("wn18rr")
    assert graph.entities == ["a", "b", "c"] and graph.relations == ["has", "is"]
    assert graph.train.tolist() == [[1, 1, 0]] and graph.valid.shape == (0, 3)
    (empty_home / "wn18rr" / "valid.txt").write_text("a b c\n")
    with pytest.raises(CorruptFileError, match="valid"):
        load("wn18rr")
