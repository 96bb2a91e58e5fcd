"""Collections for the page: papers with a judge, items whose every text is HTML, an empty one; and a small encoder."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.serve import create_app
from nearfield.store import Collections

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
PLACE = "<b>hostile</b>/x"


class Letters:
    """Texts as counts of their letters' hashes: an encoder that needs nothing."""

    dim = 8

    def encode(self, items: Any) -> np.ndarray:
        texts = [items] if isinstance(items, str) else list(items)
        rows = np.ones((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[zlib.crc32(word.encode()) % self.dim] += 5
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows[0] if isinstance(items, str) else rows

    def fingerprint(self) -> dict[str, Any]:
        return {"encoder": "Letters", "dim": self.dim}


@pytest.fixture
def folder(folder: Path) -> Path:
    """The folder of tests/serve with a judge, and two more collections."""
    with Collections(folder) as collections:
        with collections.open("papers") as store:
            store.fit_judge()
        collections.create(PLACE, 4, attributes={"<i>a</i>": "string"}, text="text")
        with collections.open(PLACE) as store:
            store.add(
                [f"{HOSTILE}{number}" for number in range(30)],
                np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32),
                attributes={"<i>a</i>": [HOSTILE] * 30},
                payload=[{"title": HOSTILE, "text": f"{HOSTILE} words"}] * 30,
            )
        collections.create("none", 4)
    return folder


@pytest.fixture
def app(folder: Path):
    """The application over ``folder``, with an encoder that stands for every collection of 8 dimensions."""
    made = create_app(folder, encoder=Letters())
    yield made
    made.state.hosted.close()
