from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import Graph, load


def test_sizes_and_direction(data: Path) -> None:
    cora, blogs, mail = load("cora"), load("blogcatalog"), load("email_eu")
    assert isinstance(cora, Graph)
    assert (len(cora), cora.adjacency.nnz, cora.attributes.shape[1]) == (2708, 10_556, 1433)
    assert (len(blogs), blogs.adjacency.nnz, blogs.labels.shape) == (10_312, 667_966, (10_312, 39))
    assert (len(mail), mail.adjacency.nnz, len(np.unique(mail.labels))) == (1005, 25_571, 42)
    assert (cora.adjacency != cora.adjacency.T).nnz == (blogs.adjacency != blogs.adjacency.T).nnz == 0
    assert (mail.adjacency != mail.adjacency.T).nnz > 0


@pytest.mark.parametrize("name", ["cora", "blogcatalog", "email_eu"])
def test_missing_and_other_files_are_named(empty_home: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=name):
        load(name)  # type: ignore[call-overload]
    (empty_home / "graphs").mkdir(parents=True)
    np.savez(empty_home / "graphs" / f"{name}.npz", something=np.zeros(3))
    with pytest.raises(CorruptFileError, match=name):
        load(name)  # type: ignore[call-overload]
