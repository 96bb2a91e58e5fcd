import numpy as np
import pytest

from nearfield.survey import graph_reconstruction, survey


def random_graph(nodes=400, degree=6, seed=0):
    """Undirected edges in both directions."""
    edges = np.random.default_rng(seed).integers(0, nodes, (nodes * degree // 2, 2))
    return np.concatenate([edges, edges[:, ::-1]])


def factors(edges, nodes, dim=None):
    matrix = np.zeros((nodes, nodes))
    matrix[edges[:, 0], edges[:, 1]] = 1
    np.fill_diagonal(matrix, 0)
    values, vectors = np.linalg.eigh(matrix)
    best = np.argsort(-np.abs(values))[:dim]
    left = vectors[:, best] * np.sqrt(np.abs(values[best]))
    return left.astype(np.float32), (left * np.sign(values[best])).astype(np.float32)


def test_exact_factors_rebuild_the_graph_and_dimensions_help():
    edges = random_graph()
    values = []
    for dim in (8, 64, None):
        left, right = factors(edges, 400, dim)
        found = graph_reconstruction(left, edges, targets=right, metric="ip")
        values.append(found.value)
    assert values[0] < values[1] < values[2] == 1
    assert found.parts["pair_precision"] == 1 and found.verdict == "good"
    assert found.low == found.high == 1


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_unrelated_vectors_score_chance_on_average(metric):
    edges = random_graph()
    found = []
    for seed in range(8):
        x = np.random.default_rng(seed).standard_normal((400, 5)).astype(np.float32)
        measure = graph_reconstruction(x, edges, metric=metric, sample=200)
        found.append([measure.parts[f"{name}_{hop}"] for name in ("map", "chance") for hop in (1, 2, 3)])
    means = np.mean(found, axis=0)
    np.testing.assert_allclose(means[:3], means[3:], rtol=0.12)


def test_the_interval_holds_what_all_nodes_give(holds):
    edges = random_graph()
    left, right = factors(edges, 400, 40)
    everyone = graph_reconstruction(left, edges, targets=right, metric="ip", sample=400).value

    def measured(seed):
        return graph_reconstruction(left, edges, targets=right, metric="ip", sample=60, random_state=seed)

    assert holds(measured, everyone) >= 17


def test_equal_rows_score_chance_by_random_ties():
    edges = random_graph()
    found = graph_reconstruction(np.ones((400, 3), np.float32), edges)
    for hop in (1, 2, 3):
        assert found.parts[f"map_{hop}"] == pytest.approx(found.parts[f"chance_{hop}"], rel=0.25)
    assert found.verdict == "poor"


def test_directed_edges_need_both_vectors():
    nodes = 100
    edges = np.column_stack([np.arange(nodes), (np.arange(nodes) * 7 + 3) % nodes])
    edges = edges[edges[:, 0] != edges[:, 1]]
    left = np.eye(nodes, dtype=np.float32)
    right = np.zeros((nodes, nodes), np.float32)
    right[edges[:, 1], edges[:, 0]] = 1
    assert graph_reconstruction(left, edges, targets=right, metric="ip").value == 1
    assert graph_reconstruction(left, edges, metric="ip").value < 0.2


def test_the_same_seed_gives_the_same_numbers_and_blocks_do_not_show(monkeypatch):
    edges = random_graph()
    x = np.random.default_rng(1).standard_normal((400, 8)).astype(np.float32)
    first = graph_reconstruction(x, edges, sample=100, metric="l2")
    monkeypatch.setattr("nearfield.survey.reconstruction._CELLS", 4000)
    assert graph_reconstruction(x, edges, sample=100, metric="l2").to_dict() == first.to_dict()


@pytest.mark.slow
def test_survey_takes_a_graph(tmp_path):
    edges = random_graph(300)
    x = factors(edges, 300, 8)[0]
    found = survey(x, graph=edges, metric="ip", sample=20, progress=False)
    assert found["graph_reconstruction"].known
    assert "Does the space hold the graph?" in found.save(tmp_path / "page.html").read_text()


def test_what_cannot_be_measured_says_why():
    x = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    assert "10 nodes with an edge" in graph_reconstruction(x, np.empty((0, 2), int)).meaning
    with pytest.raises(ValueError, match="targets: expected shape"):
        graph_reconstruction(x, [[0, 1]], targets=x[:5])
    with pytest.raises(ValueError, match="graph: expected row numbers"):
        graph_reconstruction(x, [[0, 30]])
    with pytest.raises(ValueError, match="zeros"):
        graph_reconstruction(np.zeros((30, 4), np.float32), [[0, 1]])
