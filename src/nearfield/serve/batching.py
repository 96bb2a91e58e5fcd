"""Queries that arrive together are searched together.

While one search of a collection runs, those that ask the same of it in the same way wait, and are the next search: no
time is added by waiting for company, and the busier the server the larger the batch. One call into the store for many
queries costs less than as many calls, and answers each as it would alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Any

from .hosted import Hosted
from .metrics import Metrics

# Most numbers in the queries that are searched at once: an answer must not wait for too many others.
MOST = 1 << 18


class Batcher:
    """Gathers searches by collection and parameters."""

    def __init__(self, hosted: Hosted, metrics: Metrics, answer: Any):
        self._hosted = hosted
        self._metrics = metrics
        self._answer = answer
        self._waiting: dict[Hashable, deque[tuple[Any, asyncio.Future[bytes]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, key: Hashable, queries: Any) -> bytes:
        """The answer to ``queries``, which have ``values``; ``key`` is everything else that was asked for."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        line = self._waiting.get(key)
        if line is None:
            self._waiting[key] = deque([(queries, future)])
            task = asyncio.ensure_future(self._serve(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            line.append((queries, future))
        return await future

    async def _serve(self, key: Hashable) -> None:
        """Search for ``key`` until nobody waits."""
        while True:
            line = self._waiting[key]
            if not line:
                del self._waiting[key]
                return
            taken: list[Any] = []
            count = 0
            while line and (not taken or count + line[0][0].values.size <= MOST):
                queries, future = line.popleft()
                if not future.cancelled():  # its client may have left
                    taken.append((queries, future))
                    count += queries.values.size
            if not taken:
                continue
            self._metrics.batches.observe(len(taken))
            try:
                answers = await self._hosted.run(self._answer, key, [queries for queries, _ in taken])
            except BaseException as error:
                answers = [error] * len(taken)
                if not isinstance(error, Exception):
                    for _, future in [*taken, *self._waiting.pop(key, [])]:
                        future.cancel()
                    raise
            for (_, future), answer in zip(taken, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, BaseException):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
