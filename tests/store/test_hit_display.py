from __future__ import annotations

import datetime as dt
import re

import numpy as np

from nearfield.store import Hits, VerifyReport

DISTANCES = np.array([[0.1, 0.2], [0.3, np.inf]], np.float32)


def text_of(made: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", made))


def test_one_query() -> None:
    hits = Hits(
        [["<b>", "x" * 300]],
        DISTANCES[:1],
        ["only 1 & 2"],
        relevance=np.array([[0.9, 0.1]], np.float32),
        attributes=[[{"year": 2024, "tags": ["a", "b"], "at": dt.datetime(2024, 5, 1, 10)}, {"year": None}]],
        payload=[[{"title": "<i>On stores</i>", "long": "word " * 100}, None]],
        single=True,
    )
    made = hits._repr_html_()
    assert "<b>" not in made and "<i>" not in made and "http" not in made
    shown = text_of(made)
    assert "2 found of 2: only 1 &amp; 2" in shown and "0.1000" in shown and "0.90" in shown
    assert "a, b" in shown and "2024-05-01 10:00" in shown and "–" in shown
    assert "…" in shown and "x" * 200 not in shown


def test_many_queries_and_many_hits() -> None:
    ids = [[f"i{row}" for row in range(30)]] * 8
    made = Hits(ids, np.tile(np.arange(30, dtype=np.float32), (8, 1)), ["ok"] * 8)._repr_html_()
    assert made.count("<details>") == 4 and "and 3 more queries" in made and made.count("and 10 more") == 5


def test_nothing_found() -> None:
    none = Hits([[None]], np.float32([[np.inf]]), ["no item passes the filter"], single=True)
    assert "0 found of 1: no item passes the filter" in text_of(none._repr_html_())
    assert "<table" not in none._repr_html_()
    assert "Hits of 0 queries" in Hits([], np.empty((0, 3), np.float32), [])._repr_html_()


def test_reports_of_verification() -> None:
    good = VerifyReport(counts={"items": 3000, "not_found": 0})._repr_html_()
    assert "3,000" in good and "not found" in good and ">ok<" in good
    bad = VerifyReport(problems=["a<b"], repairs=["index: built again"])._repr_html_()
    assert "1 problems" in bad and "a&lt;b" in bad and "built again" in bad
