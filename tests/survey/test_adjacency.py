import numpy as np
import pytest
from scipy import sparse

from nearfield.survey.adjacency import adjacency, hops_from


def test_edges_and_matrices_say_the_same():
    edges = np.array([[0, 1], [1, 2], [1, 2], [2, 2]])
    made = adjacency(edges, 4)
    assert made.nnz == 2 and made.data.tolist() == [1, 1]
    same = adjacency(sparse.csr_matrix(([5.0, 0.5, 0.0], ([0, 1, 3], [1, 2, 0])), shape=(4, 4)), 4)
    assert (made != same).nnz == 0


def test_hops_follow_the_direction_of_edges():
    path = np.column_stack([np.arange(5), np.arange(1, 6)])
    found = hops_from(adjacency(path, 6), np.array([0, 4]), 3)
    assert found.tolist() == [[0, 1, 2, 3, 0, 0], [0, 0, 0, 0, 0, 1]]


@pytest.mark.parametrize("graph", [np.eye(3), [[0.0, 1.0]], [[0, 9]], [[-1, 0]], sparse.eye_array(4)])
def test_what_is_no_graph_is_refused(graph):
    with pytest.raises(ValueError, match="graph: expected"):
        adjacency(graph, 3)
