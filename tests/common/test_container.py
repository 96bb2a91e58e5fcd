from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearfield.common import CorruptFileError, FormatVersionError
from nearfield.common.container import Pieces, container_bytes, read_container, write_container

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


DTYPES = ["<f4", "<f2", "<f8", "<i8", "<u4", "|u1", "|b1", "<U3", "<M8[us]", ">f4", ">i8"]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8), st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3)), max_size=4
    ),
    st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5), st.none()), max_size=3),
)
def test_any_names_types_and_shapes_come_back(parts: dict[str, Any], meta: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 2, shape).astype(dtype) for name, (dtype, shape) in parts.items()}
    with tempfile.TemporaryDirectory() as folder:
        size = write_container(Path(folder) / "a.nfa", "thing", 3, meta, arrays)
        container = read_container(Path(folder) / "a.nfa", "thing", 3)
        assert (container.size, container.meta, container.version) == (size, meta, 3)
        assert list(container.arrays) == list(arrays)
        for name, array in arrays.items():
            found = container.arrays[name]
            assert found.shape == array.shape
            assert found.dtype == array.dtype.newbyteorder("<")  # little-endian, whatever was given
            np.testing.assert_array_equal(found, array)


def test_every_bit_of_the_first_bytes_counts(path: Path) -> None:
    whole = path.read_bytes()
    for position in range(24):
        for bit in range(8):
            altered = bytearray(whole)
            altered[position] ^= 1 << bit
            path.write_bytes(altered)
            with pytest.raises((CorruptFileError, FormatVersionError), match=r"a\.nfa"):
                read_container(path, "thing", 1)


def test_without_the_check_only_what_is_needed_to_map_is_verified(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[-64] ^= 1  # in the last array
    path.write_bytes(whole)
    with pytest.raises(CorruptFileError, match="checksum of array 'half' differs"):
        read_container(path, "thing", 1)
    assert read_container(path, "thing", 1, check=False).arrays["half"].shape == (2, 1)
    path.write_bytes(whole[:-1])
    with pytest.raises(CorruptFileError):
        read_container(path, "thing", 1, check=False)


def test_objects_and_records_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for array in (np.array([None, "x"]), np.zeros(2, [("a", "f4"), ("b", "i4")])):
        with pytest.raises(TypeError, match="values: expected an array of plain values"):
            write_container(tmp_path / "b.nfa", "thing", 1, {}, {"values": array})
    with pytest.raises(TypeError):
        write_container(tmp_path / "b.nfa", "thing", 1, {"x": object()}, {})
    assert not list(tmp_path.iterdir())


def test_an_array_may_come_in_pieces(tmp_path: Path) -> None:
    whole = np.arange(3000, dtype=np.int32).reshape(1000, 3)
    pieces = Pieces(whole.dtype, whole.shape, lambda: (whole[i : i + 77] for i in range(0, 1000, 77)))
    write_container(tmp_path / "pieces.nfa", "thing", 1, {}, {"x": pieces})
    write_container(tmp_path / "whole.nfa", "thing", 1, {}, {"x": whole})
    assert (tmp_path / "pieces.nfa").read_bytes() == (tmp_path / "whole.nfa").read_bytes()
    for wrong in (whole[:-1], whole.astype(np.int64), whole[:, :2]):
        bad = Pieces(whole.dtype, whole.shape, lambda wrong=wrong: iter((wrong,)))
        with pytest.raises(ValueError, match="expected pieces of"):
            write_container(tmp_path / "bad.nfa", "thing", 1, {}, {"x": bad})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pieces.nfa", "whole.nfa"]


def test_an_interrupted_write_leaves_what_was_there(path: Path) -> None:
    before = path.read_bytes()

    def interrupted() -> Iterator[np.ndarray]:
        yield np.ones((5, 2), np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_container(path, "thing", 1, {}, {"x": Pieces(np.dtype("f4"), (10, 2), interrupted)})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("n", [0, 1, 1000, 123_456])
def test_the_size_is_known_beforehand(tmp_path: Path, n: int) -> None:
    arrays = {"keys": np.arange(n), "codes": np.zeros((n, 3), np.uint8), "λ": np.zeros((2, 5), np.float16)}
    written = write_container(tmp_path / "b.nfa", "thing", 3, {"metric": "l2", "name": "ü"}, arrays)
    shapes = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    assert container_bytes("thing", 3, {"metric": "l2", "name": "ü"}, shapes) == written
