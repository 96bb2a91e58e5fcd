"""Fashion-MNIST: images of clothes, the Euclidean set of the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sources import Source, damage_named, obtain, read_bytes

_HOME = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_DEBIAN = "/usr/share/datasets/fashion-mnist/"
_SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


@dataclass(frozen=True)
class FashionMNIST:
    """70,000 grey images of clothes, 28 x 28 pixels, in ten classes; the usual vectors of Euclidean benchmarks.

    Attributes
    ----------
    train, test : float32 (60000, 784) and (10000, 784), pixels from 0 to 255.
    train_labels, test_labels : int64, classes 0 to 9.

    Source: https://github.com/zalandoresearch/fashion-mnist (MIT). Debian's package ``dataset-fashion-mnist`` is found
    where it installs the files.

    Examples
    --------
    >>> from nearfield.datasets import load
    >>> load("fashion_mnist").train.shape    # doctest: +SKIP
    (60000, 784)
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def _read_idx(name: str) -> np.ndarray:
    """An array in the IDX format: two zero bytes, the type (8: uint8), the number of axes, their sizes, the data."""
    path = obtain(Source(f"fashion_mnist/{name}", _HOME + name, _SHA256[name], also=(_DEBIAN + name,)))
    content = read_bytes(path)
    with damage_named(path):
        if content[:3] != b"\0\0\x08":
            raise ValueError(f"expected an IDX file of bytes, got a file that begins with {content[:4]!r}")
        axes = content[3]
        shape = np.frombuffer(content, ">u4", axes, 4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def load() -> FashionMNIST:
    """Images as rows of floats, labels as integers."""
    images = {part: _read_idx(f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")}
    labels = {part: _read_idx(f"{part}-labels-idx1-ubyte.gz").astype(np.int64) for part in ("train", "t10k")}
    rows = {part: array.reshape(len(array), -1).astype(np.float32) for part, array in images.items()}
    return FashionMNIST(rows["train"], labels["train"], rows["t10k"], labels["t10k"])
