"""The ways to fill a memory budget with codes, and how large each has to be to fill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..native import additive
from ..quantize import (
    Codec,
    Float16,
    LowRankQuantizer,
    ProductQuantizer,
    RecurrentBinary,
    ResidualQuantizer,
    RotatedQuantizer,
    ScalarQuantizer,
    VarianceQuantizer,
)
from .plan import format_bytes

# A budget counts as hit from here on; nothing ever takes more than it.
HIT = 0.95
_STAGES = 4  # a row of additive codes grows in steps of four bytes
_WORDS = 256 * 4
# Most bits of a dimension kept. Longer rows at the cost of books, and so of dimensions, pay up to about there (WordNet
# glosses in 0.1 of float32: residual codes of 136 bytes over 283 components find 0.932, of 132 over 366 of them 0.899,
# of 144 over 116 of them 0.761).
_RATE = 4.5


@dataclass(frozen=True)
class Method:
    """One way to fill a budget: a codec of ``units`` bytes a row over ``kept`` dimensions.

    Attributes
    ----------
    make : the unfitted codec from (units, kept, seed).
    reduction : how dimensions are dropped: "components" or "first".
    books : bytes of what is fitted, from (units, kept), for codecs whose rows are named in bytes; None for codecs
        whose row follows from the dimensions kept.
    most : units go up to this share of the dimensions, in fours, since rows do.
    centred : whether a mean is kept.
    stages : how many units may share a dimension.
    even : whether all units stand for as many dimensions.
    """

    make: Callable[[int, int, int], Codec]
    reduction: str = "components"
    books: Callable[[int, int], int] | None = None
    most: float = 0.5
    centred: bool = True
    stages: int = 1
    even: bool = False


METHODS: dict[str, Method] = {
    "float16": Method(lambda units, kept, seed: Float16(), centred=False),
    "scalar-8": Method(lambda units, kept, seed: ScalarQuantizer(8)),
    "scalar-4": Method(lambda units, kept, seed: ScalarQuantizer(4)),
    "truncated-8": Method(lambda units, kept, seed: ScalarQuantizer(8), "first"),
    "rotated-4": Method(lambda units, kept, seed: RotatedQuantizer(4, seed)),
    "rotated-2": Method(lambda units, kept, seed: RotatedQuantizer(2, seed)),
    "rotated-1": Method(lambda units, kept, seed: RotatedQuantizer(1, seed)),
    "recurrent-4": Method(lambda units, kept, seed: RecurrentBinary(4)),
    "recurrent-2": Method(lambda units, kept, seed: RecurrentBinary(2)),
    "recurrent-1": Method(lambda units, kept, seed: RecurrentBinary(1)),
    "product": Method(
        lambda units, kept, seed: ProductQuantizer(units, random_state=seed),
        books=lambda units, kept: _WORDS * kept + 12 * units,
    ),
    "residual": Method(
        lambda units, kept, seed: ResidualQuantizer(_STAGES, units // _STAGES, random_state=seed),
        books=lambda units, kept: _STAGES * _WORDS * kept + 12 * units,
        stages=_STAGES,
    ),
    "low-rank": Method(
        lambda units, kept, seed: LowRankQuantizer(units, random_state=seed),
        books=lambda units, kept: 4 * -(-kept // units) * (256 + -(-kept // units)),
        even=True,
    ),
    "variance": Method(
        lambda units, kept, seed: VarianceQuantizer(8 * units / kept),
        books=lambda units, kept: 4 * kept * (kept + 1) + _WORDS * min(kept, 8 * units) + 12 * units,
        most=1.0,
    ),
}


@dataclass(frozen=True)
class Budget:
    """``size`` bytes for ``rows`` rows of ``dim`` dimensions, everything that is fitted included.

    Examples
    --------
    >>> Budget(10_000, 64, 500_000).fill(METHODS["scalar-8"])
    (0, 32)
    """

    rows: int
    dim: int
    size: int

    def fill(self, method: Method) -> tuple[int, int] | str:
        """``(units, dimensions kept)`` that fill it best, or why there are none."""
        if method.books is None:
            kept = _largest(self.dim, partial(self._fits, method, 0))
            if kept == self.dim and method.reduction == "first":
                return "nothing has to be cut off"
            return (0, kept) if kept else f"its rows take {method.make(0, 1, 0).row_bytes(1)} bytes at least"
        most = max(4, int(method.most * self.dim) // 4 * 4)
        best: tuple[int, float] = (0, 0.0)
        found, filled = None, 0
        for units in range(min(most, self.size // self.rows // 4 * 4), 0, -4):
            kept = _largest(self.dim, partial(self._fits, method, units))
            if kept * method.stages < units:
                continue
            if method.even:
                kept = kept // units * units
            total = self.total(method, units, kept)
            # Of those that fill the budget the longest rows, unless they leave room for too few dimensions; where none
            # fills it, the fullest.
            rate = 8 * units / kept
            rank = (1, units if rate <= _RATE else -rate) if total >= HIT * self.size else (0, total)
            if rank > best:
                best, found, filled = rank, (units, kept), total
        if found is None:
            return "its rows and what is fitted take more than the budget"
        if best[0] == 0 and found[0] >= most - 4:
            return f"it is not tried above {format_bytes(filled)}"
        return found

    def total(self, method: Method, units: int, kept: int) -> int:
        """Bytes it takes, at most, with this many units and dimensions."""
        if method.books is None:
            row, books = method.make(units, kept, 0).row_bytes(kept), 0
        else:
            row, books = additive.row_bytes(units), method.books(units, kept)
        matrix = 4 * self.dim * (kept + 1) if kept < self.dim and method.reduction == "components" else 0
        center = 4 * kept if method.centred else 0
        return self.rows * row + matrix + center + books

    def _fits(self, method: Method, units: int, kept: int) -> bool:
        return self.total(method, units, kept) <= self.size


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to ``most`` that fits, 0 where none does; what fits, fits when it is smaller."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
