from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nearfield.cli import doctor_disk
from nearfield.cli.doctor_disk import disk


def test_a_usual_disk_does_all(tmp_path: Path) -> None:
    found = disk(tmp_path)
    assert found["works"] == dict.fromkeys(("hard links", "sync", "replace", "locks", "WAL"), True)
    assert found["problems"] == [] and list(tmp_path.iterdir()) == []


def test_what_does_not_work_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    found = disk(tmp_path)
    assert found["problems"] == [] and found["remarks"][-1].startswith("hard links do not work (tags")
    monkeypatch.setattr(doctor_disk.fcntl, "flock", lambda *_: None)
    monkeypatch.setattr(os, "fsync", refused)
    first, second = disk(tmp_path)["problems"]
    assert first.startswith("sync does not work (what was acknowledged") and "Operation not permitted" in first
    assert second.startswith("locks do not work")


def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(doctor_disk.tempfile, "mkdtemp", full)
    found = disk(tmp_path)
    assert found["problems"] == [f"nothing can be written at {tmp_path}: No space left on device"]
    assert found["works"] == {} and ("works", "nothing could be tried") in found["lines"]


@pytest.mark.parametrize(
    ("mounts", "remark"),
    [
        ("/dev/a / ext4 rw 0 0\nnone /mnt/my\\040disk tmpfs rw 0 0\n", "nothing there outlives a restart"),
        ("/dev/a / ext4 rw 0 0\nhost:/x /mnt nfs4 rw 0 0\n", "over the network"),
        ("/dev/a / ext4 rw 0 0\n", None),
    ],
)
def test_file_systems(mounts: str, remark: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: mounts)
    kind, mount = doctor_disk._file_system(Path("/mnt/my disk/stores"))
    assert (mount, kind) in {("/mnt/my disk", "tmpfs"), ("/mnt", "nfs4"), ("/", "ext4")}
    monkeypatch.setattr(doctor_disk, "_file_system", lambda _: (kind, mount))
    remarks = disk(Path("/tmp"))["remarks"]
    assert any(remark in one for one in remarks) if remark else not any("is on" in one for one in remarks)
