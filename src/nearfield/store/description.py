"""What the catalogue says of the store and its segments, checked when it is read.

Checksums tell what was altered by accident. A store may also come from somebody else, and its checksums be right: a
file name that leads out of the directory, say, would have the next compaction remove what it names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..common.checks import check_choice, check_int, check_real
from ..common.decoding import expect
from .attributes import check_schema

# How texts become words; what FTS5 is told for each is in texts.py.
TOKENIZERS = ("porter", "unicode61", "trigram")
_FILE = re.compile(r"[a-z]+(\.[0-9]+)?\.(nfa|arrow)")
_LARGEST = 2**63 - 1


def check_settings(meta: Mapping[str, Any]) -> None:
    """ValueError or TypeError unless the settings are those of a store."""
    check_int(meta["dim"], "dim", 1, 16384)
    check_choice(meta["metric"], "metric", ("cosine", "ip", "l2"))
    check_choice(meta["dtype"], "dtype", ("float32", "float16"))
    expect(isinstance(meta["attributes"], dict), "attributes: expected an object")
    check_schema(meta["attributes"])
    expect(meta.get("id_type") in (None, "int", "str"), f"id_type: {meta.get('id_type')!r}")
    for name in ("embedding", "plan", "judge", "next", "text", "fusion", "aspects", "bags"):
        expect(meta.get(name) is None or isinstance(meta[name], dict), f"{name}: expected an object")
    if meta.get("text") is not None:
        field, tokenizer = meta["text"]["field"], meta["text"]["tokenizer"]
        expect(field is None or isinstance(field, str), "text: expected the name of a key")
        check_choice(tokenizer, "text: tokenizer", TOKENIZERS)
    if meta.get("next") is not None:
        check_next(meta["next"])
    if meta.get("aspects") is not None:
        stored = meta["aspects"]
        expect(isinstance(stored["identity"], str), "aspects: expected an identity")
        expect(all(isinstance(stored[name], dict) for name in ("labels", "attributes")), "aspects: expected objects")
        expect(all(isinstance(labels, list) for labels in stored["labels"].values()), "aspects: expected lists")
    if meta.get("bags") is not None:
        check_kept_bags(meta["bags"])


def check_kept_bags(kept: Mapping[str, Any]) -> None:
    """KeyError, ValueError or TypeError unless this is the setting of a store that keeps bags."""
    check_int(kept["dim"], "bags: dim", 1, 16384)
    expect(isinstance(kept["identity"], str), "bags: expected an identity")
    expect(isinstance(kept["codec"], dict), "bags: expected a codec")
    for name in ("means", "encoding"):
        expect(kept[name] is None or isinstance(kept[name], dict), f"bags: {name}: expected an object")


def check_next(following: Mapping[str, Any]) -> None:
    """KeyError, ValueError or TypeError unless this is the setting of a move to another model."""
    check_int(following["dim"], "next: dim", 1, 16384)
    check_choice(following["metric"], "next: metric", ("cosine", "ip", "l2"))
    expect(following["embedding"] is None or isinstance(following["embedding"], dict), "next: embedding")
    expect(isinstance(following["identity"], str), "next: expected an identity")
    check_int(following["learnt"], "next: learnt", 1, _LARGEST)
    gain, shift = following["calibration"]
    check_real(gain, "next: gain", 0.0, 1e9, open_low=True)
    check_real(shift, "next: shift", -1e9, 1e9)
    check_real(following["weight"], "next: weight", 0.0, 1.0)
    check_real(following["lift"], "next: lift", -1e9, 1e9)
    expect(isinstance(following["choice"], dict) and isinstance(following["choice"]["loss"], dict), "next: choice")
    judged = following.get("judged")
    if judged is not None:
        check_real(judged["weight"], "next: judged: weight", 0.0, 1.0)
        for name in ("questions", "done", "learnt", "since"):
            check_int(judged[name], f"next: judged: {name}", 0, _LARGEST)
        for name in ("old", "new", "both"):
            expect(judged[name] is None or isinstance(judged[name], float), f"next: judged: {name}")
        expect(judged["among"] is None or isinstance(judged["among"], dict), "next: judged: among")


def check_description(number: int, description: Any) -> None:
    """ValueError, TypeError or KeyError unless a segment's description is whole and its files are the segment's own."""
    expect(isinstance(description, dict), "expected an object")
    check_int(description["rows"], "rows", 1, _LARGEST)
    first = check_int(description["first_key"], "first_key", 1, _LARGEST)
    check_int(description["last_key"], "last_key", first, _LARGEST)
    for part in ("vectors", "attributes", "index"):
        entry = description[part]
        expect(isinstance(entry, dict) or (entry is None and part != "vectors"), f"{part}: expected an object")
    expect(description.get("space") in (None, "next"), f"space: {description.get('space')!r}")
    prefix = f"{number:06d}."
    for part, entry in description.items():
        if not isinstance(entry, dict):
            continue
        name = entry["file"]
        own = isinstance(name, str) and name.startswith(prefix) and _FILE.fullmatch(name[len(prefix) :])
        expect(bool(own), f"{part}: {name!r} is no file of segment {number}")
        check_int(entry["bytes"], f"{part}: bytes", 0, _LARGEST)
        expect(isinstance(entry.get("root", entry.get("xxh3")), str), f"{part}: expected a digest")
    if description.get("bags") is not None:
        for name in ("bags", "vectors"):
            check_int(description["bags"][name], f"bags: {name}", 1, _LARGEST)
    index = description["index"]
    if index is not None:
        parts = ("recipe", "settings", *(["filtered"] if "filtered" in index else []))
        expect(all(isinstance(index[name], dict) for name in parts), "index: expected objects")
        expect(isinstance(index["name"], str), "index: expected a name")
