"""The same random workload at our server and in the client's own local mode: the same answers.

Where several points have one score, which of them come first is nobody's promise: those are compared as sets.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

import numpy as np
import pytest

m = pytest.importorskip("qdrant_client.models")

DIM = 6
WORDS = ["red fox", "blue Fox jumps", "green", "lazy dog", "Red dog, blue cat", "", "überraschung", "a_b c"]
DATES = ["2024-01-31", "2023-06-01T12:30:00Z", "2023-06-01T12:30:00.25+02:00", "2022-12-31 23:59:59", "no date"]
CLOSE = 2e-5


class Both:
    """Calls made at both; errors have to come from both."""

    def __init__(self, local: Any, remote: Any):
        self.last = ""
        self.local = local
        self.remote = remote

    def __call__(self, method: str, *arguments: Any, **named: Any) -> tuple[Any, Any]:
        self.last = f"{method}{arguments} {named}"
        answers = []
        for one in (self.local, self.remote):
            try:
                answers.append((getattr(one, method)(*arguments, **named), None))
            except Exception as error:
                answers.append((None, error))
        (ours, wrong), (theirs, failed) = answers[1], answers[0]
        if (wrong is None) != (failed is None):
            raise AssertionError(f"{method} {arguments} {named}:\nlocal {failed!r}\nserver {wrong!r}")
        return theirs, ours


def payload(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rng.random() < 0.8:
        found["n"] = rng.choice([1, 2, 3, 2.5, 3.0, -1, True, None, "3", [1, 2], [], [None, 3]])
    if rng.random() < 0.8:
        found["city"] = rng.choice(["Berlin", "Rome", "London", ["Rome", "Oslo"], None, [], 7])
    if rng.random() < 0.7:
        found["text"] = rng.choice(WORDS)
    if rng.random() < 0.6:
        found["when"] = rng.choice(DATES)
    if rng.random() < 0.6:
        places = [{"lat": rng.uniform(-60, 60), "lon": rng.uniform(-180, 180)} for _ in range(2)]
        found["place"] = rng.choice([places[0], places, {"lat": 1}, None])
    if rng.random() < 0.6:
        found["deep"] = {"a": rng.choice([1, 2, None, {"b": 3}]), "x.y": rng.choice([1, 2])}
    if rng.random() < 0.7:
        found["parts"] = [
            {"kind": rng.choice(["x", "y"]), "size": rng.randrange(4), "tags": rng.sample(["p", "q", "r"], 2)}
            for _ in range(rng.randrange(4))
        ]
    if rng.random() < 0.5:
        found["rank"] = rng.randrange(8)
    return found


def condition(rng: random.Random, ids: list[Any], deep: int = 0) -> Any:
    kind = rng.randrange(20 if deep < 2 else 17)
    number = rng.choice([1, 2, 2.5, 3])
    key = rng.choice(["n", "city", "text", "deep.a", 'deep."x.y"', "parts[].kind", "parts[0].size", "parts[].tags"])
    bounds = {rng.choice(["gt", "gte"]): rng.choice([0, 1, 2]), rng.choice(["lt", "lte"]): number}
    if kind == 0:
        return m.FieldCondition(key="n", match=m.MatchValue(value=rng.choice([1, 2, 3, True])))
    if kind == 1:
        return m.FieldCondition(key=key, match=m.MatchValue(value=rng.choice(["Rome", "x", "green", 1, 7])))
    if kind == 2:
        return m.FieldCondition(key="city", match=m.MatchAny(any=rng.sample(["Rome", "Oslo", "Berlin", "Nice"], 2)))
    if kind == 3:
        return m.FieldCondition(key="city", match=m.MatchExcept(**{"except": rng.sample(["Rome", "Oslo"], 1)}))
    if kind == 4:
        words = rng.choice(["fox", "blue fox", "dog red", "", "cat blue", "ÜBERRASCHUNG", "b"])
        text = rng.choice([m.MatchText(text=words), m.MatchTextAny(text_any=words), m.MatchPhrase(phrase=words)])
        return m.FieldCondition(key="text", match=text)
    if kind == 5:
        return m.FieldCondition(key=rng.choice(["n", "rank", "parts[].size", "deep.a"]), range=m.Range(**bounds))
    if kind == 6:
        return m.FieldCondition(
            key="when", range=m.DatetimeRange(gte="2023-01-01T00:00:00Z", lt="2024-01-31T00:00:01Z")
        )
    if kind == 7:
        center = m.GeoPoint(lat=rng.uniform(-50, 50), lon=rng.uniform(-170, 170))
        return m.FieldCondition(key="place", geo_radius=m.GeoRadius(center=center, radius=6e6))
    if kind == 8:
        west, east = rng.sample([-170.0, -20.0, 30.0, 160.0], 2)
        corners = {"top_left": m.GeoPoint(lat=50, lon=west), "bottom_right": m.GeoPoint(lat=-40, lon=east)}
        return m.FieldCondition(key="place", geo_bounding_box=m.GeoBoundingBox(**corners))
    if kind == 9:
        rings = [
            [m.GeoPoint(lat=lat, lon=lon) for lat, lon in ring]
            for ring in ([(-50, -120), (50, -120), (50, 120), (-50, 120)], [(-9, -9), (9, -9), (9, 9), (-9, 9)])
        ]
        shape = m.GeoPolygon(
            exterior=m.GeoLineString(points=[*rings[0], rings[0][0]]),
            interiors=[m.GeoLineString(points=[*rings[1], rings[1][0]])],
        )
        return m.FieldCondition(key="place", geo_polygon=shape)
    if kind == 10:
        return m.IsEmptyCondition(is_empty=m.PayloadField(key=key))
    if kind == 11:
        return m.IsNullCondition(is_null=m.PayloadField(key=rng.choice([key, "place"])))
    if kind == 12:
        return m.HasIdCondition(has_id=rng.sample(ids, min(len(ids), 5)))
    if kind == 13:
        return m.FieldCondition(
            key=rng.choice(["parts", "city", "n"]), values_count=m.ValuesCount(gte=1, lt=rng.choice([2, 3]))
        )
    if kind == 14:
        return m.FieldCondition(key=key, **{rng.choice(["is_empty", "is_null"]): rng.random() < 0.5})
    if kind == 15:
        return m.SliceCondition(slice=m.Slice(total=3, index=rng.randrange(3)))
    if kind == 16:
        text = rng.choice([m.MatchPrefix(prefix="R"), m.MatchSubstring(substring="o")])
        return m.FieldCondition(key="city", match=text)
    inner = filters(rng, ids, deep + 1)
    if kind == 17:
        wanted = [
            m.FieldCondition(key="kind", match=m.MatchValue(value=rng.choice("xy"))),
            m.FieldCondition(key="size", range=m.Range(gt=rng.randrange(3))),
        ]
        return m.NestedCondition(nested=m.Nested(key=rng.choice(["parts", "parts[]"]), filter=m.Filter(must=wanted)))
    return inner


def filters(rng: random.Random, ids: list[Any], deep: int = 0) -> Any:
    def some() -> Any:
        return [condition(rng, ids, deep) for _ in range(rng.randrange(1, 3))]

    given: dict[str, Any] = {}
    if rng.random() < 0.6:
        given["must"] = some()
    if rng.random() < 0.4:
        given["must_not"] = some()
    if rng.random() < 0.5:
        given["should"] = some()
    if rng.random() < 0.2:
        given["min_should"] = m.MinShould(conditions=some() + some(), min_count=rng.choice([1, 2]))
    return m.Filter(**given)


def vector(rng: random.Random, kind: str) -> Any:
    def one() -> list[float]:
        return [float(np.float32(rng.gauss(0, 1))) for _ in range(DIM)]

    if kind == "bags":
        return [one() for _ in range(rng.randrange(1, 5))]
    if kind == "sparse":
        indices = rng.sample(range(20), rng.randrange(1, 6))
        return m.SparseVector(indices=indices, values=[float(np.float32(rng.uniform(0.1, 1))) for _ in indices])
    return one()


def same_hits(theirs: list[Any], ours: list[Any]) -> None:
    assert len(theirs) == len(ours)
    assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=CLOSE, rel=CLOSE)
    ends = [theirs[0].score, theirs[-1].score] if theirs else []
    expected = {hit.id: hit for hit in theirs}
    for hit in ours:
        if hit.id in expected:
            assert hit.payload == expected[hit.id].payload
            assert hit.score == pytest.approx(expected[hit.id].score, abs=CLOSE, rel=CLOSE)
            same_vectors(hit.vector, expected[hit.id].vector)
        else:  # only one that is tied with the first or the last may be another
            assert any(hit.score == pytest.approx(end, abs=2 * CLOSE, rel=2 * CLOSE) for end in ends), hit


def same_vectors(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            same_vectors(ours[name], theirs[name])
    elif hasattr(theirs, "indices"):
        assert ours.indices == theirs.indices and ours.values == pytest.approx(theirs.values, abs=1e-6)
    elif theirs is None:
        assert ours is None
    else:
        assert np.allclose(np.array(ours), np.array(theirs), atol=1e-6)


SHAPES: dict[str, dict[str, Any]] = {
    "cosine": {"vectors_config": m.VectorParams(size=DIM, distance=m.Distance.COSINE)},
    "dot": {"vectors_config": m.VectorParams(size=DIM, distance=m.Distance.DOT)},
    "euclid": {"vectors_config": m.VectorParams(size=DIM, distance=m.Distance.EUCLID)},
    "manhattan": {"vectors_config": m.VectorParams(size=DIM, distance=m.Distance.MANHATTAN)},
    "bags": {
        "vectors_config": m.VectorParams(
            size=DIM,
            distance=m.Distance.COSINE,
            multivector_config=m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM),
        )
    },
    "named": {
        "vectors_config": {
            "first": m.VectorParams(size=DIM, distance=m.Distance.COSINE),
            "second": m.VectorParams(size=DIM, distance=m.Distance.EUCLID),
            "bags": m.VectorParams(
                size=DIM,
                distance=m.Distance.DOT,
                multivector_config=m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM),
            ),
        },
        "sparse_vectors_config": {
            "sparse": m.SparseVectorParams(),
            "rare": m.SparseVectorParams(modifier=m.Modifier.IDF),
        },
    },
}
NAMES = {"named": ["first", "second", "bags", "sparse", "rare"]}


def kind_of(shape: str, name: str | None) -> str:
    if name is None:
        return "bags" if shape == "bags" else "dense"
    return {"bags": "bags", "sparse": "sparse", "rare": "sparse"}.get(name, "dense")


class Workload:
    """One collection of both, and random calls on it."""

    def __init__(self, both: Both, shape: str, seed: int):
        self.both = both
        self.shape = shape
        self.rng = random.Random(f"{shape} {seed}")
        self.names = NAMES.get(shape)
        self.ids: list[Any] = []
        both("create_collection", "c", **SHAPES[shape])

    def vectors(self) -> Any:
        if self.names is None:
            return vector(self.rng, kind_of(self.shape, None))
        chosen = [name for name in self.names if self.rng.random() < 0.8]
        return {name: vector(self.rng, kind_of(self.shape, name)) for name in chosen}

    def upsert(self) -> None:
        rng = self.rng
        points = []
        for _ in range(rng.randrange(1, 25)):
            new = rng.choice([rng.randrange(60), rng.randrange(60), str(uuid.UUID(int=rng.randrange(30)))])
            if rng.random() < 0.02:
                new = (1 << 64) - 1 - rng.randrange(3)
            points.append(m.PointStruct(id=new, vector=self.vectors(), payload=payload(rng)))
            if new not in self.ids:
                self.ids.append(new)
        self.both("upsert", "c", points)

    def known(self, few: int) -> list[Any]:
        return self.rng.sample(self.ids, min(few, len(self.ids)))

    def change(self) -> None:
        rng = self.rng
        chosen = rng.choice([self.known(3), filters(rng, self.ids)])
        kind = rng.randrange(7)
        if kind == 0:
            self.both("delete", "c", points_selector=chosen)
        elif kind == 1:
            key = rng.choice([None, None, "deep", "parts[].more", "parts[0]", "new.place", "n", "city[]"])
            self.both("set_payload", "c", {"city": "Oslo", "n": rng.choice([None, 4])}, points=chosen, key=key)
        elif kind == 2:
            self.both("overwrite_payload", "c", {"n": 9, "parts": []}, points=chosen)
        elif kind == 3:
            keys = rng.sample(["n", "deep.a", "parts[].kind", "parts[]", "place", "parts[0]"], 2)
            self.both("delete_payload", "c", keys, points=chosen)
        elif kind == 4:
            self.both("clear_payload", "c", points_selector=chosen)
        elif kind == 5:
            points = [m.PointVectors(id=one, vector=self.vectors()) for one in self.known(3)]
            self.both("update_vectors", "c", points)
        elif self.names is not None:
            self.both("delete_vectors", "c", vectors=rng.sample(self.names, 2), points=chosen)

    def query(self, kind: str) -> Any:
        rng = self.rng

        def example() -> Any:
            if self.ids and rng.random() < 0.3:
                return rng.choice(self.ids)
            return vector(rng, kind)

        def pairs() -> list[Any]:
            return [m.ContextPair(positive=example(), negative=example()) for _ in range(rng.randrange(1, 3))]

        choice = rng.randrange(9)
        if choice < 3:
            return example()
        if choice == 3:
            return m.NearestQuery(nearest=example(), mmr=m.Mmr(diversity=0.4, candidates_limit=15))
        if choice < 6:
            strategy = rng.choice([None, *m.RecommendStrategy])
            some = {"positive": [example() for _ in range(2)], "negative": [example() for _ in range(rng.randrange(3))]}
            return m.RecommendQuery(recommend=m.RecommendInput(strategy=strategy, **some))
        if choice == 6:
            return m.DiscoverQuery(discover=m.DiscoverInput(target=example(), context=pairs()))
        if choice == 7:
            return m.ContextQuery(context=pairs())
        return m.OrderByQuery(order_by=m.OrderBy(key="rank", direction=rng.choice(list(m.Direction))))

    def ask(self) -> None:
        rng = self.rng
        using = None if self.names is None else rng.choice(self.names)
        kind = kind_of(self.shape, using)
        query = self.query(kind)
        named: dict[str, Any] = {
            "query": query,
            "using": using,
            "limit": rng.choice([1, 5, 20, 200]),
            "offset": rng.choice([None, None, 3]),
            "with_payload": rng.choice(
                [True, False, ["city", "parts[].kind"], m.PayloadSelectorExclude(exclude=["n"])]
            ),
            "with_vectors": rng.choice([False, True]),
        }
        if rng.random() < 0.7:
            named["query_filter"] = filters(rng, self.ids)
        if isinstance(query, list | m.SparseVector) and rng.random() < 0.3:
            named["score_threshold"] = rng.choice([0.1, 0.8, 2.5])
        if rng.random() < 0.25:
            self.hybrid(named)
            return
        theirs, ours = self.both("query_points", "c", **named)
        if theirs is not None and not isinstance(query, m.NearestQuery):
            same_hits(theirs.points, ours.points)
        elif theirs is not None:
            assert [hit.id for hit in theirs.points] == [hit.id for hit in ours.points]

    def hybrid(self, named: dict[str, Any]) -> None:
        rng = self.rng
        using = [None, None] if self.names is None else rng.sample(self.names, 2)
        prefetch = [
            m.Prefetch(
                query=vector(rng, kind_of(self.shape, name)),
                using=name,
                limit=200,
                filter=rng.choice([None, filters(rng, self.ids)]),
            )
            for name in using
        ]
        formula = m.FormulaQuery(
            formula=m.SumExpression(
                sum=[
                    "$score",
                    m.MultExpression(mult=[0.5, "$score[1]"]),
                    m.MultExpression(mult=[2.0, condition(rng, self.ids, 2)]),
                    m.GaussDecayExpression(gauss_decay=m.DecayParamsExpression(x="rank", target=3.0, scale=2.0)),
                ]
            ),
            defaults={"rank": 0},
        )
        fusing = [
            m.FusionQuery(fusion=m.Fusion.RRF),
            m.FusionQuery(fusion=m.Fusion.DBSF),
            m.RrfQuery(rrf=m.Rrf(k=10, weights=[1.0, 2.0])),
            formula,
        ]
        named = {**named, "prefetch": prefetch, "score_threshold": None, "limit": 200}
        if rng.random() < 0.7:
            named |= {"query": rng.choice(fusing), "using": None}
        theirs, ours = self.both("query_points", "c", **named)
        if theirs is None or isinstance(named["query"], m.NearestQuery):
            return
        if isinstance(named["query"], m.FusionQuery | m.RrfQuery):  # ranks of ties differ, and with them the scores
            assert {hit.id for hit in theirs.points} >= {hit.id for hit in ours.points} or named["offset"]
            assert len(theirs.points) == len(ours.points)
            return
        same_hits(theirs.points, ours.points)

    def read(self) -> None:
        rng = self.rng
        chosen = rng.choice([None, filters(rng, self.ids)])
        theirs, ours = self.both("count", "c", count_filter=chosen)
        if theirs is not None:
            assert theirs == ours
        offset = rng.choice([None, *self.known(2)])
        theirs, ours = self.both("scroll", "c", scroll_filter=chosen, limit=7, offset=offset, with_vectors=True)
        if theirs is not None:
            assert theirs[1] == ours[1]
            assert [(one.id, one.payload) for one in theirs[0]] == [(one.id, one.payload) for one in ours[0]]
            for one, other in zip(theirs[0], ours[0], strict=True):
                same_vectors(other.vector, one.vector)
        order = m.OrderBy(key=rng.choice(["rank", "when", "n"]), direction=rng.choice(list(m.Direction)))
        theirs, ours = self.both("scroll", "c", scroll_filter=chosen, limit=500, order_by=order)
        if theirs is not None:
            assert [one.order_value for one in theirs[0]] == [one.order_value for one in ours[0]]
            pairs = [sorted(((one.order_value, str(one.id)) for one in page[0]), key=str) for page in (theirs, ours)]
            assert pairs[0] == pairs[1]
        theirs, ours = self.both("facet", "c", key=rng.choice(["city", "n", "parts[].kind"]), facet_filter=chosen)
        if theirs is not None:
            assert theirs == ours
        theirs, ours = self.both("retrieve", "c", ids=self.known(4), with_vectors=True, with_payload=["deep", "n"])
        if theirs is not None:
            assert [(one.id, one.payload) for one in theirs] == [(one.id, one.payload) for one in ours]

    def group(self) -> None:
        using = None if self.names is None else "first"
        named = {"group_by": self.rng.choice(["city", "rank"]), "group_size": 2, "limit": 4, "using": using}
        theirs, ours = self.both(
            "query_points_groups", "c", query=vector(self.rng, kind_of(self.shape, using)), **named
        )
        if theirs is not None:
            assert [group.id for group in theirs.groups] == [group.id for group in ours.groups]
            for one, other in zip(theirs.groups, ours.groups, strict=True):
                same_hits(one.hits, other.hits)

    def run(self, steps: int) -> None:
        self.upsert()
        for _ in range(steps):
            step = self.rng.choices([self.upsert, self.change, self.ask, self.read, self.group], [2, 3, 12, 3, 1])[0]
            try:
                step()
            except AssertionError as error:
                raise AssertionError(f"{self.shape}: {self.both.last}") from error


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_random_workload_is_answered_as_in_local_mode(client: Any, local: Any, shape: str, seed: int) -> None:
    Workload(Both(local, client), shape, seed).run(120)
