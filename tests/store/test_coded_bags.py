"""Bags as bytes: taken apart, put together, written and read, and refused where they are no bags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError, files
from nearfield.common.container import root_of, write_container
from nearfield.store.coded_bags import (
    KIND,
    BagBuffer,
    CodedBags,
    bags_file,
    gather_bags,
    read_bags,
    write_bags,
)


def made(lengths: list[int], width: int = 5, mean: int = 3, seed: int = 0) -> CodedBags:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    bags = sum(length > 0 for length in lengths)
    codes = rng.integers(0, 256, (offsets[-1], width)).astype(np.uint8)
    return CodedBags(offsets, codes, rng.integers(0, 256, (bags, mean)).astype(np.uint8))


def rows_of(bags: CodedBags) -> list[bytes | None]:
    return [bags.one(row) for row in range(len(bags))]


def test_slots_count_the_bags_that_there_are() -> None:
    bags = made([2, 0, 3, 0, 1])
    assert bags.slots(np.array([4, 1, -1, 0, 2])).tolist() == [2, -1, -1, 0, 1]
    assert (bags.filled.tolist(), bags.missing.tolist(), bags.starts.tolist()) == ([0, 2, 4], [1, 3], [0, 2, 5, 6])
    assert made([1, 2]).slots(np.array([1, -1])).tolist() == [1, -1]
    assert made([0, 0]).slots(np.array([0, 1])).tolist() == [-1, -1]
    assert made([0, 2]).sizes().tolist() == [0, 13]


@pytest.mark.parametrize("mean", [0, 3])
def test_what_is_taken_is_what_was_there(mean: int) -> None:
    bags = made([2, 0, 3, 0, 1], mean=mean)
    every = rows_of(bags)
    assert every[1] is None and len(every[2]) == 15 + mean
    for rows in ([4, 1, 0], [], [2, 2], [1, 3]):
        assert rows_of(bags.take(np.array(rows, np.int64))) == [every[row] for row in rows]
    again = CodedBags.from_rows(every, 5, mean)
    assert rows_of(again) == every
    assert rows_of(CodedBags.from_bytes(bags.to_bytes(), 5)) == every


def test_bytes_that_are_no_bags_are_refused() -> None:
    blob = made([2, 0, 3]).to_bytes()
    for wrong, rows in ((blob[:-1], 3), (blob + b"x", 3), (blob, 2), (blob, 4), (b"", 3), (b"\xff" * len(blob), 3)):
        with pytest.raises(ValueError):
            CodedBags.from_bytes(wrong, rows)
    for broken in (b"", b"abc", b"abc" + 4 * b"x", b"abc" + 6 * b"x"):
        with pytest.raises(ValueError, match=f"a bag of {len(broken)} bytes"):
            CodedBags.from_rows([broken], 5, 3)


def test_a_buffer_grows_and_what_it_gave_stays() -> None:
    parts = [(3, None), (4, made([2, 0, 1, 1])), (2, None), (50, made([1] * 50, seed=2)), (1, made([900], seed=3))]
    buffer = BagBuffer(3, parts[1][1])
    wanted: list[bytes | None] = [None] * 3
    seen = []
    for rows, bags in parts[1:]:
        buffer.append(rows, bags)
        wanted += [None] * rows if bags is None else rows_of(bags)
        seen.append((buffer.bags(), list(wanted)))
    for bags, rows in seen:
        assert rows_of(bags) == rows


def test_gathered_bags_are_those_of_the_rows(tmp_path: Path) -> None:
    one, other = made([2, 0, 3, 1, 7]), made([0, 4], seed=1)
    sources = [(one, np.array([0, 1, 3, 4])), (None, np.array([0, 1])), (other, np.array([1])), (one, np.array([2]))]
    gathered = gather_bags(sources)
    size = write_bags(tmp_path / "a.nfa", gathered)
    assert size == bags_file(gathered) == files.size(tmp_path / "a.nfa")
    mapped = files.map_file(tmp_path / "a.nfa")
    found = read_bags(tmp_path / "a.nfa", mapped, root_of(mapped), 8)
    every = rows_of(one)
    assert rows_of(found) == [every[0], None, every[3], every[4], None, None, rows_of(other)[1], every[2]]
    assert gather_bags([]) is None and gather_bags([(None, np.arange(3)), (one, np.array([1]))]) is None


def test_a_file_that_contradicts_itself_is_damage(tmp_path: Path) -> None:
    bags = made([2, 0, 3])
    whole = {"offsets": bags.offsets, "codes": bags.codes, "centers": bags.centers}
    for change in (
        {"offsets": bags.offsets[:-1]},
        {"offsets": bags.offsets[::-1].copy()},
        {"offsets": bags.offsets + 1},
        {"codes": bags.codes[1:]},
        {"codes": bags.codes.astype(np.int16)},
        {"centers": bags.centers[1:]},
    ):
        path = tmp_path / "a.nfa"
        write_container(path, KIND, 1, {}, {**whole, **change})
        mapped = files.map_file(path)
        with pytest.raises(CorruptFileError):
            read_bags(path, mapped, root_of(mapped), 3)
    with pytest.raises(CorruptFileError, match="digest differs"):
        read_bags(path, mapped, "00", 3)
