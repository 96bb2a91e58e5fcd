"""Long runs: begun by a request, looked at by others, a few at a time."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from .errors import Problem, describe, status_of

logger = logging.getLogger("nearfield.serve")

# So many finished jobs are remembered.
_KEPT = 100
WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"


@dataclass
class Job:
    """One long run: what it does, how far it is, what it answered."""

    id: str
    kind: str
    collection: str
    right: str
    state: str = WAITING
    created: str = ""
    finished: str | None = None
    result: Any = None
    error: Any = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    future: Any = None

    def to_dict(self) -> dict[str, Any]:
        """As a client sees it."""
        names = ("id", "kind", "collection", "state", "created", "finished", "result", "error")
        return {name: getattr(self, name) for name in names}


class Jobs:
    """The long runs of one server, in threads of their own, so that searches never wait for them."""

    def __init__(self, most: int, hide: str = ""):
        self._most = most
        self._hide = hide
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="nearfield-job")
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def start(self, kind: str, collection: str, right: str, function: Callable[[], Any]) -> Job:
        """Begin ``function`` or let it wait for its turn; 429 when as many wait as may run."""
        if sum(job.state in (WAITING, RUNNING) for job in self._jobs.values()) >= 2 * self._most:
            raise Problem(429, "as many jobs run and wait as this server takes; come back later", {"Retry-After": "30"})
        job = Job(secrets.token_hex(8), kind, collection, right, created=_now())
        self._jobs[job.id] = job
        loop = asyncio.get_running_loop()

        def work() -> Any:
            loop.call_soon_threadsafe(self._began, job)
            return function()

        job.future = self._pool.submit(work)
        job.future.add_done_callback(lambda future: _tell(loop, self._ended, job, future))
        while len(self._jobs) > _KEPT:
            oldest = next((one.id for one in self._jobs.values() if one.ended.is_set()), None)
            if oldest is None:
                break
            del self._jobs[oldest]
        return job

    def __iter__(self) -> Any:
        return iter(list(self._jobs.values()))

    def get(self, identifier: str) -> Job:
        """The job, or 404."""
        job = self._jobs.get(identifier)
        if job is None:
            raise Problem(404, f"no job {identifier[:40]!r}; those that ended long ago are forgotten")
        return job

    def count(self) -> dict[str, int]:
        """How many jobs wait and run."""
        states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in (WAITING, RUNNING)}

    def cancel(self, job: Job) -> None:
        """Take a waiting job out of the line, or forget one that ended; 409 while it runs."""
        if job.state == RUNNING:
            raise Problem(409, "the job runs already, and a run is not broken off; its result can be ignored")
        if job.state == WAITING and not job.future.cancel():
            raise Problem(409, "the job has just begun, and a run is not broken off; its result can be ignored")
        self._jobs.pop(job.id, None)

    def close(self) -> list[Job]:
        """Begin nothing more; returns those that run still."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        return [job for job in self._jobs.values() if job.state == RUNNING]

    def wait(self, seconds: float) -> bool:
        """Wait for running jobs; returns whether any runs still."""
        futures = [job.future for job in self._jobs.values() if job.future is not None]
        return bool(wait(futures, seconds).not_done)

    def _began(self, job: Job) -> None:
        if job.state == WAITING:
            job.state = RUNNING

    def _ended(self, job: Job, future: Any) -> None:
        job.finished = _now()
        if future.cancelled():
            job.state = CANCELLED
        elif (error := future.exception()) is not None:
            job.state, job.error = FAILED, describe(error, self._hide)["error"]
            if status_of(error) == 500:
                logger.error("job %s of %r", job.kind, job.collection, exc_info=error)
        else:
            job.state, job.result = DONE, future.result()
        job.ended.set()


def _tell(loop: asyncio.AbstractEventLoop, function: Any, *arguments: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
