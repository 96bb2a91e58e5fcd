import contextlib
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from nearfield.bench import data, load, serving

pytest.importorskip("uvicorn", reason="needs nearfield[serve]")


def test_serving_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(rows: int | None = None, count: int = 5) -> data.Workload:
        vectors = np.random.default_rng(0).standard_normal((900, 16), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return data.Workload("wordnet", "cosine", vectors[300:], {"wordnet": vectors[:300]})

    def absent(*_: object) -> dict[str, object]:
        raise ImportError("it is not installed")

    monkeypatch.setattr(serving, "wordnet", make)
    monkeypatch.setattr(serving, "CLIENTS", 8)
    monkeypatch.setattr(serving, "PEERS", {"other": absent})
    path = serving.run_serving(tmp_path, rounds=1, seconds=0.2)
    result = json.loads((tmp_path / "serving.json").read_text())
    assert result["recall"] == 1.0
    for kind in ("health", "single", "single_raw", "batch"):
        assert set(result["ours"]["rounds"][kind][0]["statuses"]) <= {"200"}
    assert "other: not measured, it is not installed" in path.read_text()
    serving.run_serving(tmp_path, soak_seconds=1.5)
    result = json.loads((tmp_path / "serving.json").read_text())
    assert result["soak"]["verified"]
    assert result["soak"]["wrong"] == []
    assert "ours" in result


def test_the_load_understands_answers() -> None:
    """Answers in two pieces, with a length and without."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(link: socket.socket) -> None:
        number = 0
        with link, contextlib.suppress(ConnectionError):  # the load ends in the middle of answers
            while link.recv(4096):
                number += 1
                if number % 2:
                    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
                    link.sendall(b"ngth: 5\r\n\r\nab")
                    link.sendall(b"cde")
                else:
                    link.sendall(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")

    def accept() -> None:
        for _ in range(3):
            threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    found = load.drive(server.getsockname()[:2], [load.request("x", "GET", "/")], 3, 0.3, warm=0.0)
    assert set(found["statuses"]) == {"200", "503"}
    assert found["answers"] == sum(found["statuses"].values()) > 6
    assert found["p50"] <= found["p99"] <= found["max"]
    server.close()
