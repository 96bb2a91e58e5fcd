from __future__ import annotations

from pathlib import Path

import pytest

import nearfield.datasets as datasets


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of 'blogcatalog', 'clinc150'"):
        datasets.load("imagenet")  # type: ignore[call-overload]


def test_the_function_is_not_shadowed_by_a_module() -> None:
    assert callable(datasets.load)
    datasets.python_documentation  # noqa: B018
    assert callable(datasets.load)
    assert callable(datasets.python_documentation)


@pytest.mark.parametrize(("name", "said"), [("wordnet", "OnnxText"), ("scifact", "BEIR"), ("cranfield", "qrels.tsv")])
def test_sets_without_a_home_say_how_to_get_them(empty_home: Path, name: str, said: str) -> None:
    with pytest.raises(FileNotFoundError, match=said):
        datasets.load(name)  # type: ignore[call-overload]
