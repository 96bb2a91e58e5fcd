"""Labels by words."""

from __future__ import annotations

from pathlib import Path

import pytest
from listing import Paper
from vocabulary import label, read_vocabulary


def test_the_class_of_most_words_wins_and_the_title_counts_more() -> None:
    words = read_vocabulary()
    assert label(Paper("a", "Clustering letters", "We search and search."), "task", words) == "clustering"
    assert label(Paper("a", "Lamps", "We cluster; clusters of a search."), "task", words) == "clustering"
    assert label(Paper("a", "Lamps", "We cluster once."), "task", words) is None
    assert label(Paper("a", "Lamps", "Clusters, clusters; a query and a search."), "task", words) is None
    assert label(Paper("a", "Clustering", labels={"task": "sorting"}), "task", words) == "sorting"


@pytest.mark.parametrize(
    ("text", "said"),
    [("[task", "expected TOML"), ("[colour]\nred = ['red']", "'colour'"), ("[task]\nsearch = 'x'", "lists of words")],
)
def test_another_vocabulary_is_checked(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_vocabulary(tmp_path / "own.toml")
