import numpy as np
import pytest

from nearfield.survey import relation_offsets, save_measures, similarity_error


def planted(relations=4, pairs=60, dim=24, noise=0.0, seed=0):
    """Tails are heads moved by their relation's step; rows and triples."""
    rng = np.random.default_rng(seed)
    heads = rng.standard_normal((relations * pairs, dim))
    kind = np.repeat(np.arange(relations), pairs)
    tails = heads + 2.5 * rng.standard_normal((relations, dim))[kind] + noise * rng.standard_normal(heads.shape)
    number = np.arange(len(heads))
    return np.concatenate([heads, tails]).astype(np.float32), np.column_stack([number, kind, number + len(heads)])


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_planted_steps_are_found(metric):
    x, triples = planted()
    found = relation_offsets(x, triples, k=1, metric=metric)
    assert found.value > (0.99 if metric == "l2" else 0.3)
    assert found.parts["mean_offset"] > 0.9 and found.parts["no_offset"] < 0.25


def test_without_steps_nothing_is_gained_and_noise_costs():
    x, triples = planted()
    mixed = triples.copy()
    mixed[:, 2] = np.random.default_rng(0).permutation(mixed[:, 0])
    lost = relation_offsets(x, mixed, metric="l2")
    assert lost.verdict == "poor" and lost.value < 0.15
    noisy, triples = planted(noise=3.0)
    assert relation_offsets(noisy, triples, metric="l2").value < 0.95


def test_equal_rows_give_chance():
    _, triples = planted()
    found = relation_offsets(np.ones((480, 3), np.float32), triples, k=10)
    assert found.value == pytest.approx(found.parts["chance"], rel=0.02)


def test_other_right_answers_do_not_stand_in_the_way():
    # Every head has two tails, one of which lies nearer to the query: both count as found.
    x, triples = planted(relations=1, pairs=40)
    second = triples.copy()
    second[:, 2] += 40
    x = np.concatenate([x, x[40:80] + 1e-3])
    found = relation_offsets(x, np.concatenate([triples, second]), k=1, metric="l2")
    assert found.value > 0.95


def test_similarity_error_and_its_order():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6)).astype(np.float32)
    pairs = rng.integers(0, 300, (500, 2))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = np.einsum("ij,ij->i", unit[pairs[:, 0]], unit[pairs[:, 1]]).clip(-1, 1)
    assert similarity_error(x, pairs, cosines).value < 1e-6
    shifted = similarity_error(x, pairs, cosines / 2 - 0.5)
    assert shifted.value == pytest.approx(np.abs(cosines / 2 + 0.5).mean(), abs=1e-6)
    assert shifted.parts["rank_correlation"] == pytest.approx(1) and "calibrate" in shifted.meaning
    assert similarity_error(x, pairs, np.full(500, 0.3)).parts["rank_correlation"] == 0


def test_pages(tmp_path):
    x, triples = planted()
    pairs = triples[:, [0, 2]]
    measures = {"relation_offsets": relation_offsets(x, triples, sample=50)}
    measures["similarity_error"] = similarity_error(x, pairs, np.linspace(-1, 1, len(pairs)))
    page = save_measures(measures, tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2 and "Does the space hold the graph?" in page


def test_bad_input():
    x, triples = planted(pairs=5)
    with pytest.raises(ValueError, match="triples: expected"):
        relation_offsets(x, triples[:, :2])
    with pytest.raises(ValueError, match="triples: expected row numbers"):
        relation_offsets(x[:5], triples)
    assert "10 triples" in relation_offsets(x, triples[:1]).meaning
    with pytest.raises(ValueError, match="similarities: expected shape"):
        similarity_error(x, triples[:, [0, 2]], [0.5])
    with pytest.raises(ValueError, match="from -1 to 1"):
        similarity_error(x, [[0, 1]], [3.0])
    assert "10 pairs" in similarity_error(x, [[0, 1]], [0.3]).meaning
