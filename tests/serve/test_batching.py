"""Batches form while a search runs, hold only what belongs together, and fail one by one."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.serve import Hosted
from nearfield.serve import batching as module
from nearfield.serve.api.searching import Asked
from nearfield.serve.batching import Batcher
from nearfield.serve.metrics import Metrics


def asked(number: float, size: int = 4) -> Asked:
    return Asked(np.full(size, number, np.float32), True)


def test_what_arrives_meanwhile_is_the_next_batch(tmp_path: Path) -> None:
    release, batches = threading.Event(), []

    def answer(key: str, queries: list[Asked]) -> list[Any]:
        batches.append((key, len(queries)))
        release.wait(10)
        return [ValueError("no") if one.values[0] < 0 else b"%s %d" % (key.encode(), one.values[0]) for one in queries]

    async def main() -> None:
        hosted = Hosted(tmp_path / "all")
        batcher = Batcher(hosted, Metrics(), answer)
        first = asyncio.ensure_future(batcher.ask("a", asked(0)))
        await asyncio.sleep(0.05)
        more = [asyncio.ensure_future(batcher.ask("a", asked(number))) for number in (1, -1, 2, 3)]
        other = asyncio.ensure_future(batcher.ask("b", asked(9)))
        await asyncio.sleep(0.05)
        more[3].cancel()  # its client left
        release.set()
        assert await first == b"a 0"
        assert await other == b"b 9"
        found = await asyncio.gather(*more, return_exceptions=True)
        assert found[0] == b"a 1"
        assert isinstance(found[1], ValueError)
        assert found[2] == b"a 2"
        assert isinstance(found[3], asyncio.CancelledError)
        assert await batcher.ask("a", asked(5)) == b"a 5"
        assert not batcher._waiting
        hosted.close()

    asyncio.run(main())
    assert sorted(batches) == [("a", 1), ("a", 1), ("a", 3), ("b", 1)]


def test_what_each_turn_brings_comes_along_for_some_turns(tmp_path: Path) -> None:
    sizes: list[int] = []

    def answer(key: str, queries: list[Asked]) -> list[Any]:
        sizes.append(len(queries))
        return [b""] * len(queries)

    async def main() -> None:
        hosted = Hosted(tmp_path / "all")
        batcher = Batcher(hosted, Metrics(), answer)
        loop = asyncio.get_running_loop()
        told: list[Any] = []

        def bring(turns: int) -> None:
            if turns > 1:
                loop.call_soon(bring, turns - 1)
            batcher.put("a", asked(turns), told.append)

        for turns in (1, 2, 1000):
            bring(turns)
            while len(told) < turns:
                await asyncio.sleep(0.001)
            told.clear()
        assert not batcher._waiting
        hosted.close()

    asyncio.run(main())
    assert sizes[:2] == [1, 2]
    assert 1 < sizes[2] <= module.TURNS + 2  # not until there are no more
    assert sum(sizes) == 1003


def test_a_batch_is_bounded_and_its_failure_is_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    sizes: list[int] = []

    def answer(key: str, queries: list[Asked]) -> list[Any]:
        sizes.append(len(queries))
        if key == "bad":
            raise FileNotFoundError("name: no collection 'bad'")
        return [b""] * len(queries)

    async def main() -> None:
        hosted = Hosted(tmp_path / "all")
        batcher = Batcher(hosted, Metrics(), answer)
        await asyncio.gather(*(batcher.ask("good", asked(number)) for number in range(5)))
        assert await batcher.ask("good", asked(1, size=100)) == b""
        failed = await asyncio.gather(*(batcher.ask("bad", asked(1)) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, FileNotFoundError) for one in failed)
        hosted.close()

    asyncio.run(main())
    assert max(sizes) == 2
