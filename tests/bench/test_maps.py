"""The benchmark of maps on invented spaces: it runs, and its figures mean what they say."""

import json

import numpy as np

from nearfield.bench.maps import (
    Judged,
    markdown,
    measure_coverage,
    measure_glosses,
    measure_judged,
    measure_parts,
    measure_sampled,
    sentences,
    true_loss,
)
from nearfield.transform import VectorMap
from nearfield.tune import MapChoice, MapLoss


def invented(n: int, queries: int) -> Judged:
    rng = np.random.default_rng(0)
    things, asked = rng.standard_normal((n, 6)), rng.standard_normal((queries, 6))
    relevant = np.zeros((queries, n))
    relevant[np.arange(queries), (asked @ things.T).argmax(axis=1)] = 1
    sides = [rng.standard_normal((6, dim)) for dim in (8, 10)]
    old, new = ((np.float32(things @ side), np.float32(asked @ side)) for side in sides)
    return Judged(old, new, relevant)


def test_every_figure_is_there_and_known_documents_only_help() -> None:
    data = invented(200, 30)
    found = measure_judged(data, (60,))
    for one in found["maps"]:
        assert 0 <= one["all"] <= 1
    forth = found["maps"][0]
    assert set(forth) >= {"all", "unseen", "kept"} and forth["kept"] > 0.5 * found["new"]
    of = np.repeat(np.arange(60), 2)
    parts = measure_parts(data, (data.old[of], data.new[of], of), np.arange(60))
    assert parts[0]["parts"] == 120 and "kept" in parts[0] and "all" in parts[1]
    glosses = measure_glosses(data.old, data.new, (60,), 20)
    assert glosses["rows"] == 180 and len(glosses["maps"]) == 2
    cover = measure_coverage(data.old, data.new, pairs=60, rows=100, queries=20, repeats=1)
    assert {one["rows"] for one in cover} == {60, 100}
    samples = data.old_asked, data.new_asked
    given = {"pairs": 60, "rows": 100, "share": 0.8, "repeats": 1}
    cover += measure_sampled(data.old, data.new, samples, data.new_asked, **given)
    assert [one["given"] for one in cover[3:]] == 2 * ["queries", "queries of both"]
    assert all(0 <= one["inside"] <= 1 and one["width"] > 0 for one in cover)
    where = {"cpu": {"model": "x"}, "date": "d"}
    result = {"machine": where, "scifact": {"a": found}, "wordnet": {"b": glosses}, "coverage": {"c": cover}}
    json.dumps(result)
    text = markdown(result)
    assert (
        "## SciFact, a" in text
        and "## WordNet, b" in text
        and "| c | new-to-old | nothing | 60 | 100 |" in text
        and "| c | new-to-old | queries of both | 60 | 100 |" in text
    )
    back = data.turned()
    assert back.new.shape == data.old.shape and back.score(back.new, back.new_asked) == found["old"]


def test_a_true_map_loses_nothing() -> None:
    data = invented(100, 20)
    loss = MapLoss(0.0, 0.0, 0.1, 5, 10, 100)
    for direction in ("old-to-new", "new-to-old"):
        choice = MapChoice(VectorMap(np.eye(8)), "same", direction, loss, 50, [], None, [])
        assert true_loss(choice, data.old, data.old, data.old_asked) == 0


def test_sentences_know_their_text() -> None:
    parts, of = sentences(["One sentence that is long. Short. Another one of some length?", "A third long sentence."])
    assert of.tolist() == [0, 0, 1] and parts[1] == "Another one of some length?"
