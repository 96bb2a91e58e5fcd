"""The codes of all vectors of all bags: what each leaves of its bag's mean, and a factor that restores its length."""

from __future__ import annotations

import copy

import numpy as np

from ...encode.bags import Bags
from ...native.maxsim import BagScores, maxsim
from ...quantize.codec import Codec
from .encoding import blocks

_FITTED = 1 << 16  # vectors the token codec is fitted on


class TokenCodec:
    """How the vectors of bags become codes: ``codec`` for the vectors, ``means`` for the mean of each bag, or None.

    With ``means`` the vectors' codes say only what a vector leaves of the (decoded) mean of its bag. Codes with a
    header of one number, the additive ones, keep there the factor by which what they stand for has the vector's length.
    """

    def __init__(self, codec: Codec, means: Codec | None):
        self.codec, self.means = copy.copy(codec), copy.copy(means)

    @property
    def scaled(self) -> bool:
        """Whether the header of a code row is the factor of its length."""
        return self.codec.kind == "additive"

    def fit(self, bags: Bags) -> TokenCodec:
        """Learn from up to 65,536 of the vectors, and from the means of all bags."""
        centers = None
        if self.means is not None:
            means = _means(bags)
            centers = self.means.fit(means).decode(self.means.encode(means))
        step = max(1, len(bags.vectors) // _FITTED)
        rows = np.arange(0, len(bags.vectors), step)[:_FITTED]
        sample = bags.vectors[rows].astype(np.float32)
        if centers is not None:
            sample -= centers[np.searchsorted(bags.offsets, rows, side="right") - 1]
        self.codec.fit(sample)
        return self

    def encode(self, bags: Bags) -> tuple[np.ndarray, np.ndarray]:
        """Code rows of all vectors, and those of the means: (bags, 0) without."""
        codes = np.empty(
            (len(bags.vectors), self.codec.bytes_per_vector // self.codec.dtype.itemsize), self.codec.dtype
        )
        centers, done = [self._no_centers(0)], 0
        for part in blocks(bags):
            vectors, rows = part.vectors.astype(np.float32), codes[done : done + len(part.vectors)]
            if self.means is not None:
                centers.append(self.means.encode(_means(part)))
            else:
                centers.append(self._no_centers(len(part)))
            rest = self._center(centers[-1], np.diff(part.offsets))
            rows[:] = self.codec.encode(vectors if rest is None else vectors - rest)
            if self.scaled:
                decoded = self.codec.decode(rows)
                _set_factors(rows, vectors, decoded if rest is None else decoded + rest)
            done += len(rows)
        return codes, np.concatenate(centers)

    def decode(self, codes: np.ndarray, centers: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The float32 vectors that code rows stand for, ``counts`` of them a bag."""
        vectors = self.codec.decode(codes)
        rest = self._center(centers, counts)
        if rest is not None:
            vectors += rest
        if self.scaled:
            vectors *= np.ascontiguousarray(codes[:, :4]).view(np.float32)
        return vectors

    def maxsim(
        self,
        codes: np.ndarray,
        centers: np.ndarray,
        offsets: np.ndarray,
        queries: Bags,
        candidates: np.ndarray,
        k: int,
        threads: int | None,
    ) -> BagScores:
        """The ``k`` best of the candidates by MaxSim over the codes."""
        wanted = np.ascontiguousarray(queries.vectors, np.float32)
        return maxsim(
            self.codec.space(codes),
            offsets,
            self.codec.prepare_queries(wanted),
            queries.offsets,
            candidates,
            k,
            centers=None if self.means is None else self.means.space(centers),
            centred=None if self.means is None else self.means.prepare_queries(wanted),
            scaled=self.scaled,
            threads=threads,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What was fitted, as a file names it."""
        found = {f"codec.{name}": array for name, array in self.codec.to_arrays().items()}
        if self.means is not None:
            found |= {f"means.{name}": array for name, array in self.means.to_arrays().items()}
        return found

    def _no_centers(self, count: int) -> np.ndarray:
        if self.means is None:
            return np.zeros((count, 0), np.uint8)
        return np.zeros((count, self.means.bytes_per_vector // self.means.dtype.itemsize), self.means.dtype)

    def _center(self, centers: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
        """The decoded mean of each vector's bag."""
        return None if self.means is None else np.repeat(self.means.decode(centers), counts, axis=0)


def _means(bags: Bags) -> np.ndarray:
    """Means of the vectors of each bag: float32 (bags, d)."""
    found = np.empty((len(bags), bags.dim), np.float32)
    for number, bag in enumerate(bags):
        found[number] = bag.mean(axis=0, dtype=np.float64)
    return found


def _set_factors(rows: np.ndarray, vectors: np.ndarray, decoded: np.ndarray) -> None:
    """Write into each row's header the vector's length over that of what its code stands for; 1 where that is 0."""
    lengths = np.linalg.norm(decoded, axis=1)
    factors = np.divide(np.linalg.norm(vectors, axis=1), lengths, out=np.ones_like(lengths), where=lengths > 0)
    rows[:, :4] = factors[:, None].astype(np.float32).view(np.uint8)
