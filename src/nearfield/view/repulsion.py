"""How all rows of a map push each other apart, in time that grows with the rows and not with their pairs.

The sum over all others of a smooth kernel is a convolution. Rows are spread onto an even grid, the grid is convolved by
FFT, and the result is read off at the rows (Linderman et al., *Fast interpolation-based t-SNE*, Nature Methods 2019).
Departures from it: one grid with the three nodes around each row, instead of three nodes in each box; the two forces
are convolved themselves, so that one transform of the grid serves all three sums; the spacing changes in steps, so that
the transforms of the kernels are kept from one round to the next.
"""

from __future__ import annotations

import math

import numpy as np

# The kernel falls to a half within one unit, so a third of it is fine; beyond so many nodes the grid gets coarser.
_SPACING = 1 / 3
_MOST_NODES = 640
_STEP = 1.15
_SIDES = 32
_MARGIN = 2
# So few rows are quicker, and exact, pair by pair.
_PAIRED = 1000


class Repulsion:
    """The sums of one map after the other; keeps the transformed kernels while the map's extent hardly changes."""

    def __init__(self) -> None:
        self._made: tuple[int, int, float] | None = None
        self._kernels: list[np.ndarray] = []

    def push(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """For float32 coordinates (n,): the sums over all others j of ``(x_i - x_j) q^2`` and of ``(y_i - y_j) q^2``,
        where ``q = 1 / (1 + d^2)``, and the sum of ``q`` over all pairs, each counted both ways."""
        if len(x) <= _PAIRED:
            return _paired(x, y)
        from scipy.fft import irfft2, rfft2

        low_x, low_y = float(x.min()), float(y.min())
        span = max(float(x.max()) - low_x, float(y.max()) - low_y)
        spacing = _spacing(span)
        nodes = [_size((float(v.max()) - float(v.min())) / spacing) for v in (x, y)]
        shape = (2 * nodes[0], 2 * nodes[1])
        self._prepare(nodes[0], nodes[1], spacing)
        at_x, weights_x = _around(x, low_x, spacing)
        at_y, weights_y = _around(y, low_y, spacing)
        places = [[(at_x + i) * nodes[1] + (at_y + j) for j in range(3)] for i in range(3)]
        grid = np.zeros(nodes[0] * nodes[1])
        for i in range(3):
            for j in range(3):
                grid += np.bincount(places[i][j], weights_x[i] * weights_y[j], len(grid))
        density = rfft2(grid.reshape(nodes).astype(np.float32), shape)
        sums = []
        for kernel in self._kernels:
            field = irfft2(density * kernel, shape)[: nodes[0], : nodes[1]].ravel()
            read = np.zeros(len(x), np.float32)
            for i in range(3):
                line = weights_y[0] * field[places[i][0]]
                line += weights_y[1] * field[places[i][1]]
                line += weights_y[2] * field[places[i][2]]
                read += weights_x[i] * line
            sums.append(read)
        total = float(sums[0].sum(dtype=np.float64)) - len(x)  # without the pairs of a row with itself
        return sums[1], sums[2], max(total, 1e-12)

    def _prepare(self, wide: int, high: int, spacing: float) -> None:
        if self._made == (wide, high, spacing):
            return
        from scipy.fft import rfft2

        # Distances on a grid twice as large that wraps round, so that no row feels what wraps.
        dx = np.fft.fftfreq(2 * wide, 1 / (2 * wide))[:, None] * spacing
        dy = np.fft.fftfreq(2 * high, 1 / (2 * high))[None, :] * spacing
        near = 1 / (1 + dx**2 + dy**2)
        self._kernels = [rfft2(part.astype(np.float32)) for part in (near, dx * near**2, dy * near**2)]
        self._made = (wide, high, spacing)


def _paired(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The same sums over all pairs."""
    dx, dy = x[:, None] - x, y[:, None] - y
    near = 1 / (1 + dx * dx + dy * dy)
    total = max(float(near.sum(dtype=np.float64)) - len(x), 1e-12)
    near *= near
    return (dx * near).sum(axis=1), (dy * near).sum(axis=1), total


def _spacing(span: float) -> float:
    """As fine as the kernel wants, or else as the largest grid allows, in steps."""
    needed = span / (_MOST_NODES - 4 * _MARGIN) / _SPACING
    return _SPACING * (1.0 if needed <= 1 else _STEP ** math.ceil(math.log(needed, _STEP)))


def _size(nodes: float) -> int:
    """Nodes along one side, rounded up in steps to a length that transforms fast."""
    from scipy.fft import next_fast_len

    least = math.ceil(nodes) + 2 * _MARGIN
    return int(next_fast_len(_SIDES * math.ceil(least / _SIDES), real=True))


def _around(v: np.ndarray, low: float, spacing: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """The first of the three nodes around each row, and the weights of the parabola through them (Lagrange)."""
    place = (v - np.float32(low)) / np.float32(spacing) + np.float32(_MARGIN)
    middle = np.rint(place)
    t = place - middle
    weights = [t * (t - 1) / 2, 1 - t * t, t * (t + 1) / 2]
    return middle.astype(np.int64) - 1, weights
