import zlib

import numpy as np
import pytest

from nearfield.survey import dependency_consistency, entity_stability, join_correlation, save_measures


def word(text, dim=24):
    return np.random.default_rng(zlib.crc32(str(text).encode())).standard_normal(dim)


def cells(table):
    return np.array([[word(v) for v in row.values()] for row in table.to_pylist()])


def columns(table):
    return np.array([np.mean([word(v) for v in column.to_pylist()], axis=0) for column in table.columns])


def pools(seed=0):
    rng = np.random.default_rng(seed)
    return [{str(c): [f"{(c + t) % 4}-{v}" for v in rng.integers(0, 12, 30)] for c in range(3)} for t in range(8)]


def test_shared_values_show_in_means_of_cells_and_not_in_noise():
    found = join_correlation(columns, pools())
    assert found.verdict == "good" and found.low <= found.value <= found.high
    noise = np.random.default_rng(0)
    lost = join_correlation(lambda table: noise.standard_normal((table.num_columns, 8)), pools())
    assert lost.low <= 0.1 and abs(lost.value) < 0.2
    assert set(found.parts) == {"containment", "jaccard", "multiset_jaccard"}


def test_overlaps_count_values_as_they_say():
    from collections import Counter

    from nearfield.survey.relational import _overlaps

    assert _overlaps(Counter("aab"), Counter("abc")) == (1.0, 2 / 3, 2 / 4)


def dependent(rows=200, groups=20, broken=0.0, seed=0):
    rng = np.random.default_rng(seed)
    city = rng.integers(0, groups, rows)
    land = city % 5
    moved = rng.random(rows) < broken
    land = np.where(moved, rng.integers(0, 5, rows), land)
    return {"city": [f"c{i}" for i in city], "land": [f"l{i}" for i in land]}


def test_a_dependency_that_holds_is_one_and_one_that_is_broken_is_less():
    kept = dependency_consistency(cells, dependent(), "city", "land")
    assert kept.value == pytest.approx(1) and kept.parts["within"] == pytest.approx(0, abs=1e-12)
    values = [dependency_consistency(cells, dependent(broken=b), "city", "land").value for b in (0.1, 0.5, 1.0)]
    assert kept.value > values[0] > values[1] > values[2]


def test_known_share_of_variance(holds):
    # Steps are the group's own plus noise: the share between groups is known.
    groups, noise = 30, 1.5

    def measured(seed):
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(groups), 8)
        steps = rng.standard_normal((groups, 16))[codes] + noise * rng.standard_normal((len(codes), 16))
        made = np.stack([np.zeros_like(steps), steps], axis=1)
        table = {"a": codes.tolist(), "b": codes.tolist()}
        return dependency_consistency(lambda _: made, table, "a", "b")

    assert holds(measured, 1 / (1 + noise**2)) >= 17


def test_dependencies_that_cannot_be_judged():
    table = {"a": [1, 2, 3], "b": [1, 1, 1]}
    assert "come twice" in dependency_consistency(cells, table, "a", "b").meaning
    same = {"a": [1, 1, 2, 2], "b": [3, 3, 4, 4]}
    assert "the same in every row" in dependency_consistency(lambda t: np.ones((4, 2, 3)), same, "a", "b").meaning
    with pytest.raises(ValueError, match="dependent: expected one of a, b, got 'c'"):
        dependency_consistency(cells, same, "a", "c")


def test_entities(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 12)).astype(np.float32)
    turned = (x @ np.linalg.qr(rng.standard_normal((12, 12)))[0]).astype(np.float32)
    assert entity_stability(x, turned).value > 0.99
    other = entity_stability(x, rng.standard_normal((500, 5)).astype(np.float32))
    assert other.low <= other.parts["chance"] <= other.high and other.verdict == "poor"
    near = entity_stability(x, (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32))
    assert other.value < near.value < 1
    monkeypatch.setattr("nearfield.survey.relational._WORK", 1.0)
    assert "200 things" in entity_stability(x, x).detail
    with pytest.raises(ValueError, match="second: expected 500 rows"):
        entity_stability(x, x[:9])
    assert "12 things" in entity_stability(x[:11], x[:11]).meaning


def test_joins_that_cannot_be_judged():
    assert "10 pairs" in join_correlation(columns, {"a": [1, 2]}).meaning
    apart = [{"a": [f"{t}"], "b": [f"{t}b"]} for t in range(6)]
    assert "overlap alike" in join_correlation(columns, apart).meaning


def test_page(tmp_path):
    x = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    found = [join_correlation(columns, pools()), dependency_consistency(cells, dependent(broken=0.2), "city", "land")]
    found.append(entity_stability(x, x))
    page = save_measures({m.name: m for m in found}, tmp_path / "page.html").read_text()
    assert page.count("<svg") == 3
