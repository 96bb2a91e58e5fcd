from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.cli.source_npy import Npy


def test_rows_in_chunks(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(20, dtype=np.float16).reshape(10, 2))
    chunks = list(Npy(tmp_path / "v.npy").chunks(4))
    assert [chunk.ids for chunk in chunks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert chunks[2].vectors.tolist() == [[16, 17], [18, 19]]


@pytest.mark.parametrize(
    "array", [np.zeros(5), np.zeros((2, 2, 2)), np.zeros((0, 4)), np.array([["a"]]), np.zeros((2, 2), complex)]
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(ValueError, match=r"v\.npy: expected"):
        Npy(tmp_path / "v.npy")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a\nb\n", "expected 3 ids, one for each vector, got 2"), (b"a\nb\n\xff\n", "not UTF-8")],
)
def test_bad_ids(tmp_path: Path, content: bytes, said: str) -> None:
    np.save(tmp_path / "v.npy", np.ones((3, 2)))
    (tmp_path / "ids.txt").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        Npy(tmp_path / "v.npy", tmp_path / "ids.txt")
    np.save(tmp_path / "ids.npy", np.zeros((3, 1), np.int64))
    with pytest.raises(ValueError, match="1-D array"):
        Npy(tmp_path / "v.npy", tmp_path / "ids.npy")
