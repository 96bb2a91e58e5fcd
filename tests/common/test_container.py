from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError, FormatVersionError
from nearfield.common.container import read_container, write_container

ARRAYS = {
    "codes": np.arange(70, dtype=np.uint8).reshape(7, 10),
    "λ": np.float32([1.5, -2]),
    "none": np.zeros((0, 4), np.int64),
    "half": np.float16([[1], [2]]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_container(tmp_path / "a.nfa", "thing", 1, {"n": 7, "name": "ü"}, ARRAYS)
    return tmp_path / "a.nfa"


def test_what_is_written_is_read(path: Path) -> None:
    container = read_container(path, "thing", 1)
    assert container.meta == {"n": 7, "name": "ü"}
    assert container.size == path.stat().st_size
    assert list(container.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        found = container.arrays[name]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        assert not found.flags.writeable or not found.size


def test_every_truncation_is_named(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptFileError, match=r"a\.nfa"):
            read_container(path, "thing", 1)


def test_every_flipped_byte_is_named(path: Path) -> None:
    whole = path.read_bytes()
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= 0x10
        path.write_bytes(altered)
        with pytest.raises((CorruptFileError, FormatVersionError), match=r"a\.nfa"):
            read_container(path, "thing", 1)


def test_other_kinds_newer_versions_and_absent_files(path: Path) -> None:
    with pytest.raises(CorruptFileError, match="expected a file of kind 'other', found 'thing'"):
        read_container(path, "other", 1)
    write_container(path, "thing", 5, {}, {})
    with pytest.raises(FormatVersionError, match="format version 5"):
        read_container(path, "thing", 1)
    with pytest.raises(FileNotFoundError):
        read_container(path.with_name("absent.nfa"), "thing", 1)
