from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield import native
from nearfield.common import CorruptFileError, files
from nearfield.common.container import Pieces
from nearfield.store.attributes import to_table
from nearfield.store.filters import Filter
from nearfield.store.ids import IdColumn
from nearfield.store.masks import MASKS_KEPT
from nearfield.store.segment import Rows, Segment, check_files, derived_names, file_names, write_segment
from nearfield.tune import Recipe

SCHEMA = {"year": "int"}
GRAPH = Recipe(kind="graph", bits=8, rescore="vectors", degree=8)


def rows_of(vectors: np.ndarray) -> Rows:
    count = len(vectors)

    def pieces() -> Iterator[np.ndarray]:
        yield vectors[: count // 3]
        yield vectors[count // 3 :]

    ids = IdColumn.from_list([f"id{i}" for i in range(count)], "str")
    table = to_table({"year": np.arange(count)}, SCHEMA, count)
    return Rows(np.arange(0, 2 * count, 2), ids, Pieces(vectors.dtype, vectors.shape, pieces), table)


@pytest.fixture
def built(tmp_path: Path, vectors: np.ndarray) -> dict[str, Any]:
    return write_segment(tmp_path, 3, rows_of(vectors), metric="cosine", recipe=GRAPH)


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path


def reopen(folder: Path, description: dict[str, Any]) -> Segment:
    return Segment(folder, 3, description, dim=8, dtype=np.dtype(np.float32))


def test_everything_comes_back(tmp_path: Path, built: dict[str, Any], vectors: np.ndarray) -> None:
    assert sorted(os.listdir(tmp_path)) == sorted(file_names(built))
    assert (built["rows"], built["first_key"], built["last_key"]) == (500, 0, 998)
    segment = reopen(tmp_path, built)
    assert np.array_equal(segment.vectors, vectors) and segment.keys[7] == 14
    assert segment.take_ids(np.array([0, 499])) == ["id0", "id499"]
    assert segment.table().column("year").to_pylist() == list(range(500))
    assert segment.trouble is None and len(segment.index) == 500
    assert segment.find(np.array([0, 1, 998, 5000])).tolist() == [0, -1, 499, -1]


def test_an_index_of_an_older_version_is_searched_alike_with_and_without_a_filter(
    tmp_path: Path, built: dict[str, Any]
) -> None:
    recipe = Recipe("graph", beam=60, slack=True, slack_from=10)
    fresh = {**built["index"], "settings": recipe.search_settings(), "filtered": recipe.search_settings(filtered=True)}
    segment = reopen(tmp_path, {**built, "index": fresh})
    assert segment.settings["slack_from"] == 10 and segment.filtered == {"beam": 40}
    del fresh["filtered"]
    segment = reopen(tmp_path, {**built, "index": fresh})
    assert segment.filtered == segment.settings


def test_masks_are_remembered_and_forgotten(
    tmp_path: Path, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = reopen(tmp_path, built)
    condition = Filter("year < 3", SCHEMA)
    words = segment.mask(condition)
    assert np.array_equal(native.unpack_bits(words, 500), np.arange(500) < 3)
    monkeypatch.setattr("nearfield.store.segment.evaluate", lambda *_: pytest.fail("evaluated twice"))
    assert segment.mask(Filter("year < 3", SCHEMA)) is words
    monkeypatch.undo()
    for year in range(MASKS_KEPT + 5):
        segment.mask(Filter(f"year = {year}", SCHEMA))
    assert len(segment._masks) == MASKS_KEPT and condition.key not in segment._masks


def test_any_failure_leaves_no_file(tmp_path: Path, vectors: np.ndarray) -> None:
    calls: list[str] = []
    with files.fault_injection(lambda operation, _: calls.append(operation)):
        write_segment(make_folder(tmp_path / "sound"), 1, rows_of(vectors), metric="l2", recipe=GRAPH)
    folder = make_folder(tmp_path / "failing")
    assert {"write", "fsync", "rename", "fsync-directory"} <= set(calls)
    for number in range(len(calls)):
        for error in (OSError("injected"), KeyboardInterrupt()):
            count = iter(range(len(calls) + 10))

            def fail(operation: str, path: Path, count: Any = count, number: int = number, error: Any = error) -> None:
                if next(count) == number:
                    raise error

            with pytest.raises(type(error)), files.fault_injection(fail):
                write_segment(folder, 1, rows_of(vectors), metric="l2", recipe=GRAPH)
            assert os.listdir(folder) == []


@pytest.mark.parametrize("part", ["vectors", "attributes", "index", "columns"])
@pytest.mark.parametrize("harm", ["truncate", "extend", "flip", "swap"])
def test_harm_is_named_for_primary_files_and_survived_for_derived_ones(
    tmp_path: Path, built: dict[str, Any], vectors: np.ndarray, part: str, harm: str
) -> None:
    path = tmp_path / built[part]["file"]
    content = bytearray(path.read_bytes())
    if harm == "truncate":
        del content[len(content) // 2 :]
    elif harm == "extend":
        content += b"x"
    elif harm == "flip":
        content[-200] ^= 4
    else:  # a sound file, but of another segment
        other = write_segment(tmp_path, 9, rows_of(vectors[::-1].copy()), metric="cosine", recipe=GRAPH)
        content = bytearray((tmp_path / other[part]["file"]).read_bytes())
        if part in ("attributes", "columns"):  # those are the same in both
            content[500] ^= 1
    path.write_bytes(content)
    if part == "columns":
        segment = reopen(tmp_path, built)
        assert segment.trouble is None and built[part]["file"] in segment.columns_trouble
        assert native.count_bits(segment.mask(Filter("year < 3", SCHEMA))) == 3  # by the Arrow column
        fixed = {**built, "columns": segment.rebuild_columns()}
        assert fixed["columns"]["file"] == "000003.columns.2.nfa"
        again = reopen(tmp_path, fixed)
        assert again.columns_trouble is None and again.wrong_codes() == []
    elif part == "index":
        segment = reopen(tmp_path, built)
        assert segment.index is None and built[part]["file"] in segment.trouble
        fixed = segment.rebuild_index()
        assert fixed["index"]["file"] == "000003.index.2.nfa"
        again = reopen(tmp_path, fixed)
        assert again.trouble is None
        assert again.rebuild_index()["index"]["file"] == "000003.index.3.nfa"
    else:
        with pytest.raises(CorruptFileError, match=str(path)):
            reopen(tmp_path, built).table()


@pytest.mark.parametrize("part", ["vectors", "attributes"])
def test_a_look_at_the_directory_finds_what_is_missing_or_short(
    tmp_path: Path, built: dict[str, Any], part: str
) -> None:
    check_files(tmp_path, built)
    path = tmp_path / built[part]["file"]
    with open(path, "ab") as file:
        file.write(b"x")
    with pytest.raises(CorruptFileError, match=rf"{path}: expected \d+ bytes, found"):
        check_files(tmp_path, built)
    path.unlink()
    with pytest.raises(CorruptFileError, match="missing, although the catalogue names it"):
        check_files(tmp_path, built)
    with pytest.raises(FileNotFoundError):
        reopen(tmp_path, built)


def test_an_unreadable_index_is_trouble_not_an_error(tmp_path: Path, built: dict[str, Any]) -> None:
    (tmp_path / built["index"]["file"]).unlink()
    assert reopen(tmp_path, built).trouble == f"{built['index']['file']}: missing"


def test_vectors_of_another_shape_are_refused(tmp_path: Path, built: dict[str, Any]) -> None:
    with pytest.raises(CorruptFileError, match="expected 500 x 9 vectors"):
        Segment(tmp_path, 3, built, dim=9, dtype=np.dtype(np.float32))


def test_the_build_is_the_same_bytes_again(tmp_path: Path, built: dict[str, Any], vectors: np.ndarray) -> None:
    again = write_segment(tmp_path, 4, rows_of(vectors), metric="cosine", recipe=GRAPH)
    assert all(again[part]["root"] == built[part]["root"] for part in ("vectors", "index", "columns"))


def test_names_of_files(built: dict[str, Any]) -> None:
    derived = ["000003.index.1.nfa", "000003.columns.1.nfa"]
    assert file_names(built) == ["000003.vectors.nfa", "000003.attributes.arrow", *derived]
    assert derived_names(built) == derived
    assert file_names({"vectors": {"file": "a"}, "attributes": None}) == ["a"]
