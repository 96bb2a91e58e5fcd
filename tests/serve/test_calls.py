"""What a request says of itself, read quickly."""

from __future__ import annotations

import pytest

from nearfield.serve.calls import holds, media_type


@pytest.mark.parametrize("raw", [b"", b"[1, 2]", b"trtrue", b"true", b"ttt", b"tru", b"xtruex", b"false"])
@pytest.mark.parametrize("word", [b"true", b"false"])
def test_a_word_is_found_as_in_finds_it(raw: bytes, word: bytes) -> None:
    assert holds(raw, word) == (word in raw)


def test_a_media_type_without_its_parameters() -> None:
    assert media_type(b"Application/JSON; charset=utf-8") == "application/json"
    assert media_type(b"") == ""
