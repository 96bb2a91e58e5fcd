from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nearfield.decide import EntityLinker, Views
from nearfield.decide.texts import nearest


@pytest.fixture(scope="module")
def world() -> SimpleNamespace:
    """200 entities in 40 groups that look alike in their vectors; 600 mentions with the other 4 as candidates."""
    rng = np.random.default_rng(0)
    group = np.arange(200) // 5
    vectors = rng.standard_normal((40, 16))[group] + 0.5 * rng.standard_normal((200, 16))
    parts = [rng.standard_normal((3, 16)) for _ in range(200)]
    graph = rng.standard_normal((200, 6))
    truth = rng.integers(0, 200, 600)
    mentions = Views(
        vectors[truth] + 0.6 * rng.standard_normal((600, 16)),
        tokens=[parts[row][rng.permutation(3)[:2]] + 3.0 * rng.standard_normal((2, 16)) for row in truth],
        second=graph[truth] + 1.2 * rng.standard_normal((600, 6)),
    )
    ids = np.array([f"e{row:03}" for row in range(200)])
    near = [ids[group == group[row]].tolist() for row in truth]
    return SimpleNamespace(
        entities=Views(vectors, parts, graph), ids=ids, mentions=mentions, truth=ids[truth], near=near
    )


def fitted(world: SimpleNamespace, *levels: str, count: int = 200, **options: object) -> EntityLinker:
    linker = EntityLinker(levels, **options) if levels else EntityLinker(**options)
    return linker.fit(
        world.entities,
        world.ids,
        mentions=world.mentions[:count],
        links=world.truth[:count],
        candidates=world.near[:count],
    )


def right(linker: EntityLinker, world: SimpleNamespace, mentions: Views | None = None) -> float:
    met = world.mentions[200:] if mentions is None else mentions
    return float((linker.predict(met, world.near[200:]) == world.truth[200:]).mean())


def test_every_level_adds_to_the_others(world) -> None:
    every, text, alone = (right(fitted(world, *levels), world) for levels in ((), ("global", "local"), ("global",)))
    assert every > text + 0.02 > alone + 0.04
    weights = fitted(world).weights_
    assert (
        sum(weights.values()) == pytest.approx(1) and min(weights[each] for each in ("global", "local", "second")) > 0.1
    )
    assert right(fitted(world, count=40), world) > alone
    plain = EntityLinker().fit(world.entities, world.ids)
    assert right(plain, world) == alone and plain.weights_["global"] == 1


def test_what_is_missing_does_no_harm(world) -> None:
    met = world.mentions[200:]
    linker, text = (
        fitted(world, "global", "attention", "local", "second"),
        fitted(world, "global", "attention", "local"),
    )
    bare = Views(met.vectors, met.tokens)
    assert linker.predict(bare, world.near[200:]).tolist() == text.predict(bare, world.near[200:]).tolist()
    shares = [each.predict_proba(bare, world.near[200:]) for each in (linker, text)]
    assert np.allclose(np.concatenate(shares[0]), np.concatenate(shares[1]))
    alone, plain = fitted(world, "global", "attention"), Views(met.vectors)
    assert linker.predict(plain, world.near[200:]).tolist() == alone.predict(plain, world.near[200:]).tolist()
    only, alone = fitted(world, "second"), fitted(world, "global")
    assert only.predict(plain, world.near[200:]).tolist() == alone.predict(plain, world.near[200:]).tolist()
    some = Views(met.vectors, [None if row % 2 else own for row, own in enumerate(met.tokens)], met.second)
    whole, half = right(linker, world), right(linker, world, some)
    assert right(alone, world) < half < whole


def test_answers_agree_with_each_other(world) -> None:
    linker, met, given = fitted(world), world.mentions[200:], world.near[200:]
    shares, ranked = linker.predict_proba(met, given), linker.candidates(met, given)
    answers = linker.predict(met, given)
    for own, names, best, share in zip(ranked, given, answers, shares, strict=True):
        assert own[0][0] == best and dict(own) == pytest.approx(dict(zip(names, share, strict=True)))
        assert share.sum() == pytest.approx(1)
    sure = np.array([share.max() for share in shares])
    hits = answers == world.truth[200:]
    assert abs(sure.mean() - hits.mean()) < 0.06  # probabilities mean what they say
    single = linker.predict_proba(met[7:8], given[7:8])[0]
    assert single == pytest.approx(shares[7])
    text = linker.explain(met[:1], given[:1])[0]
    assert text.startswith(f"{answers[0]} with probability") and "told apart most by the level" in text


def test_rejection_keeps_its_rate_and_catches_strangers(world) -> None:
    linker, met = fitted(world), world.mentions[200:]
    assert linker.reject(met, world.near[200:], max_false=0.1).mean() < 0.16
    rng = np.random.default_rng(1)
    stranger = Views(
        rng.standard_normal((100, 16)), list(rng.standard_normal((100, 2, 16))), rng.standard_normal((100, 6))
    )
    assert linker.reject(stranger, world.near[:100], max_false=0.1).mean() > 0.7
    answers = linker.predict(stranger, world.near[:100], reject=0.1)
    assert [each is None for each in answers] == linker.reject(stranger, world.near[:100], max_false=0.1).tolist()
    plain = EntityLinker().fit(world.entities, world.ids)
    with pytest.raises(ValueError, match="expected linked mentions"):
        plain.reject(met, world.near[200:])
    plain.calibrate(world.mentions[:200], world.truth[:200], world.near[:200])
    assert plain.reject(met, world.near[200:], max_false=0.1).mean() < 0.16


def test_blocking_by_scan_and_by_index(world) -> None:
    asked: list[int] = []

    class Index:
        def search(self, queries: np.ndarray, k: int) -> SimpleNamespace:
            asked.append(k)
            return SimpleNamespace(
                rows=np.pad(nearest(queries, world.entities.vectors, k)[1], ((0, 0), (0, 1)), constant_values=-1)
            )

    met = world.mentions[200:260]
    scan = EntityLinker(n_candidates=12).fit(world.entities, world.ids)
    index = EntityLinker(n_candidates=12).fit(world.entities, world.ids, index=Index())
    assert scan.block(met) == index.block(met) and asked == [12] and {len(own) for own in scan.block(met)} == {12}
    assert scan.predict(met).tolist() == scan.predict(met, scan.block(met)).tolist() == index.predict(met).tolist()
    assert len(EntityLinker(n_candidates=1000).fit(world.entities).block(met)[0]) == 200


def test_ids_of_several_rows_are_one_entity(world) -> None:
    twice = EntityLinker(n_candidates=10).fit(np.eye(4), ["a", "b", "a", "c"])
    assert twice.predict(np.eye(4)).tolist() == ["a", "b", "a", "c"]
    assert twice.predict(np.eye(4)[2:3], [["b", "a"]]).tolist() == ["a"]
    assert twice.predict_proba(np.eye(4)[2:3], [["b", "a"]])[0].shape == (2,)
    numbered = EntityLinker().fit(np.eye(4), mentions=np.eye(4), links=[0, 1, 2, 3])
    assert numbered.predict(np.eye(4)).tolist() == [0, 1, 2, 3]


def test_few_or_no_candidates(world) -> None:
    linker, met = fitted(world), world.mentions[200:203]
    given = [[], world.near[201][:1], np.array(world.near[202])]
    answers = linker.predict(met, given)
    assert answers[0] is None and answers[1] == world.near[201][0] and answers[2] in world.near[202]
    assert linker.reject(met, given)[0] and linker.explain(met, given)[0] == "No candidates."
    assert [len(own) for own in linker.predict_proba(met, given)] == [0, 1, 5]
    assert linker.predict_proba(met, given)[1].tolist() == [1.0]
    one = EntityLinker().fit(np.ones((1, 3)), mentions=np.ones((2, 3)), links=[0, 0])
    assert one.predict(np.ones((1, 3))).tolist() == [0]


def test_floats_and_bytes_stay_the_same(world) -> None:
    met = world.mentions[200:220]
    narrow = Views(met.vectors.astype(np.float32), [own.astype(np.float16) for own in met.tokens], met.second)
    assert fitted(world).predict_proba(narrow, world.near[200:220])[0].dtype == np.float32
    runs = [np.concatenate(fitted(world).predict_proba(met, world.near[200:220])).tobytes() for _ in range(2)]
    assert runs[0] == runs[1]


def test_refusals(world) -> None:
    linker, met = fitted(world), world.mentions[200:202]
    for arguments, match in (
        ((Views(np.ones((2, 3))),), "16 dimensions, got 3"),
        ((Views(np.ones((2, 16)), second=np.ones((2, 3))),), "second view of 6 dimensions, got 3"),
        ((np.full((2, 16), np.nan),), "NaN"),
        ((met, [["e000"]]), "expected 2 lists of ids"),
        ((met, [["e000"], ["nobody"]]), "got 'nobody' at 1"),
    ):
        with pytest.raises(ValueError, match=match):
            linker.predict(*arguments)
    with pytest.raises(TypeError, match="got 'e000' at 0"):
        linker.predict(met, ["e000", "e001"])
    with pytest.raises(ValueError, match="max_false"):
        linker.reject(met, max_false=2)
    for options, match in (
        ({"mentions": met}, "expected both"),
        ({"mentions": met, "links": ["e000"]}, "expected 2 ids"),
        ({"mentions": met, "links": ["e000", "nobody"]}, "got 'nobody'"),
        ({"mentions": met, "links": ["e000", "e001"], "candidates": [[], ["e005"]]}, "got none"),
    ):
        with pytest.raises(ValueError, match=match):
            EntityLinker().fit(world.entities, world.ids, **options)
    with pytest.raises(ValueError, match="200 ids"):
        EntityLinker().fit(world.entities, ["a"])
    for bad in ({"levels": "global"}, {"levels": ("token",)}, {"levels": ()}, {"temperature": 0}, {"penalty": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            EntityLinker(**bad).fit(world.entities)
