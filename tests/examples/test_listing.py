"""Listings as they come: incomplete, with duplicates, damaged."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from listing import read_listing


def write(folder: Path, content: Any, name: str = "listing.json") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_what_is_amiss_is_noted_and_the_rest_is_read(tmp_path: Path) -> None:
    entries = [
        {"title": "On Lamps", "abstract": "Lamps shine."},
        {"title": "On Wicks"},
        {"title": "  on   LAMPS ", "abstract": "The same again."},
        {"abstract": "No title."},
        "not an object",
        {"title": 7, "abstract": "A number for a title."},
        {"title": "On Oil", "abstract": None, "year": "long ago"},
    ]
    read = read_listing(write(tmp_path, entries))
    assert [paper.title for paper in read.papers] == ["On Lamps", "On Wicks", "On Oil"]
    assert [paper.text for paper in read.papers] == ["On Lamps\nLamps shine.", "On Wicks", "On Oil"]
    said = "\n".join(read.notes)
    for part in ("entry 2 has no abstract", "entry 3 left out: a paper like it", "entry 4 left out: it has no title"):
        assert part in said
    for part in ("entry 5 left out: expected an object", "entry 6 left out", "entry 7 has a date"):
        assert part in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"title,abstract\n", "expected JSON"),
        (b'[{"title": "cut', "expected JSON"),
        (b"\xff\xfe[]", "expected text in UTF-8"),
        (b"[]", "found none"),
        (b"3", "expected a list of papers"),
        (b'{"articles": []}', "expected a list of papers"),
        (b'[{"abstract": "no title"}]', "entry 1 left out: it has no title"),
        (b"[" * 100_000, "beyond all depth"),
    ],
)
def test_what_is_no_listing_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        read_listing(write(tmp_path, content))
    assert "listing.json" in str(raised.value)


def test_other_forms_are_read_alike(tmp_path: Path) -> None:
    entry = {"title": "Über Öl", "abstract": "Öl brennt."}
    lines = (json.dumps(entry, ensure_ascii=False) + "\n\n").encode()
    marked = b"\xef\xbb\xbf" + json.dumps([entry]).encode()
    forms = [write(tmp_path, {"papers": [entry]}), write(tmp_path, lines, "a.jsonl"), write(tmp_path, marked, "b.json")]
    read = [read_listing(path).papers for path in forms]
    assert read[0] == read[1] == read[2] and read[0][0].title == "Über Öl"


def test_ids_are_the_listings_own_or_follow_from_the_title(tmp_path: Path) -> None:
    titles = ["C", "C++", "C#", "油灯", "?!", "Lamps"]
    entries = [{"title": title} for title in titles] + [{"title": "Own", "id": 17}, {"title": "Other", "id": "17"}]
    papers = read_listing(write(tmp_path, entries)).papers
    assert len({paper.id for paper in papers}) == len(papers) == 7
    assert papers[-1].id == "17" and papers[4].id.startswith("paper-") and papers[3].id.startswith("油灯-")
    again = read_listing(write(tmp_path, entries[::-1])).papers
    assert {paper.title: paper.id for paper in again if paper.id != "17"} == {
        paper.title: paper.id for paper in papers if paper.id != "17"
    }


@pytest.mark.parametrize(
    ("entry", "date"),
    [
        ({"year": 2021}, dt.date(2021, 1, 1)),
        ({"date": "2021-03"}, dt.date(2021, 3, 1)),
        ({"published": "2021-03-04T05:06:07Z", "year": 1999}, dt.date(2021, 3, 4)),
        ({"published": "2021-13-40", "year": "2021"}, dt.date(2021, 1, 1)),
        ({"year": None}, None),
        ({"year": 20210304}, None),
    ],
)
def test_dates(tmp_path: Path, entry: dict[str, Any], date: dt.date | None) -> None:
    assert read_listing(write(tmp_path, [{"title": "On Lamps"} | entry])).papers[0].published == date


def test_texts_that_no_file_can_hold_are_mended(tmp_path: Path) -> None:
    odd = (
        b'[{"title": "On \\ud800 lamps\\u0000", "id": "a\\udfff\\n b"}, '
        b'{"title": "\\u0000"}, {"title": "x", "id": true}]'
    )
    papers = read_listing(write(tmp_path, odd)).papers
    assert [paper.title for paper in papers] == ["On ? lamps", "x"]
    assert papers[0].id == "a? b" and papers[1].id.startswith("x-")


def test_only_web_addresses_become_links(tmp_path: Path) -> None:
    entries = [{"title": "a", "url": "javascript:alert(1)"}, {"title": "b", "url": "https://example.org/b"}]
    assert [paper.url for paper in read_listing(write(tmp_path, entries)).papers] == [None, "https://example.org/b"]
