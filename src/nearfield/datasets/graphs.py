"""Graphs of documents and of people, each node with the class it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .sources import Source, damage_named, obtain

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_CORA = Source(
    "graphs/cora.npz",
    advice="The collection gnn-benchmark (data/npz/planetoid/cora.npz) has it, with 2,708 nodes.",
)
_BLOGS = Source(
    "graphs/blogcatalog.npz",
    advice="Make it from BlogCatalog3 of the ASU social computing repository: numpy.savez with indptr, indices, shape "
    "of the adjacency matrix and group_indptr, group_indices, group_shape of the nodes' groups, as sparse rows.",
)
_EMAIL = Source(
    "graphs/email_eu.npz",
    advice="Make it from email-Eu-core of SNAP: numpy.savez with edges (25571, 2) and labels (1005,).",
)


@dataclass(frozen=True)
class Graph:
    """Nodes and edges, with what is known of the nodes.

    Attributes
    ----------
    adjacency : sparse (n, n) float32 of ones; an edge leads from the row to the column, and back in undirected graphs.
    labels : (n,) class of each node, or sparse (n, groups) where a node is in several.
    attributes : sparse (n, words), or None.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> len(Graph(csr_array(np.eye(3, k=1, dtype=np.float32)), np.zeros(3)))
    3
    """

    adjacency: csr_array
    labels: np.ndarray | csr_array
    attributes: csr_array | None = None

    def __len__(self) -> int:
        return int(self.adjacency.shape[0])


def cora() -> Graph:
    """Citations among 2,708 papers, undirected, seven fields, words as attributes."""
    from scipy.sparse import csr_array

    path = obtain(_CORA)
    with damage_named(path), np.load(path, allow_pickle=False) as file:
        parts = {
            name: csr_array(
                (file[f"{name}_data"], file[f"{name}_indices"], file[f"{name}_indptr"]),
                shape=tuple(file[f"{name}_shape"].tolist()),
            )
            for name in ("adj", "attr")
        }
        return Graph(_ones(parts["adj"] + parts["adj"].T), file["labels"].astype(np.int64), parts["attr"])


def blogcatalog() -> Graph:
    """Friendships among 10,312 bloggers, undirected, in 39 groups."""
    from scipy.sparse import csr_array

    path = obtain(_BLOGS)
    with damage_named(path), np.load(path, allow_pickle=False) as file:
        made = []
        for prefix in ("", "group_"):
            indices = file[f"{prefix}indices"]
            shape = tuple(file[f"{prefix}shape"].tolist())
            made.append(_ones(csr_array((np.ones(len(indices)), indices, file[f"{prefix}indptr"]), shape=shape)))
        return Graph(*made)


def email_eu() -> Graph:
    """Who sent mail to whom among 1,005 people of a research institution, directed, 42 departments."""
    from scipy.sparse import csr_array

    path = obtain(_EMAIL)
    with damage_named(path), np.load(path, allow_pickle=False) as file:
        edges, labels = file["edges"], file["labels"].astype(np.int64)
        shape = (len(labels), len(labels))
        return Graph(_ones(csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=shape)), labels)


def _ones(matrix: csr_array) -> csr_array:
    made = matrix.astype(np.float32)
    made.sum_duplicates()
    made.eliminate_zeros()
    made.data[:] = 1
    return made
