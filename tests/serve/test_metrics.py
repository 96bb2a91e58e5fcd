"""Metrics in Prometheus' text: counts that add up."""

from __future__ import annotations

from starlette.testclient import TestClient

from nearfield.serve.metrics import Histogram, Metrics, memory


def test_a_histogram_counts_up() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.lines("t", 'a="b"') == [
        't_bucket{a="b",le="1.0"} 2',
        't_bucket{a="b",le="2.0"} 3',
        't_bucket{a="b",le="+Inf"} 4',
        't_sum{a="b"} 12',
        't_count{a="b"} 4',
    ]


def test_strange_methods_make_no_new_lines() -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.request("none", f"M{number}", 405, 0.1)
    assert len(metrics.requests) == 1
    assert memory()["process_resident_memory_bytes"] > 1e6


def test_what_a_server_tells(http: TestClient) -> None:
    for _ in range(3):
        http.post("/v1/collections/papers/search", json={"query": [1] * 8})
    http.post("/v1/collections/papers/search", json={"query": [1]})
    text = http.get("/metrics").text
    assert 'nearfield_requests_total{operation="search",method="POST",status="200"} 3' in text
    assert 'nearfield_requests_total{operation="search",method="POST",status="422"} 1' in text
    assert 'nearfield_request_seconds_count{operation="search"} 4' in text
    assert "nearfield_search_batch_requests_sum 4" in text
    assert "papers" not in text
