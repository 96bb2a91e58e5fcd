"""Jobs: begun, waited for, cancelled, forgotten."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.testclient import TestClient

from nearfield.serve import jobs as module
from nearfield.serve.errors import Problem
from nearfield.serve.jobs import Jobs


def test_a_life() -> None:
    release = threading.Event()

    def fail() -> None:
        raise ValueError("recall: expected less")

    async def main() -> None:
        jobs = Jobs(1)
        first = jobs.start("verify", "papers", "read", lambda: release.wait(10))
        second = jobs.start("verify", "papers", "read", lambda: 2)
        await asyncio.sleep(0.05)
        assert (first.state, second.state) == ("running", "waiting")
        assert jobs.count() == {"waiting": 1, "running": 1}
        with pytest.raises(Problem, match="as many jobs"):
            jobs.start("verify", "papers", "read", lambda: 3)
        with pytest.raises(Problem, match="runs already"):
            jobs.cancel(first)
        jobs.cancel(second)
        with pytest.raises(Problem, match="no job"):
            jobs.get(second.id)
        release.set()
        await first.ended.wait()
        assert jobs.get(first.id).to_dict()["result"] is True
        third = jobs.start("optimize", "papers", "admin", fail)
        await third.ended.wait()
        assert third.state == "failed"
        assert third.error == {"status": 422, "type": "ValueError", "message": "recall: expected less"}
        jobs.cancel(third)
        assert [job.id for job in jobs] == [first.id]
        assert jobs.close() == []
        assert not jobs.wait(1.0)

    asyncio.run(main())


def test_old_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)

    async def main() -> None:
        jobs = Jobs(1)
        for number in range(6):
            job = jobs.start("verify", "papers", "read", lambda: number)  # noqa: B023
            await job.ended.wait()
        assert len(list(jobs)) == 3

    asyncio.run(main())


def test_over_http(http: TestClient) -> None:
    begun = http.post("/v1/collections/papers/verify", json={"sample": 5})
    assert begun.status_code in (200, 202)
    job = begun.json()
    done = http.get(f"/v1/jobs/{job['id']}?wait=30").json()
    assert (done["state"], done["result"]["ok"]) == ("done", True)
    assert [one["id"] for one in http.get("/v1/jobs").json()["jobs"]] == [job["id"]]
    assert http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert http.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert http.post("/v1/collections/none/verify", json={}).status_code == 404
