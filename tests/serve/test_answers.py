"""Answers as JSON: what the core writes is what a library makes of dictionaries."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("orjson", reason="needs nearfield[serve]")

from nearfield.serve.api.answers import answers_of, texts_of, together
from nearfield.store import Hits

IDS: Any = [["a", 'b"\n'], ["é", None], [None, None]]
DISTANCES = np.array([[0.1, 2], [-1e-7, np.inf], [np.inf, np.inf]], np.float32)
STATUS = ["ok", 'only 1 item passes "x"', "no item passes the filter"]


@pytest.mark.parametrize(
    ("cursor", "more"),
    [
        (False, {}),
        (True, {}),
        (False, {"relevance": np.zeros((3, 2), np.float32)}),
        (False, {"payload": [[1, None], [{}, None], [None, None]]}),
        (False, {"legs": {"text": np.ones((3, 2), np.float32)}}),
    ],
)
def test_each_who_asked_is_answered(cursor: bool, more: dict[str, Any]) -> None:
    hits = Hits(IDS, DISTANCES, STATUS, **more)
    one, two, three = answers_of(hits, cursor)
    found = [json.loads(text) for text in texts_of(hits, cursor, [None, 2])]
    assert found == [one, together([two, three])]
    found = [json.loads(text) for text in texts_of(hits, cursor, [1, None, None])]
    assert found == [together([one]), two, three]
    assert [json.loads(text) for text in texts_of(hits, cursor, [3])] == [together([one, two, three])]
