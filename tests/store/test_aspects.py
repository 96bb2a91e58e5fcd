import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from nearfield.common.errors import CorruptFileError
from nearfield.store import Store
from nearfield.transform import Aspects

SCHEMA = {"topic": "string", "language": "int", "size": "float"}
ROWS = 600


def labels(rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(4, size=rows), rng.integers(3, size=rows)


def content(rows: int = ROWS) -> tuple[np.ndarray, dict[str, list[object]]]:
    topic, language = labels(rows)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 16))[topic] + rng.standard_normal((3, 16))[language]
    x = (x + 1.6 * rng.standard_normal((rows, 16))).astype(np.float32)
    named: list[object] = [f"t{value}" for value in topic]
    return x, {"topic": named, "language": language.tolist(), "size": [1.0] * rows}


@pytest.fixture(params=["cosine", "l2"])
def store(make: Callable[..., Store], request: pytest.FixtureRequest) -> Store:
    made = make(dim=16, metric=request.param, attributes=SCHEMA)
    x, attributes = content()
    made.add(list(range(400)), x[:400], attributes={name: values[:400] for name, values in attributes.items()})
    made.seal()
    made.add(list(range(400, ROWS)), x[400:], attributes={name: values[400:] for name, values in attributes.items()})
    made.fit_aspects(["topic", "language"])
    return made


def test_an_aspect_finds_its_own_labels(store: Store) -> None:
    x, _ = content()
    topic, language = labels()
    for name, own in (("topic", topic), ("language", language)):
        hits = store.search(x[:80], 20, aspect=name)
        share = np.mean([[own[i] == own[row] for i in line] for row, line in enumerate(hits.ids)])
        plain = store.search(x[:80], 20)
        generic = np.mean([[own[i] == own[row] for i in line] for row, line in enumerate(plain.ids)])
        assert share > generic + 0.05


def test_the_answer_is_that_of_the_estimator(store: Store) -> None:
    x, attributes = content()
    unit = x / np.linalg.norm(x, axis=1, keepdims=True) if store.metric == "cosine" else x
    aspects = Aspects(shrinkage=0.1).fit(unit, {name: attributes[name] for name in ("topic", "language")})
    weights = {"topic": 1.0, "language": -0.5}
    scores = aspects.transform(unit) @ aspects.queries(unit[:5], weights).T
    hits = store.search(x[:5], 30, aspect=weights)
    expected = -np.sort(-scores, axis=0)[:30].T
    assert -hits.distances == pytest.approx(expected, abs=1e-4)
    asked = store.search(x[7], 10, aspect=weights, to={"language": 2})
    wanted = np.sort(-(aspects.queries(unit[7:8], weights, to={"language": 2}) @ aspects.transform(unit).T)[0])[:10]
    assert asked.distances == pytest.approx(wanted, abs=1e-4)


def test_like_and_unlike(store: Store) -> None:
    x, _ = content()
    topic, language = labels()
    hits = store.search(like=3, k=10)
    assert 3 not in hits.ids and len(hits.ids) == 10
    near = store.search(x[3], k=11)
    assert hits.ids == [i for i in near.ids if i != 3]
    several = store.search(like=[3, 4, 5], k=20)
    assert not {3, 4, 5} & set(several.ids)
    other = int(np.flatnonzero((topic == topic[3]) & (language != language[3]))[0])
    away = store.search(like=3, unlike=other, aspect="language", k=20)
    assert {3, other}.isdisjoint(away.ids) and np.mean(language[away.ids] == language[3]) > 0.6
    both = store.search(x[:2], like=[3], k=5)
    assert np.shape(both.ids) == (2, 5)
    plain = store.search(x[3], unlike=other, k=30)
    assert np.mean(language[plain.ids] == language[other]) <= np.mean(language[near.ids] == language[other]) + 0.1


def test_filters_groups_and_writes_go_on(store: Store) -> None:
    x, _ = content()
    hits = store.search(like=3, aspect="topic", k=15, where="language = 1 and topic <> 't0'", attributes=True)
    assert all(row["language"] == 1 and row["topic"] != "t0" for row in hits.attributes)
    grouped = store.search(x[0], k=4, aspect="language", group_by="topic")
    assert sorted(grouped.groups) == ["t0", "t1", "t2", "t3"]
    store.add([10_000], x[3:4], attributes={"topic": ["t1"], "language": [0], "size": [0.0]})
    assert store.search(like=3, aspect={"topic": 1, "language": 1}, k=1).ids == [10_000]
    store.delete([10_000])
    assert 10_000 not in store.search(like=3, aspect={"topic": 1, "language": 1}, k=ROWS).ids
    before = store.search(x[9], aspect="topic", k=50)
    store.compact()
    after = store.search(x[9], aspect="topic", k=50)
    assert after.ids == before.ids and after.distances == pytest.approx(before.distances, abs=1e-6)
    assert len(store.search(like=3, k=ROWS).ids) == ROWS and store.search(like=3, k=ROWS).ids[-1] is None
    assert store.search(like=3, k=ROWS).status == f"only {ROWS - 1} items"


def test_they_are_kept_with_the_store(store: Store) -> None:
    x, _ = content()
    asked = {"queries": x[:4], "k": 10, "aspect": {"topic": 1.0}, "to": {"language": 1}}
    before = store.search(**asked)
    with Store.open(store.path, read_only=True) as reader:
        assert reader.search(**asked).ids == before.ids
        assert reader.stats()["aspects"]["spaces"]["topic"] == {"attribute": "topic", "labels": 4, "directions": 3}
        store.fit_aspects({"what": "topic"})
        assert reader.search(x[0], aspect="what", k=3).ids == store.search(x[0], aspect="what", k=3).ids
        with pytest.raises(ValueError, match="one of the aspects 'what'"):
            reader.search(x[0], aspect="topic")
    assert store.verify().ok


def test_a_tag_keeps_its_own_and_a_move_ends_them(store: Store) -> None:
    x, _ = content()
    store.tag("then")
    store.fit_aspects({"what": "topic"})
    with Store.open(store.path, at="then") as then:
        assert len(then.search(x[0], aspect="language", k=3).ids) == 3
    other = np.ascontiguousarray(x[:, ::-1])
    upgrade = store.upgrade(pairs=(list(range(ROWS)), other), embedding={"encoder": "b", "dim": 16})
    assert len(store.search(x[0], aspect="what", k=3, embedding="old").ids) == 3
    with pytest.raises(ValueError, match="in the space they were fitted to"):
        store.search(x[0], aspect="what", k=3, embedding="new")
    upgrade.finish()
    with pytest.raises(ValueError, match="fit_aspects"):
        store.search(x[0], aspect="what", k=3)
    store.fit_aspects(["topic"])
    assert len(store.search(like=0, aspect="topic", k=3).ids) == 3


def test_giving_up_a_move_keeps_them(store: Store) -> None:
    x, _ = content()
    ids = list(range(ROWS))
    upgrade = store.upgrade(pairs=(ids, x[:, ::-1].copy()), embedding={"encoder": "b", "dim": 16})
    upgrade.abandon()
    assert len(store.search(x[0], aspect="topic", k=3).ids) == 3


def test_given_aspects_are_taken(make: Callable[..., Store]) -> None:
    x, attributes = content()
    with make(dim=16) as store:
        store.add(list(range(ROWS)), x)
        store.fit_aspects(Aspects().fit(x, {"topic": attributes["topic"]}))
        assert len(store.search(x[0], aspect="topic", k=3).ids) == 3
        with pytest.raises(ValueError, match="fitted to 16 dimensions"):
            store.fit_aspects(Aspects())


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"aspect": "colour"}, ValueError, "aspect: expected one of the aspects 'topic', 'language'"),
        ({"aspect": {"topic": "x"}}, TypeError, r"aspect\['topic'\]"),
        ({"like": 99_999}, ValueError, "like: expected ids of items"),
        ({"unlike": [99_999]}, ValueError, "unlike: expected ids of items"),
        ({"like": []}, ValueError, "like: expected the id of an item"),
        ({"like": "three"}, (TypeError, ValueError), "ids"),
        ({"to": {"topic": "t9"}}, ValueError, "seen in fit"),
        ({"like": 1, "text": "words"}, ValueError, "text: expected None with like"),
        ({"aspect": "topic", "max_false": 0.1}, ValueError, "max_false: expected None"),
        ({"like": 1, "after": "x"}, ValueError, "after: expected None"),
    ],
)
def test_what_cannot_be_asked_is_named(store: Store, options: dict, error: type, text: str) -> None:
    x, _ = content()
    with pytest.raises(error, match=text):
        store.search(x[0], 5, **options)


@pytest.mark.parametrize(
    ("aspects", "error", "text"),
    [
        (["size"], ValueError, "type bool, int or string"),
        (["colour"], ValueError, "got 'colour'"),
        ([], ValueError, "at least one attribute"),
        ("topic", TypeError, "names of attributes"),
    ],
)
def test_what_cannot_be_fitted_is_named(store: Store, aspects: object, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        store.fit_aspects(aspects)


def test_a_query_that_cancels_itself_is_refused(make: Callable[..., Store]) -> None:
    with make(dim=2) as store:
        store.add([1, 2], np.float32([[1, 0], [-1, 0]]))
        with pytest.raises(ValueError, match="nothing is left"):
            store.search(like=[1, 2])
        with pytest.raises(ValueError, match="expected vectors, a text"):
            store.search()
        with pytest.raises(ValueError, match="fit_aspects"):
            store.search(like=1, aspect="topic")


def test_a_store_with_aspects_opens_without_scikit_learn(store: Store) -> None:
    program = (
        "import sys\nimport numpy as np\nfrom nearfield.store import Store\n"
        "with Store.open(sys.argv[1], read_only=True) as store:\n"
        "    store.search(np.ones(16, np.float32), 3)\n"
        "    assert store.stats()['aspects']['spaces'].keys() == {'topic', 'language'}\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(store.path)], check=True)


def test_damaged_aspects_are_named(make: Callable[..., Store]) -> None:
    x, attributes = content()
    with make(dim=16, attributes=SCHEMA) as store:
        store.add(list(range(ROWS)), x, attributes=attributes)
        store.fit_aspects(["topic"])
        path = store.path
    with closing(sqlite3.connect(path / "catalogue.sqlite")) as connection:
        connection.execute("DELETE FROM arrays WHERE name = 'aspects.topic.matrix'")
        connection.commit()
    with Store.open(path, read_only=True) as reader, pytest.raises(CorruptFileError, match="the aspects"):
        reader.search(x[0], aspect="topic", k=3)
