"""Hosted: one store and a folder by the same methods; work in threads, bounded."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nearfield.common.errors import StoreLockedError
from nearfield.serve import Hosted
from nearfield.serve import hosted as module
from nearfield.serve.errors import Problem


def test_a_folder_and_one_store(folder: Path) -> None:
    hosted = Hosted(folder)
    hosted.create("new", 3)
    assert (list(hosted), len(hosted), "new" in hosted, hosted.single) == (["new", "papers"], 2, True, None)
    hosted.drop("new")
    with pytest.raises(FileNotFoundError, match="no collection 'new'"), hosted.open("new"):
        pass
    assert hosted.stats()["collections"] == 1
    hosted.close()
    hosted.close()

    one = Hosted(folder / "papers.nf")
    assert (list(one), len(one), "papers" in one, one.single) == (["papers"], 1, True, "papers")
    one.create("papers", 8, exist_ok=True)
    for refused in (lambda: one.create("x", 3), lambda: one.drop("papers")):
        with pytest.raises(PermissionError):
            refused()
    with one.open("papers") as store:
        assert one.stats() == {"collections": 1, "open": 1, "in_use": 1}
        assert len(store) == 200
    with pytest.raises(StoreLockedError):
        Hosted(folder / "papers.nf")
    reader = Hosted(folder / "papers.nf", read_only=True)
    with reader.open("papers") as store:
        assert store.read_only
    reader.close()
    one.close()


def test_closing_waits_for_who_is_inside(folder: Path) -> None:
    hosted = Hosted(folder / "papers.nf")
    inside, leave = threading.Event(), threading.Event()
    found = []

    def use() -> None:
        with hosted.open("papers") as store:
            inside.set()
            leave.wait(10)
            found.append(store.search(np.ones(8, np.float32), k=1).status)

    thread = threading.Thread(target=use)
    thread.start()
    inside.wait(10)
    closing = threading.Thread(target=hosted.close)
    closing.start()
    time.sleep(0.05)
    assert closing.is_alive()
    leave.set()
    thread.join()
    closing.join()
    assert found == ["ok"]


def test_writes_of_a_collection_go_one_by_one_and_to_their_end(folder: Path) -> None:
    hosted = Hosted(folder, threads=4)
    running, most, done = [0], [0], []

    def work(number: int) -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.02)
        running[0] -= 1
        done.append(number)
        return number

    async def main() -> None:
        tasks = [asyncio.ensure_future(hosted.write("papers", work, number)) for number in range(6)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()  # its client left; the write goes on
        assert await asyncio.gather(*tasks[1:]) == [1, 2, 3, 4, 5]

    asyncio.run(main())
    assert (most[0], sorted(done)) == (1, list(range(6)))
    hosted.close()


def test_too_much_work_is_sent_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 2)
    monkeypatch.setattr(module, "_STREAMS", 1)
    hosted = Hosted(folder, threads=1)
    release = threading.Event()

    async def main() -> None:
        tasks = [asyncio.ensure_future(hosted.run(release.wait, 10)) for _ in range(2)]
        stream = hosted.stream(lambda: release.wait(10))
        await asyncio.sleep(0.02)
        assert hosted.waiting == 2
        with pytest.raises(Problem) as refused:
            await hosted.run(list)
        assert refused.value.status == 503
        with pytest.raises(Problem, match="import or export already"):
            hosted.stream(list)
        release.set()
        await asyncio.gather(*tasks, stream)
        assert await hosted.run(max, 1, 2) == 2
        hosted.close()
        with pytest.raises(Problem, match="stopping"):
            await hosted.run(list)

    asyncio.run(main())


def test_there_must_be_something(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        Hosted(tmp_path / "x.nf")
    with pytest.raises(FileNotFoundError, match="no such directory"):
        Hosted(tmp_path / "a" / "b" / "c")
    with pytest.raises(ValueError, match="threads"):
        Hosted(tmp_path, threads=0)
    assert "collections" in repr(Hosted(tmp_path / "fresh"))
