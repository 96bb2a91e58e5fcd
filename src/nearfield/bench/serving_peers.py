"""Other servers under the same load: Chroma's by its HTTP interface, milvus-lite by its own client.

Both index by HNSW at their defaults but for the beam: the smallest of a few that reaches recall 0.95 on 200 queries.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .load import request

K = 10
RECALL = 0.95
BEAMS = (32, 64, 128, 256)
_ADDED = 2000
_LONGEST = 900  # seconds for all of milvus-lite: adding, choosing the beam, the load


def chroma(
    folder: Path, base: np.ndarray, queries: np.ndarray, truth: list[set[int]], clients: int, seconds: float
) -> dict[str, Any]:
    """Chroma's server, asked by the load process that asks ours."""
    from .serving import loaded

    program = shutil.which("chroma")
    if program is None:
        raise ImportError("no program 'chroma' here; pip install chromadb")
    port = _free_port()
    command = [program, "run", "--path", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    root = f"http://127.0.0.1:{port}/api/v2"
    try:
        _wait(f"{root}/heartbeat", process)
        place = f"{root}/tenants/default_tenant/databases/default_database/collections"
        best: dict[str, Any] = {}
        for beam in BEAMS:
            settings = {"hnsw": {"space": "cosine", "ef_search": beam}}
            made = _post(place, {"name": f"beam-{beam}", "configuration": settings})
            own = f"{place}/{made['id']}"
            for start in range(0, len(base), _ADDED):
                rows = base[start : start + _ADDED]
                _post(f"{own}/add", {"ids": [str(start + at) for at in range(len(rows))], "embeddings": rows.tolist()})
            asked = [{"query_embeddings": [query.tolist()], "n_results": K, "include": []} for query in queries]
            found = [[int(one) for one in _post(f"{own}/query", body)["ids"][0]] for body in asked[: len(truth)]]
            recall = _recall(found, truth)
            best = {"how": f"chroma run, ef_search={beam}", "recall": recall}
            if recall >= RECALL or beam == BEAMS[-1]:
                path = own.removeprefix(f"http://127.0.0.1:{port}")
                bodies = [request("bench", "POST", f"{path}/query", json.dumps(body).encode()) for body in asked]
                return best | loaded(("127.0.0.1", port), bodies, clients, seconds)
            _post(f"{place}/beam-{beam}", None, "DELETE")
        return best
    finally:
        process.terminate()
        process.wait(30)


_MILVUS = """
import json, sys, threading, time
import numpy as np
from pymilvus import DataType, MilvusClient
folder, clients, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
k, aim, beams = map(json.loads, sys.argv[4:])
base, queries = np.load(folder + "/base.npy"), np.load(folder + "/queries.npy")
truth = json.load(open(folder + "/truth.json"))
client = MilvusClient(folder + "/milvus.db")
schema = client.create_schema()
schema.add_field("id", DataType.INT64, is_primary=True)
schema.add_field("vector", DataType.FLOAT_VECTOR, dim=base.shape[1])
index = client.prepare_index_params()
index.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 200})
client.create_collection("c", schema=schema, index_params=index)
for start in range(0, len(base), 2000):
    rows = base[start : start + 2000]
    client.insert("c", [{"id": start + at, "vector": row} for at, row in enumerate(rows)])
client.load_collection("c")
for beam in beams:
    how = {"metric_type": "COSINE", "params": {"ef": beam}}
    found = []
    for query in queries[: len(truth)]:
        found.append([hit["id"] for hit in client.search("c", [query], limit=k, search_params=how)[0]])
    recall = sum(len(set(a) & set(b)) for a, b in zip(found, truth)) / (k * len(truth))
    if recall >= aim:
        break
times, end = [], time.perf_counter() + seconds
def ask(number):
    while (began := time.perf_counter()) < end:
        client.search("c", [queries[number % len(queries)]], limit=k, search_params=how)
        number += clients
        times.append(time.perf_counter() - began)
workers = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
times = 1000 * np.array(times)
print(json.dumps({"rate": len(times) / seconds, "p50": float(np.median(times)), "p99": float(np.quantile(times, 0.99)),
    "recall": recall, "how": f"milvus-lite by pymilvus, {clients} threads, ef={beam}"}))
"""


def milvus_lite(
    folder: Path, base: np.ndarray, queries: np.ndarray, truth: list[set[int]], clients: int, seconds: float
) -> dict[str, Any]:
    """milvus-lite, asked by threads of pymilvus: its server speaks gRPC, so its client is part of what is measured."""
    for module in ("pymilvus", "milvus_lite"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"no module {module!r} here; pip install 'pymilvus[milvus_lite]'")
    np.save(folder / "base.npy", base)
    np.save(folder / "queries.npy", queries)
    (folder / "truth.json").write_text(json.dumps([sorted(one) for one in truth]))
    arguments = [str(folder), str(clients), str(seconds), str(K), str(RECALL), json.dumps(BEAMS)]
    command = [sys.executable, "-c", _MILVUS, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer within {_LONGEST} s") from None
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1][:200])
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _recall(found: list[list[int]], truth: list[set[int]]) -> float:
    return float(np.mean([len(set(own) & right) / K for own, right in zip(found, truth, strict=True)]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("the server did not start") from None
            time.sleep(0.2)
    raise RuntimeError("the server did not answer within a minute")


def _post(url: str, body: Any, method: str = "POST") -> Any:
    raw = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, raw, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(asked, timeout=120) as answer:
        return json.loads(answer.read() or b"null")


Peer = Callable[[Path, np.ndarray, np.ndarray, list[set[int]], int, float], dict[str, Any]]
PEERS: dict[str, Peer] = {"chroma": chroma, "milvus-lite": milvus_lite}
