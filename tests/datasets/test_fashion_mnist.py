from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import FashionMNIST, load
from nearfield.datasets.fashion_mnist import _DEBIAN


@pytest.mark.skipif(not Path(_DEBIAN).is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_shapes_and_classes(empty_home: Path) -> None:
    loaded = load("fashion_mnist")
    assert isinstance(loaded, FashionMNIST)
    assert loaded.train.shape == (60_000, 784)
    assert loaded.test.shape == (10_000, 784)
    assert loaded.train.dtype == np.float32
    assert loaded.train.max() == 255
    assert np.bincount(loaded.train_labels).tolist() == [6000] * 10
    assert np.bincount(loaded.test_labels).tolist() == [1000] * 10


def test_a_file_that_is_no_idx_is_named(empty_home: Path) -> None:
    folder = empty_home / "fashion_mnist"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x0d\x01\0\0\0\x01\0"))
    with pytest.raises(CorruptFileError, match="train-images"):
        load("fashion_mnist")
