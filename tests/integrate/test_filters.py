"""A filter means the same whatever part of it columns answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.integrate.documents import Documents
from nearfield.integrate.filters import And, Leaf, Not, Or, holds, lookup, moment, ordered, plain, same, split, to_sql
from nearfield.integrate.langchain_filters import parse
from nearfield.store import Filter

SCHEMA = {"n": "int", "x": "float", "s": "string", "b": "bool", "t": "strings", "a.c": "int"}
TEXTS = ["", "a", "b", "B", "it's", 'say "x"', "naïve", "a\\b", "100%", "日本", "x" * 50]


def metadata(random_: random.Random) -> dict[str, Any]:
    """Metadata whose declared fields have the column's type, or are missing, and others anything."""
    anything: list[Any] = [None, 0, 1, -3, 2.5, 1.0, True, False, *TEXTS, ["a", 1], {"k": 1}]
    found: dict[str, Any] = {
        "n": random_.choice([None, 0, 1, 2, -3, 10**12]),
        "x": random_.choice([None, 0.0, 1.5, -2.25, 1e300, 3]),
        "s": random_.choice([None, *TEXTS]),
        "b": random_.choice([None, True, False]),
        "t": random_.choice([None, [], ["a"], ["a", "b"], ["it's"]]),
        "a": random_.choice([None, {"c": 1}, {"c": 2}, {"d": 1}, 5]),
        "u": random_.choice(anything),
    }
    return {name: value for name, value in found.items() if random_.random() < 0.8}


def filter_(random_: random.Random, depth: int = 0) -> dict[str, Any]:
    kind = random_.random()
    if depth < 2 and kind < 0.35:
        parts = [filter_(random_, depth + 1) for _ in range(random_.randint(1, 3))]
        return {random_.choice(["$and", "$or", "$nor"]): parts}
    if depth < 2 and kind < 0.45:
        return {"$not": filter_(random_, depth + 1)}
    name = random_.choice(["n", "x", "s", "b", "t", "a.c", "u", "absent"])
    values: list[Any] = [0, 1, 2, -3, 1.5, 2.0, True, False, *TEXTS]
    operator = random_.choice(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$exists", "$contains"])
    if operator in ("$in", "$nin"):
        return {name: {operator: random_.sample(values, random_.randint(0, 3))}}
    if operator == "$exists":
        return {name: {operator: random_.random() < 0.5}}
    return {name: {operator: random_.choice([*values, None])}}


def test_columns_and_tests_agree_on_random_filters(tmp_path: Path) -> None:
    random_ = random.Random(0)
    about = [metadata(random_) for _ in range(150)]
    ids = [f"i{number}" for number in range(150)]
    rows = np.random.default_rng(0).standard_normal((150, 3)).astype(np.float32)
    made = []
    for name, schema in (("declared", SCHEMA), ("plain", None)):
        documents = Documents(
            tmp_path / name, None, metric="l2", dtype="float32", tokenizer="porter", attributes=schema
        )
        documents.put(ids, rows, [{"text": "", "metadata": one} for one in about])
        made.append(documents)
    pushed = 0
    for _ in range(250):
        wanted = filter_(random_)
        tree = parse(wanted, {})
        expected = [one for one, each in zip(ids, about, strict=True) if holds(tree, one, {"metadata": each})]
        sql, rest = split(parse(wanted, SCHEMA), SCHEMA)
        pushed += sql is not None and rest is None
        for documents in made:
            where = documents.where(lambda schema, wanted=wanted: parse(wanted, schema))
            assert {hit.id for hit in documents.search(rows[0], 200, where)} == set(expected), wanted
            assert documents.count(where) == len(expected)
    assert pushed > 30
    for documents in made:
        documents.close()


def leaf(name: str, operator: str | None, value: Any) -> Leaf:
    return Leaf(name, operator, value, lambda identifier, payload: False)


@pytest.mark.parametrize(
    ("node", "sql"),
    [
        (leaf("n", "==", 3), '("n" is not null and "n" = 3)'),
        (leaf("n", "!=", 3), '("n" is null or not ("n" = 3))'),
        (leaf("s", "in", ["a", "it's"]), "(\"s\" is not null and \"s\" in ('a', 'it''s'))"),
        (leaf("s", "in", []), "(false)"),
        (leaf("s", "not in", []), "(true)"),
        (leaf("n", "is null", None), '("n" is null)'),
        (leaf("t", "contains", "a"), '("t" is not null and contains("t", \'a\'))'),
        (Not(leaf("b", "==", True)), '(not ("b" is not null and "b" = true))'),
        (Or(()), "(false)"),
        (And(()), "(true)"),
        (leaf("n", "==", True), None),
        (leaf("n", "==", "3"), None),
        (leaf("x", "<", float("inf")), None),
        (leaf("s", "==", "a\\b"), None),
        (leaf("s", "==", "\ud800"), None),
        (leaf("t", "contains", 3), None),
        (leaf("b", "<", True), None),
        (leaf("u", "==", 3), None),
        (leaf("n", None, 3), None),
        (Or((leaf("n", "==", 3), leaf("u", "==", 3))), None),
    ],
)
def test_sql(node: Any, sql: str | None) -> None:
    assert to_sql(node, SCHEMA) == sql
    if sql is not None:
        Filter(sql, SCHEMA)


def test_what_columns_cannot_say_is_left_over() -> None:
    left = leaf("u", "==", 1)
    assert split(And((leaf("n", "==", 3), left)), SCHEMA) == ('("n" is not null and "n" = 3)', And((left,)))
    assert split(Or((leaf("n", "==", 3), left)), SCHEMA)[0] is None
    long = leaf("s", "in", ["x" * 1000] * 600)
    assert split(long, SCHEMA) == (None, long)
    assert split(And((long, leaf("n", "==", 3))), SCHEMA) == ('("n" is not null and "n" = 3)', And((long,)))


def test_small_parts() -> None:
    assert lookup({"a.b": 1, "a": {"b": 2, "c": {"d": 3}}}, "a.b") == 1
    assert lookup({"a": {"b": 2, "c": {"d": 3}}}, "a.c.d") == 3
    assert lookup({"a": 1}, "a.b") is lookup(None, "a") is None
    assert same(1, 1.0) and not same(1, True) and same("a", "a")
    assert ordered(1, "<", 1.5) and not ordered(1, "<", "2") and not ordered(True, ">", 0) and ordered("a", "<", "b")
    assert moment("2024-01-01") == moment("2024-01-01T01:00:00+01:00")
    assert moment("soon") is moment(3) is None
    odd = {"a": (1, {2}), "when": moment("2024-01-01"), "n": np.float32(0.5), "v": np.arange(2), "o": Path("x")}
    said = {"a": [1, [2]], "when": "2024-01-01T00:00:00+00:00", "n": 0.5, "v": [0, 1], "o": "x"}
    assert plain(odd) == said
