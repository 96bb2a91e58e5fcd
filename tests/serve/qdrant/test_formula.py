"""Formulas, held against the client's own local mode; what has no value has none in both."""

from __future__ import annotations

from typing import Any

import pytest

m = pytest.importorskip("qdrant_client.models")

ROWS: list[dict[str, Any]] = [
    {"n": 2.5, "place": {"lat": 52.5, "lon": 13.4}, "when": "2024-01-01T00:00:00Z", "list": [3]},
    {"n": -1, "place": {"lat": 48.1, "lon": 11.6}, "when": "2023-06-01", "list": [1, 2]},
    {"n": 0, "text": "red"},
]
BERLIN = m.GeoPoint(lat=52.5, lon=13.4)
DEFAULTS = {"place": {"lat": 0.0, "lon": 0.0}, "when": "2020-01-01", "$score[1]": 0.25}


def decay(**more: Any) -> Any:
    return m.DecayParamsExpression(x="n", **more)


GOOD = [
    "$score",
    m.SumExpression(sum=["$score[0]", "$score[1]", "$score[7]", 1.5]),
    m.MultExpression(mult=["n", 0.0, "missing"]),
    m.MaxExpression(max=["n", 1.0]),
    m.MinExpression(min=["n", "$score"]),
    m.NegExpression(neg=m.AbsExpression(abs="n")),
    m.DivExpression(div=m.DivParams(left=1.0, right="n", by_zero_default=9.0)),
    m.PowExpression(pow=m.PowParams(base=2.0, exponent="n")),
    m.ExpExpression(exp="n"),
    m.LnExpression(ln=m.SumExpression(sum=["n", 2.0])),
    m.Log10Expression(log10=m.ExpExpression(exp="n")),
    m.SqrtExpression(sqrt=m.AbsExpression(abs="n")),
    m.GeoDistance(geo_distance=m.GeoDistanceParams(origin=BERLIN, to="place")),
    m.DatetimeKeyExpression(datetime_key="when"),
    m.SumExpression(sum=[m.DatetimeExpression(datetime="2024-01-01"), "$score"]),
    m.LinDecayExpression(lin_decay=decay(target=1.0, scale=3.0, midpoint=0.2)),
    m.ExpDecayExpression(exp_decay=decay(scale=2.0)),
    m.GaussDecayExpression(gauss_decay=decay(target=m.NegExpression(neg=1.0), midpoint=0.9)),
    m.FieldCondition(key="text", match=m.MatchValue(value="red")),
    m.Filter(must_not=[m.IsEmptyCondition(is_empty=m.PayloadField(key="list"))]),
]
BAD = [
    "missing",
    "place",
    "list",
    "$score[x]",
    m.LnExpression(ln="n"),
    m.SqrtExpression(sqrt="n"),
    m.DivExpression(div=m.DivParams(left=1.0, right="n")),
    m.ExpExpression(exp=1e6),
    m.PowExpression(pow=m.PowParams(base="n", exponent=0.5)),
    m.GeoDistance(geo_distance=m.GeoDistanceParams(origin=BERLIN, to="n")),
    m.DatetimeKeyExpression(datetime_key="text"),
    m.LinDecayExpression(lin_decay=decay(scale=0.0)),
    m.ExpDecayExpression(exp_decay=decay(midpoint=1.0)),
    m.MaxExpression(max=[]),
]


def test_formulas_have_the_values_of_local_mode(client: Any, local: Any) -> None:
    for one in (client, local):
        one.create_collection("c", vectors_config=m.VectorParams(size=2, distance=m.Distance.DOT))
        points = [m.PointStruct(id=n, vector=[1.0, float(n)], payload=row) for n, row in enumerate(ROWS)]
        one.upsert("c", points)

    def ask(one: Any, formula: Any) -> Any:
        prefetch = [m.Prefetch(query=[1.0, 0.5], limit=3), m.Prefetch(query=[0.0, 1.0], limit=2)]
        query = m.FormulaQuery(formula=formula, defaults=DEFAULTS)
        hits = one.query_points("c", query=query, prefetch=prefetch, limit=9).points
        return {hit.id: hit.score for hit in hits}

    for formula in GOOD:
        expected, found = ask(local, formula), ask(client, formula)
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5), formula
        assert list(found.values()) == sorted(found.values(), reverse=True)
    for formula in BAD:
        for one in (local, client):
            with pytest.raises(Exception, match=r".") as caught:
                ask(one, formula)
            if one is client:
                assert caught.value.status_code == 400, (formula, caught.value)
