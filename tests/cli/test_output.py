from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest

from nearfield.cli.output import hit_lines, note, print_json, say, snippet
from nearfield.store import Hit


def test_json_holds_what_json_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": np.float32(0.5), "b": float("nan"), "c": np.arange(2), "d": (dt.date(2024, 1, 2), None), 5: True})
    assert json.loads(capsys.readouterr().out) == {
        "a": 0.5,
        "b": None,
        "c": [0, 1],
        "d": ["2024-01-02", None],
        "5": True,
    }


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (None, ""),
        ("just  a\ntext", "just a text"),
        ({"text": "long text", "summary": "short"}, "short"),
        ({"x": 1, "y": "only", "z": "longest one"}, "longest one"),
        ([1, 2], ""),
        ({"text": "word " * 50}, "word word word word ..."),
    ],
)
def test_snippets(payload: object, expected: str) -> None:
    assert snippet(payload, 26) == expected


def test_lines_of_hits() -> None:
    hits = [Hit("f", 0.2, 0.987, None, {"signature": "(a, b)", "summary": "Adds."}), Hit(7, 0.25)]
    assert hit_lines(hits) == ["   0.99  f(a, b)", "         Adds.", "  0.250  7"]


def test_what_is_stored_gives_no_commands_to_the_terminal() -> None:
    hit = Hit("a\x1b]0;title\x07\n", 0.5, None, None, {"text": "red \x1b[31m\x9b31m"})
    shown = "\n".join(hit_lines([hit]))
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for line in hit_lines([hit]) for c in line)
    assert "title" in shown and "red" in shown


def test_what_a_stream_cannot_say_is_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say("name \udcff")
    note("name \ud800")
    print_json({"name": "\udcff"})
    printed = capsys.readouterr()
    assert printed.out.startswith("name \\udcff\n") and printed.err == "nearfield: name \\ud800\n"
    assert json.loads(printed.out.split("\n", 1)[1]) == {"name": "\udcff"}
