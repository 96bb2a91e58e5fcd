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
        return {"encoder": "Letters", "dim": self.dim, "digest": "0"}


@pytest.fixture
def folder(tmp_path: Path, vectors: np.ndarray) -> Path:
    """A folder with "papers", like that of tests/serve but with a judge and an encoder, and two more collections."""
    place, rows = tmp_path / "all", len(vectors)
    with Collections(place) as collections:
        schema = {"year": "int", "topic": "string"}
        collections.create("papers", 8, attributes=schema, text="title", embedding=Letters().fingerprint())
        with collections.open("papers") as store:
            store.add(
                [f"p{number}" for number in range(rows)],
                vectors,
                attributes={
                    "year": [2000 + number % 25 for number in range(rows)],
                    "topic": [("vision", "nlp", "audio")[number % 3] for number in range(rows)],
                },
                payload=[{"title": f"Paper number {number}"} for number in range(rows)],
            )
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
    return place


@pytest.fixture
def app(folder: Path):
    """The application over ``folder``, with the encoder of its papers."""
    made = create_app(folder, encoder=Letters())
    yield made
    made.state.hosted.close()
