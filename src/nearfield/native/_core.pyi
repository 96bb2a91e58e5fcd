"""What the compiled core shows to :mod:`nearfield.native`: arrays in, arrays filled in place."""

from collections.abc import Callable
from typing import Any

import numpy as np

class Space:
    """Rows as the core sees them: float32, float16 or code rows, borrowed from an array.

    Made by :func:`make_space`, or by a codec.

    Examples
    --------
    >>> import numpy as np
    >>> from nearfield.native import make_space
    >>> make_space("f32", np.zeros((3, 2), np.float32), 2).n
    3
    """

    def __init__(
        self,
        kind: str,
        data: np.ndarray,
        dim: int,
        center: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        words: np.ndarray | None = None,
        layout: np.ndarray | None = None,
        first: np.ndarray | None = None,
    ) -> None: ...
    @property
    def n(self) -> int:
        """How many rows."""
    @property
    def dim(self) -> int:
        """Dimensions of the vectors that the rows stand for."""

def simd_level() -> str: ...
def set_simd_level(name: str) -> None: ...
def simd_levels() -> list[str]: ...
def threads() -> int: ...
def set_threads(n: int) -> None: ...
def code_row_bytes(kind: str, dim: int) -> int: ...
def unit(x: np.ndarray, threads: int, out: np.ndarray) -> None: ...
def encode(kind: str, vectors: np.ndarray, center: np.ndarray, out: np.ndarray, threads: int) -> None: ...
def encode_symmetric(kind: str, keep: str, x: np.ndarray, out: np.ndarray, threads: int) -> None: ...
def decode(kind: str, codes: np.ndarray, center: np.ndarray, out: np.ndarray) -> None: ...
def rotate(x: np.ndarray, seed: int, inverse: bool, threads: int) -> None: ...
def level_row_bytes(bits: int, dim: int) -> int: ...
def encode_levels(
    bits: int, x: np.ndarray, center: np.ndarray, threads: int, first: np.ndarray, second: np.ndarray
) -> None: ...
def read_levels(base: Space, out: np.ndarray) -> None: ...
def additive_row_bytes(count: int) -> int: ...
def additive_nearest(
    x: np.ndarray, words: np.ndarray, bias: np.ndarray, threads: int, codes: np.ndarray, scores: np.ndarray
) -> None: ...
def additive_pack(
    codes: np.ndarray, words: np.ndarray, layout: np.ndarray, dim: int, threads: int, rows: np.ndarray
) -> None: ...
def additive_read(base: Space, out: np.ndarray) -> None: ...
def combine(x: np.ndarray, matrix: np.ndarray, threads: int, out: np.ndarray) -> None: ...
def score_pairs(base: Space, row: int, ids: np.ndarray, out: np.ndarray) -> None: ...
def score(base: Space, metric: str, queries: np.ndarray, ids: np.ndarray, threads: int, out: np.ndarray) -> None: ...
def exact_search(
    base: Space,
    metric: str,
    queries: np.ndarray,
    allow: np.ndarray | None,
    threads: int,
    scores: np.ndarray,
    rows: np.ndarray,
) -> None: ...
def rescore(
    base: Space,
    metric: str,
    queries: np.ndarray,
    candidates: np.ndarray,
    threads: int,
    scores: np.ndarray,
    rows: np.ndarray,
) -> None: ...
def list_search(
    base: Space,
    metric: str,
    centroids: Space,
    offsets: np.ndarray,
    order: np.ndarray,
    queries: np.ndarray,
    asked: np.ndarray,
    probes: int,
    budget: int,
    allow: np.ndarray | None,
    threads: int,
    scores: np.ndarray,
    rows: np.ndarray,
) -> None: ...
def cell_search(
    base: Space,
    metric: str,
    centroids: Space | None,
    order: np.ndarray | None,
    parts: list[np.ndarray],
    queries: np.ndarray,
    asked: np.ndarray,
    rounded: bool,
    threads: int,
    scores: np.ndarray,
    rows: np.ndarray,
    scored: np.ndarray,
) -> None: ...
def graph_build(
    base: Space,
    degree: int,
    beam: int,
    alpha: float,
    seed: int,
    threads: int,
    lists: np.ndarray,
    progress: Callable[[int], Any] | None = None,
) -> list[int]: ...
def graph_room(degree: int) -> int: ...
def graph_check(neighbors: np.ndarray) -> bool: ...
def graph_reachable(neighbors: np.ndarray, entries: np.ndarray, reached: np.ndarray) -> None: ...
def graph_mend(base: Space, neighbors: np.ndarray, entries: np.ndarray, beam: int, missed: np.ndarray) -> None: ...
def graph_stitch(base: Space, neighbors: np.ndarray, found: np.ndarray, threads: int, out: np.ndarray) -> None: ...
def sign_record_bytes(degree: int, dim: int, bits: int) -> int: ...
def row_values(base: Space, ids: np.ndarray, out: np.ndarray) -> None: ...
def graph_signs(
    base: Space,
    metric: str,
    neighbors: np.ndarray,
    bits: int,
    seed: int,
    threads: int,
    records: np.ndarray,
    center: np.ndarray,
    projection: np.ndarray | None,
) -> tuple[float, float]: ...
def graph_sign_rows(
    base: Space,
    metric: str,
    neighbors: np.ndarray,
    records: np.ndarray,
    bits: int,
    units: tuple[float, float],
    seed: int,
    center: np.ndarray,
    projection: np.ndarray | None,
    rows: np.ndarray,
) -> bool: ...
def graph_estimates(
    base: Space,
    metric: str,
    neighbors: np.ndarray,
    records: np.ndarray,
    bits: int,
    units: tuple[float, float],
    seed: int,
    center: np.ndarray,
    projection: np.ndarray | None,
    query: np.ndarray,
    row: int,
    out: np.ndarray,
) -> None: ...
def graph_search(
    base: Space,
    metric: str,
    neighbors: np.ndarray,
    entries: np.ndarray,
    queries: np.ndarray,
    beam: int,
    slack: float,
    records: np.ndarray | None,
    bits: int,
    units: tuple[float, float],
    seed: int,
    center: np.ndarray | None,
    projection: np.ndarray | None,
    allow: np.ndarray | None,
    second: Space | None,
    second_queries: np.ndarray | None,
    candidates: int,
    followed: tuple[int, int, float, int, int] | None,
    threads: int,
    scores: np.ndarray,
    rows: np.ndarray,
    distances: np.ndarray | None,
    covered: np.ndarray | None,
) -> None: ...
def evaluate_predicate(arrays: list[np.ndarray], steps: np.ndarray, n: int, threads: int, out: np.ndarray) -> None: ...
def maxsim(
    space: Space,
    offsets: np.ndarray,
    queries: np.ndarray,
    query_offsets: np.ndarray,
    candidates: np.ndarray,
    centers: Space | None,
    centred: np.ndarray,
    scaled: bool,
    threads: int,
    scores: np.ndarray,
    bags: np.ndarray,
) -> None: ...
def parse_numbers(texts: tuple[bytes | memoryview, ...]) -> tuple[bytes, list[int]]: ...
def write_hits(ids: list[list[Any]], distances: np.ndarray) -> list[bytes]: ...
def read_sockets(numbers: list[int]) -> list[bytes | None]: ...
def write_sockets(numbers: list[int], texts: list[bytes]) -> list[int]: ...
