"""Descriptions of segments and settings: what a store can have written, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from nearfield.store.description import check_description, check_settings

SOUND = {
    "rows": 3,
    "first_key": 1,
    "last_key": 9,
    "vectors": {"file": "000007.vectors.nfa", "bytes": 100, "root": "00"},
    "attributes": {"file": "000007.attributes.arrow", "bytes": 10, "xxh3": "00"},
    "bags": {"file": "000007.bags.nfa", "bytes": 10, "root": "00", "bags": 1, "vectors": 3},
    "index": {
        "file": "000007.index.12.nfa", "bytes": 5, "root": "00", "recipe": {}, "name": "graph", "settings": {}
    },
}  # fmt: skip
WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no rows": lambda d: d.update(rows=0),
    "rows of text": lambda d: d.update(rows="3"),
    "keys that fall": lambda d: d.update(last_key=0),
    "a key before the first": lambda d: d.update(first_key=0),
    "no vectors": lambda d: d.update(vectors=None),
    "vectors left out": lambda d: d.pop("vectors"),
    "index left out": lambda d: d.pop("index"),
    "a file above": lambda d: d["vectors"].update(file="../000007.vectors.nfa"),
    "a file elsewhere": lambda d: d["vectors"].update(file="/etc/passwd"),
    "a file of another segment": lambda d: d["attributes"].update(file="000008.attributes.arrow"),
    "a file below": lambda d: d["vectors"].update(file="000007.vectors/x.nfa"),
    "a name with a line's end": lambda d: d["vectors"].update(file="000007.vectors.nfa\n"),
    "a name that is none": lambda d: d["vectors"].update(file=["000007.vectors.nfa"]),
    "bytes below nothing": lambda d: d["vectors"].update(bytes=-1),
    "a digest that is none": lambda d: d["vectors"].update(root=0),
    "bags of no vectors": lambda d: d["bags"].update(vectors=0),
    "bags that are not counted": lambda d: d["bags"].pop("bags"),
    "bags elsewhere": lambda d: d["bags"].update(file="../000007.bags.nfa"),
    "no settings": lambda d: d["index"].pop("settings"),
    "settings that are none": lambda d: d["index"].update(settings=[]),
    "a part of its own with a file above": lambda d: d.update(more={"file": "../x.nfa", "bytes": 1, "root": "0"}),
}


def test_a_sound_description_passes() -> None:
    check_description(7, SOUND)
    check_description(7, {**SOUND, "attributes": None, "index": None, "expires": 5})
    check_description(
        1234567,
        {
            **SOUND,
            "vectors": {"file": "1234567.vectors.nfa", "bytes": 1, "root": "0"},
            "attributes": None,
            "bags": None,
            "index": None,
        },
    )


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_is_refused(name: str) -> None:
    description = copy.deepcopy(SOUND)
    WRONG[name](description)
    with pytest.raises((KeyError, TypeError, ValueError)):
        check_description(7, description)


def test_settings() -> None:
    sound: dict[str, Any] = {
        "dim": 8,
        "metric": "l2",
        "dtype": "float16",
        "attributes": {"year": "int"},
        "embedding": None,
    }
    check_settings(sound)
    for wrong in (
        {"dim": 0},
        {"dim": True},
        {"metric": "l3"},
        {"dtype": "int8"},
        {"attributes": None},
        {"attributes": {"a": "b"}},
        {"id_type": 1},
        {"plan": 5},
    ):
        with pytest.raises((TypeError, ValueError)):
            check_settings({**sound, **wrong})
