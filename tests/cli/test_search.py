from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.encode import WordLlama
from nearfield.store import Store


def test_hits_with_relevance_id_and_text(run, store: Path) -> None:
    answer = run("search", store, "invert", "a", "matrix", "-k", "3")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert len(lines) == 6
    relevance, identifier = lines[0].split()
    assert identifier.startswith("matrix-")
    assert 0 <= float(relevance) <= 1
    assert "matrix" in lines[1]


def test_json(run, store: Path) -> None:
    answer = run("search", store, "a train to the coast", "-k", "2", "--json").json
    assert answer["query"] == "a train to the coast"
    assert answer["status"] == "ok"
    first = answer["hits"][0]
    assert set(first) == {"id", "distance", "relevance", "payload", "attributes"}
    assert first["attributes"]["topic"] == "rail"
    assert first["payload"]["text"]


def test_filters(run, store: Path) -> None:
    hits = run("search", store, "a train", "--where", "topic = 'cooking' and year < 2005", "--json").json["hits"]
    assert hits
    assert all(h["attributes"]["topic"] == "cooking" and h["attributes"]["year"] < 2005 for h in hits)
    nobody = run("search", store, "a train", "--where", "topic = 'war'")
    assert nobody.code == 1
    bad = run("search", store, "a train", "--where", "topik = 'war'")
    assert bad.code == 2
    assert "unknown column 'topik'" in bad.err
    assert "(at character 1)" in bad.err


def test_nothing_relevant_is_exit_code_1(run, store: Path) -> None:
    answer = run("search", store, "quarterly revenue of listed companies", "--max-false", "0.01")
    assert answer.code == 1
    assert "nothing is relevant" in answer.out
    assert run("search", store, "quarterly revenue", "--max-false", "0.01", "--json").json["hits"] == []
    assert run("search", store, "invert the old matrix", "--max-false", "1").code == 0


def test_a_vector_instead_of_words(run, store: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", WordLlama().encode("fry it in butter"))
    assert run("search", store, "--vector", "q.npy", "-k", 1, "--json").json["hits"][0]["id"].startswith("cooking-")
    np.save(tmp_path / "q.npy", np.ones((2, 256), np.float32))
    assert "expected one vector" in run("search", store, "--vector", "q.npy").err
    np.save(tmp_path / "q.npy", np.ones(7, np.float32))
    assert "256" in run("search", store, "--vector", "q.npy").err


def test_neither_and_both_are_refused(run, store: Path) -> None:
    for arguments in ((), ("  ",), ("words", "--vector", "q.npy")):
        answer = run("search", store, *arguments)
        assert answer.code == 2
        assert "expected a question, or --vector" in answer.err


def test_a_store_without_an_encoder_says_so(run, vectors: Path) -> None:
    run("index", vectors, "v.nf")
    answer = run("search", "v.nf", "words")
    assert (answer.code, "does not say which encoder" in answer.err) == (2, True)


def test_a_changed_encoder_is_refused(run, tmp_path: Path) -> None:
    embedding = {**WordLlama().fingerprint(), "digest": "0123456789abcdef"}
    with Store.create(tmp_path / "old.nf", 256, embedding=embedding) as store:
        store.add("a", np.ones(256, np.float32))
    answer = run("search", "old.nf", "words")
    assert (answer.code, "have changed" in answer.err) == (2, True)


def test_a_moved_model_is_found_again(run, tmp_path: Path) -> None:
    import os

    pytest.importorskip("onnxruntime", reason="needs nearfield[text]")
    minilm = Path(os.environ.get("NEARFIELD_MODELS", "")) / "minilm"
    if not (minilm / "model.onnx").is_file():
        pytest.skip("needs a MiniLM folder: set NEARFIELD_MODELS to the directory that holds minilm/")
    (tmp_path / "model").symlink_to(minilm)
    (tmp_path / "a.jsonl").write_text('{"text": "a cat on a mat"}\n{"text": "stock prices fell"}\n')
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("model.onnx", "tokenizer.json"):
        (copy / name).write_bytes((minilm / name).read_bytes())
    assert run("index", "a.jsonl", "a.nf", "--encoder", "onnx:copy").code == 0
    assert run("search", "a.nf", "kitten", "-k", 1, "--json").json["hits"][0]["id"] == 0
    copy.rename(tmp_path / "moved")
    assert "no directory" in run("search", "a.nf", "kitten").err
    assert run("search", "a.nf", "kitten", "--encoder", "onnx:moved").code == 0
    assert "vectors come from OnnxText" in run("search", "a.nf", "kitten", "--encoder", "wordllama").err


@pytest.mark.parametrize("options", [("-k", "0"), ("--max-false", "2")])
def test_bad_numbers(run, store: Path, options: tuple[str, ...]) -> None:
    answer = run("search", store, "words", *options)
    assert (answer.code, answer.err.count("\n")) == (2, 1)


def test_groups(run, store: Path) -> None:
    answer = run("search", store, "a train to the coast", "-k", "3", "--group-by", "topic", "--json").json
    groups = [hit["group"] for hit in answer["hits"]]
    assert groups[0] == "rail" and len(set(groups)) == len(groups) == 3
    bad = run("search", store, "a train", "--group-by", "topik")
    assert (bad.code, "unknown attribute 'topik'" in bad.err) == (2, True)


def test_everything_within_a_distance(run, store: Path) -> None:
    nearest = run("search", store, "a train to the coast", "-k", "5", "--json").json["hits"]
    radius = nearest[2]["distance"]
    within = run("search", store, "a train to the coast", "--within", radius, "--json").json
    assert [hit["id"] for hit in within["hits"]][:3] == [hit["id"] for hit in nearest[:3]]
    assert all(hit["distance"] <= radius for hit in within["hits"]) and "cursor" not in within
    cut = run("search", store, "a train to the coast", "--within", radius, "-k", "1")
    assert cut.code == 0 and "(limit: the nearest 1 of " in cut.out
    nothing = run("search", store, "a train to the coast", "--within", "0")
    assert (nothing.code, nothing.out.strip()) == (1, "nothing lies within 0")
    assert "without --group-by" in run("search", store, "a", "--within", "1", "--group-by", "topic").err


def test_the_next_page(run, store: Path) -> None:
    both = run("search", store, "a train", "-k", "6", "--json").json["hits"]
    first = run("search", store, "a train", "-k", "3", "--json").json
    second = run("search", store, "a train", "-k", "3", "--after", first["cursor"], "--json").json
    assert [hit["id"] for hit in first["hits"] + second["hits"]] == [hit["id"] for hit in both]
    assert "cursor of query" in run("search", store, "a ship", "--after", first["cursor"]).err


def test_words_alone_and_words_with_meaning(run, store: Path, tmp_path: Path) -> None:
    first = run("search", store, "matrix", "--text", "-k", "3", "--json").json["hits"]
    assert len(first) == 3 and all("matrix" in hit["payload"]["text"].lower() for hit in first)
    assert set(first[0]["legs"]) == {"text"} and first[0]["distance"] == -first[0]["legs"]["text"]
    both = run("search", store, "a train to the coast", "--hybrid", "-k", "2", "--json").json["hits"]
    assert both[0]["attributes"]["topic"] == "rail" and set(both[0]["legs"]) == {"vector", "text"}
    assert run("search", store, "--hybrid", "a", "train", "to", "the coast", "-k", "2", "--json").json["hits"] == both
    nothing = run("search", store, "zyzzyva", "--text")
    assert (nothing.code, nothing.out.strip()) == (1, "no item holds any of the words")
    filtered = run("search", store, "matrix", "--text", "--where", "topic = 'rail'")
    assert filtered.code == 1 and "no item that passes the filter" in filtered.out
    np.save(tmp_path / "q.npy", WordLlama().encode("fry it in butter"))
    assert run("search", store, "butter", "--hybrid", "--vector", "q.npy", "-k", "1").out.split()[1].startswith("cook")


def test_what_words_do_not_go_with(run, store: Path, vectors: Path) -> None:
    for arguments in (("--text",), ("--text", "a", "--within", "0.2"), ("--hybrid", "a", "--after", "x")):
        answer = run("search", store, *arguments)
        assert answer.code == 2 and "expected a question" in answer.err
    assert "fit_fusion" in run("search", store, "a", "--text", "--max-false", "0.05").err
    run("index", vectors, "v.nf")
    assert "this store has no texts" in run("search", "v.nf", "a", "--text").err


def test_items_like_and_unlike_stored_ones_and_aspects(run, store: Path) -> None:
    first = run("search", store, "a train to the coast", "-k", "3", "--json").json["hits"]
    like = run("search", store, "--like", first[0]["id"], "-k", "3", "--json").json["hits"]
    assert first[0]["id"] not in [hit["id"] for hit in like] and like[0]["attributes"]["topic"] == "rail"
    both = ("--like", first[0]["id"], "--unlike", first[1]["id"])
    assert run("search", store, *both, "-k", "2", "--json").json["hits"]
    assert "fit_aspects" in run("search", store, "--like", first[0]["id"], "--aspect", "topic").err
    with Store.open(store) as opened:
        opened.fit_aspects(["topic"])
    found = run("search", store, "a train to the coast", "--aspect", "topic=2", "-k", "5", "--json").json["hits"]
    assert {hit["attributes"]["topic"] for hit in found} == {"rail"}
    assert "name=weight" in run("search", store, "a", "--aspect", "topic=much").err
    assert "expected a question" in run("search", store, "--unlike", first[0]["id"]).err
    assert "--like" in run("search", store, "a", "--within", "0.2", "--like", first[0]["id"]).err
