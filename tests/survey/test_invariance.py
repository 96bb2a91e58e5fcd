import zlib

import numpy as np
import pytest

from nearfield.survey import (
    column_order_invariance,
    context_stability,
    row_order_invariance,
    sample_fidelity,
    save_measures,
    schema_robustness,
)


def word(text, dim=16):
    return np.random.default_rng(zlib.crc32(str(text).encode())).standard_normal(dim)


def cells(table):
    return np.array([[word(v) for v in row.values()] for row in table.to_pylist()])


def mean_of_cells(table):
    return cells(table).mean(axis=0)


def first_rows(table):
    """What an encoder that cuts off long texts sees."""
    return mean_of_cells(table.slice(0, 5))


def with_names(table):
    return mean_of_cells(table) + np.array([word(name) for name in table.column_names])


def in_place(table):
    """Each column with its place and its neighbours."""
    return mean_of_cells(table) + np.array([word(i) for i in range(table.num_columns)]) / 2


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    return [{name: rng.integers(0, 20, 40).tolist() for name in "abc"} for _ in range(4)]


def test_orders(tables):
    assert row_order_invariance(mean_of_cells, tables).value == pytest.approx(1)
    cut = row_order_invariance(first_rows, tables)
    # Means of five of forty draws, not put back: their correlation is that of two samples with few rows in common.
    assert cut.verdict == "poor" and cut.parts["variation"] > 0.1
    assert column_order_invariance(mean_of_cells, tables).value == pytest.approx(1)
    assert column_order_invariance(in_place, tables).value < 0.99
    assert cut.to_dict() == row_order_invariance(first_rows, tables).to_dict()


def test_vectors_are_compared_with_their_own_selves(tables):
    for measure in (row_order_invariance, column_order_invariance):
        assert measure(cells, tables, level="cells").value == pytest.approx(1)
        assert measure(lambda t: cells(t).mean(axis=1), tables, level="rows").value == pytest.approx(1)
        assert measure(lambda t: cells(t).mean(axis=(0, 1)), tables, level="table").value == pytest.approx(1)


def test_known_cosine_of_two_orders():
    # A column's vector is its first value, and every value its own axis: two orders agree with probability 1/n.
    n = 4
    found = row_order_invariance(
        lambda table: [np.eye(n)[column[0].as_py()] for column in table.columns],
        [{"a": list(range(n))}] * 40,
        permutations=20,
    )
    assert found.low <= 1 / n <= found.high


def test_sample_fidelity_rises_to_one(tables):
    found = sample_fidelity(mean_of_cells, tables, share=1.0)
    assert found.value == pytest.approx(1)
    assert (np.diff(found.arrays["curve"]) > 0).all()
    # The mean of m of n unrelated words has a cosine of sqrt(m / n) with the mean of all.
    one = [{"a": list(range(1000 * i, 1000 * i + 400))} for i in range(6)]
    assert sample_fidelity(mean_of_cells, one, share=0.25).value == pytest.approx(0.5, abs=0.15)


def test_names_and_context(tables):
    assert schema_robustness(mean_of_cells, tables, {"a": "first"}).value == pytest.approx(1)
    named = schema_robustness(with_names, tables, str.upper)
    assert named.verdict == "poor" and len(named.arrays["cosines"]) == 12
    assert context_stability(mean_of_cells, tables).value == pytest.approx(1)
    assert context_stability(in_place, tables).value < 0.999


def test_page(tables, tmp_path):
    found = [row_order_invariance(first_rows, tables), sample_fidelity(mean_of_cells, tables)]
    page = save_measures({m.name: m for m in found}, tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2 and "treat tables as tables" in page


def test_bad_input(tables):
    with pytest.raises(ValueError, match="level: expected"):
        row_order_invariance(mean_of_cells, tables, level="words")
    with pytest.raises(ValueError, match="rename: expected"):
        schema_robustness(mean_of_cells, tables, {"z": "y"})
    with pytest.raises(ValueError, match="two columns"):
        context_stability(mean_of_cells, {"a": [1]})
    with pytest.raises(ValueError, match="share: "):
        sample_fidelity(mean_of_cells, tables, share=0)
    assert row_order_invariance(mean_of_cells, {"a": [1]}).value == pytest.approx(1)
