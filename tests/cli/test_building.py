from __future__ import annotations

from pathlib import Path

import pytest

from nearfield.cli.building import building, check_free
from nearfield.common.files import lock_exclusive, unlock


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_appears_when_it_is_complete(tmp_path: Path) -> None:
    with building(tmp_path / "s.nf") as place:
        place.mkdir()
        (place / "file").write_text("x")
        assert names(tmp_path) == ["s.nf.partial"]
    assert names(tmp_path) == ["s.nf"]
    with building(tmp_path / "s.nf", replace=True) as place:
        place.mkdir()
    assert names(tmp_path / "s.nf") == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_errors_leave_nothing_and_keep_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "s.nf").mkdir()
    (tmp_path / "s.nf" / "old").write_text("x")
    with pytest.raises(error), building(tmp_path / "s.nf", replace=True) as place:
        place.mkdir()
        raise error
    assert names(tmp_path) == ["s.nf"]
    assert names(tmp_path / "s.nf") == ["old"]


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    partial = tmp_path / "s.nf.partial"
    partial.mkdir()
    (partial / "catalogue.sqlite").write_text("half")
    with building(tmp_path / "s.nf") as place:
        assert not place.exists()
        place.mkdir()
    assert names(tmp_path) == ["s.nf"]


def test_what_is_not_ours_or_in_use_is_left_alone(tmp_path: Path) -> None:
    partial = tmp_path / "s.nf.partial"
    partial.mkdir()
    (partial / "letters.txt").write_text("x")
    with pytest.raises(ValueError, match="in the way"), building(tmp_path / "s.nf"):
        pass
    assert names(partial) == ["letters.txt"]
    (partial / "catalogue.sqlite").write_text("x")
    lock = lock_exclusive(partial / "writer.lock")
    assert lock is not None
    with pytest.raises(ValueError, match="another process"), building(tmp_path / "s.nf"):
        pass
    unlock(lock)


def test_check_free(tmp_path: Path) -> None:
    check_free(tmp_path / "new.nf")
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(ValueError, match="exists already"):
            check_free(path)
    with pytest.raises(ValueError, match="no directory"):
        check_free(tmp_path / "a" / "b.nf")
