"""The outcome of choosing a map between two models' spaces."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..transform.vector_map import VectorMap

OLD_TO_NEW, NEW_TO_OLD = "old-to-new", "new-to-old"
TELLING = 100
"""Queries with which a gain of a hundredth can be told from chance, so that the curve may be said to be flat."""


@dataclass(frozen=True)
class MapLoss:
    """The share of the new model's nearest rows that a map loses, with its interval.

    Attributes
    ----------
    value, low, high : of the share lost, in [0, 1]; the interval is of the confidence asked for.
    k, queries : neighbours and queries it was measured with.
    rows : of the collection it is stated for.

    Examples
    --------
    >>> print(MapLoss(0.3, 0.27, 0.33, 10, 500, 4000))
    0.300 [0.270, 0.330] of the new model's 10 nearest lost among 4,000 rows
    """

    value: float
    low: float
    high: float
    k: int
    queries: int
    rows: int

    def __str__(self) -> str:
        share = f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
        return f"{share} of the new model's {self.k} nearest lost among {self.rows:,} rows"


@dataclass(frozen=True)
class MapCandidate:
    """One kind of map that was tried, in one direction.

    Attributes
    ----------
    name : of the candidate.
    direction : "old-to-new" or "new-to-old".
    loss : the mean share lost in the trials by which the choice was made; they have fewer rows than the collection, so
        it is lower than what is stated.
    less : share of the mean of the old rows taken from a mapped query, so that rows near the mean do not answer
        everything; 0 where rows are mapped.
    queries : whether queries by both models were fitted to as well.

    Examples
    --------
    >>> print(MapCandidate("ridge", "old-to-new", 0.41))
    ridge, old-to-new: 0.410
    """

    name: str
    direction: str
    loss: float
    less: float = 0.0
    queries: bool = False

    def __str__(self) -> str:
        less = f" less {self.less:g} of the mean" if self.less else ""
        taught = " with the queries" if self.queries else ""
        return f"{self.name}, {self.direction}{less}{taught}: {self.loss:.3f}"


@dataclass(frozen=True)
class MapChoice:
    """The outcome of :func:`choose_map`.

    Attributes
    ----------
    map : fitted to all pairs; its ``transform`` takes old vectors to the new space, or new queries to the old space,
        as ``direction`` says.
    name, direction : which candidate it is, and "old-to-new" or "new-to-old".
    loss : a :class:`MapLoss`, measured on pairs that neither fit nor choice had seen.
    pairs : how many there were.
    curve : (number of pairs, loss), rising in the number.
    enough : the number of pairs beyond which the loss stopped falling; None where it still falls, and where fewer than
        100 queries were asked, with which that cannot be told.
    candidates : all that were tried, the least loss first.

    Examples
    --------
    >>> import numpy as np
    >>> from nearfield.tune import choose_map
    >>> rng = np.random.default_rng(0)
    >>> old = rng.standard_normal((200, 8), dtype=np.float32)
    >>> choice = choose_map(old, old @ np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32))
    >>> choice.loss.value < 0.05
    True
    """

    map: VectorMap = field(repr=False, compare=False)
    name: str
    direction: str
    loss: MapLoss
    pairs: int
    curve: list[tuple[int, float]]
    enough: int | None
    candidates: list[MapCandidate]

    @property
    def underdetermined(self) -> bool:
        """Whether there are fewer pairs than dimensions of what is mapped: most of the map is then the penalty's."""
        return self.pairs <= self.map.n_features_in

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the map."""
        described = {name: getattr(self, name) for name in ("name", "direction", "pairs", "enough")}
        described |= {"loss": asdict(self.loss), "curve": [list(point) for point in self.curve]}
        return described | {"candidates": [asdict(candidate) for candidate in self.candidates]}

    def __str__(self) -> str:
        lines = [f"{self.name}, {self.direction}, from {self.pairs:,} pairs: {self.loss}"]
        lines += ["tried: " + "; ".join(map(str, self.candidates))]
        shown = ", ".join(f"{loss:.3f} with {pairs:,}" for pairs, loss in self.curve)
        end = "it still falls: more pairs would help"
        if self.enough is not None:
            end = f"it stops falling at {self.enough:,}"
        elif self.loss.queries < TELLING:
            end = "with so few queries it cannot be told where it stops falling"
        lines.append(f"loss by pairs: {shown}; {end}")
        if self.underdetermined:
            lines.append(f"fewer pairs than the {self.map.n_features_in} dimensions mapped: the map is regularised")
        return "\n".join(lines)
