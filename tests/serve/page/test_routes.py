"""What the page asks for beside the REST interface."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from nearfield.serve import Keys, create_app

from .conftest import HOSTILE, PLACE


def finished(http: TestClient, what: str, query: dict[str, Any]) -> dict[str, Any]:
    while (told := http.get(f"/page/data/{what}", params=query).json())["state"] == "running":
        time.sleep(0.02)
    return told


def test_the_page_and_its_files(http: TestClient) -> None:
    page = http.get("/")
    assert page.status_code == 200 and "<title>Nearfield</title>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    script = http.get("/page/js/main.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert http.get("/page/js/main.js", headers={"if-none-match": script.headers["etag"]}).status_code == 304
    assert http.get("/page/plotly.js").status_code == 200
    assert http.get("/page/style.css", headers={"accept-encoding": "identity"}).headers.get("content-encoding") is None


def test_the_reference_is_a_page_of_ours(http: TestClient) -> None:
    page = http.get("/docs")
    assert page.status_code == 200 and "reference.js" in page.text
    assert page.headers["content-security-policy"] == http.get("/").headers["content-security-policy"]
    assert http.get("/page/home", follow_redirects=False).headers["location"] == "../"
    assert http.get("/redoc").status_code == 404


@pytest.mark.parametrize(
    "name", ["../pyproject.toml", "..%2f..%2fapp.py", "js/../../routes.py", "/etc/passwd", "index.htm", ""]
)
def test_no_other_file_is_there(http: TestClient, name: str) -> None:
    answer = http.get(f"/page/{name}")
    assert answer.status_code == 404 and "error" in answer.json()


def test_the_page_moves_and_can_be_left_out(folder: Path) -> None:
    from fastapi import FastAPI

    from nearfield.serve.page import mount

    bare = create_app(folder, page=False)
    with TestClient(bare) as http:
        for path in ("/", "/page/style.css", "/docs", "/redoc"):
            assert http.get(path).status_code == 404
    moved = FastAPI()
    moved.state.service = bare.state.service
    mount(moved, prefix="/ui")
    with TestClient(moved) as http:
        assert http.get("/ui").status_code == 200 and http.get("/page/style.css").status_code == 200
        assert http.get("/").status_code == 404
        assert http.get("/page/home", follow_redirects=False).headers["location"] == "../ui"


def test_a_browser_finds_it_beside_qdrant(folder: Path) -> None:
    browser = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    for page in (True, False):
        app = create_app(folder, qdrant=True, page=page)
        with TestClient(app) as http:
            sent = http.get("/", headers=browser, follow_redirects=False)
            assert (sent.status_code, sent.headers.get("location")) == ((307, "ui") if page else (200, None))
            assert "Qdrant" in http.get("/").json()["title"]  # to programs
            if page:
                assert "<title>Nearfield</title>" in http.get("/", headers=browser).text


def test_facts(http: TestClient) -> None:
    told = http.get("/page/data/facts", params={"collection": "papers"}).json()
    assert told == {
        "items": 200,
        "dim": 8,
        "metric": "cosine",
        "attributes": {"year": "int", "topic": "string"},
        "id_type": "str",
        "text": True,
        "judge": True,
        "encodes": True,
    }
    assert http.get("/page/data/facts", params={"collection": PLACE}).json()["encodes"] is False
    assert http.get("/page/data/facts", params={"collection": "nowhere"}).status_code == 404
    assert http.get("/page/data/facts").status_code == 422


def test_values_to_choose_from(http: TestClient) -> None:
    told = http.get("/page/data/values", params={"collection": "papers", "attribute": "topic"}).json()
    assert told["values"] == [["nlp", 67], ["vision", 67], ["audio", 66]]
    refused = http.get("/page/data/values", params={"collection": "papers", "attribute": "x"})
    assert refused.status_code == 404 and "year, topic" in refused.json()["error"]["message"]


def test_a_plan_in_words(http: TestClient, app: Any) -> None:
    assert http.get("/page/data/plan", params={"collection": "papers"}).json() == {"plan": None}
    with app.state.hosted.open("papers") as store:
        plan = store.optimize(recall=0.9)
    told = http.get("/page/data/plan", params={"collection": "papers"}).json()
    assert told["labels"] == [str(trial.recipe) for trial in plan.trials] and told["plan"]["met"] == plan.met


def test_a_map_from_nothing_to_stale(http: TestClient, app: Any) -> None:
    query = {"collection": "papers", "sample": 150}
    assert http.get("/page/data/map", params=query).json() == {"state": "none"}
    assert http.get("/page/data/column", params={**query, "attribute": "year"}).status_code == 404
    assert http.post("/page/data/map", params=query).status_code == 202
    told = finished(http, "map", query)
    assert told["state"] == "done" and len(told["ids"]) == 150 and not told["stale"]
    assert http.get("/page/data/column", params={**query, "attribute": "topic"}).json()["kind"] == "category"
    assert http.get("/page/data/column", params={**query, "attribute": "year"}).json()["kind"] == "number"
    assert http.get("/page/data/column", params={**query, "attribute": "nothing"}).status_code == 404
    with app.state.hosted.open("papers") as store:
        store.delete("p0")
    assert http.get("/page/data/map", params=query).json()["stale"]
    app.state.hosted.drop("papers")
    app.state.hosted.create("papers", 8)
    assert http.get("/page/data/map", params=query).json() == {"state": "none"}


def test_a_map_that_cannot_be_drawn_says_why(http: TestClient) -> None:
    query = {"collection": "none", "sample": 100}
    http.post("/page/data/map", params=query)
    told = finished(http, "map", query)
    assert told["state"] == "failed" and "at least 3 items" in told["message"]
    assert http.post("/page/data/map/stop", params=query).status_code == 200


@pytest.mark.parametrize("sample", ["2", "100001", "many", "1e3", "-5", "9" * 40])
def test_samples_that_are_none(http: TestClient, sample: str) -> None:
    assert http.get("/page/data/map", params={"collection": "papers", "sample": sample}).status_code == 422


def test_searching_inside_a_lasso(http: TestClient) -> None:
    """By vector, by words, by both and by example, as the search view asks; all of them exact."""
    ids = [f"p{number}" for number in range(0, 200, 10)]
    inside = {"ids": [*ids, "nothing"]}
    asked: tuple[dict[str, Any], ...] = (
        {"like": ["p7"]},
        {"text": "paper 7"},
        {"text_query": "paper"},
        {"text_query": "paper", "text": "paper 30"},
    )
    for question in asked:
        everything = http.post("/v1/collections/papers/search", json={**question, "k": 200}).json()["hits"]
        hits = http.post("/v1/collections/papers/search", json={**question, "k": 5, "where": inside}).json()["hits"]
        assert len(hits) == 5
        if len(question) == 1:
            assert [hit["id"] for hit in hits] == [hit["id"] for hit in everything if hit["id"] in ids][:5]
        else:
            assert {hit["id"] for hit in hits} <= set(ids)


def test_a_survey_with_pictures(http: TestClient) -> None:
    query = {"collection": "papers"}
    assert http.get("/page/data/survey", params=query).json() == {"state": "none"}
    assert http.get("/page/data/survey/report", params=query).status_code == 404
    http.post("/page/data/survey", params=query)
    told = finished(http, "survey", query)
    assert told["state"] == "done" and told["rows"] == 200 and not told["stale"]
    picture = http.get("/page/data/survey/figure", params={**query, "measure": told["figures"][0], "theme": "dark"})
    assert picture.headers["content-type"] == "image/svg+xml"
    assert http.get("/page/data/survey/figure", params={**query, "measure": "../x"}).status_code == 404
    report = http.get("/page/data/survey/report", params=query)
    assert "sandbox" in report.headers["content-security-policy"] and "Survey of papers" in report.text


def test_names_are_data(http: TestClient) -> None:
    query = {"collection": PLACE, "attribute": "<i>a</i>"}
    assert http.get("/page/data/values", params=query).json()["values"] == [[HOSTILE, 30]]
    for name in ("../papers", "..", "papers.nf", "/etc"):
        assert http.get("/page/data/facts", params={"collection": name}).status_code == 404


def test_keys_guard_the_data_and_not_the_files(folder: Path, tmp_path: Path) -> None:
    secret = Keys.new(tmp_path / "keys", "read")
    app = create_app(folder, keys=Keys.load(tmp_path / "keys"))
    query = {"collection": "papers", "sample": 100}
    with TestClient(app) as http:
        assert http.get("/").status_code == 200 and http.get("/page/js/main.js").status_code == 200
        for path in ("facts", "map", "survey", "plan"):
            assert http.get(f"/page/data/{path}", params=query).status_code == 401
        assert http.post("/page/data/map", params=query).status_code == 401
        http.headers["authorization"] = f"Bearer {secret}"
        assert http.get("/page/data/facts", params=query).status_code == 200
        assert http.post("/page/data/map", params=query).status_code == 202
        assert finished(http, "map", query)["state"] == "done"
