"""Which candidate generator serves: several are built, and what each finds among its candidates is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.checks import check_int, check_random_state, check_real
from ...encode.bags import Bags
from ...quantize.codec import Codec
from ...quantize.residual import ProductQuantizer
from ...quantize.rotated import RotatedQuantizer
from ...quantize.scalar import ScalarQuantizer
from ..base import Index
from ..flat import Flat
from .encoding import BagEncoding, check_bags
from .exact import exact_maxsim
from .fixed import FixedDimensionalEncoding
from .growing import fresh
from .joined import JoinedEncoding
from .learned import LearnedEncoding
from .mean import MeanEncoding

_HEADER, _PRODUCT_HEADER = 16, 4  # bytes of a code row before its codes
_HELD_OUT = 64  # documents that serve as queries where there are none, and
_LONGEST = 32  # how many of their vectors
_BITS = (8, 4, 2, 1)


@dataclass(frozen=True)
class TriedEncoding:
    """A candidate generator and what it found: ``recall`` of the exact best among the candidates, ``bytes`` a document.

    ``depths`` are numbers of candidates and ``recalls`` the share found among so many; ``error`` is the standard error
    of the last, over queries.

    Examples
    --------
    >>> tried = TriedEncoding(MeanEncoding(), Flat("ip"), 400, (50, 100), (0.9, 0.95), 0.01)
    >>> tried.recall
    0.95
    """

    encoding: BagEncoding
    index: Index
    bytes: int
    depths: tuple[int, ...]
    recalls: tuple[float, ...]
    error: float

    @property
    def recall(self) -> float:
        """Among as many candidates as were asked for."""
        return self.recalls[-1]

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.3f} in {depth}" for depth, share in zip(self.depths, self.recalls, strict=True))
        transform = "" if self.index.transform is None else f", {self.index.transform!r}"
        return f"{self.bytes:>5} bytes  {shares}  {self.encoding!r}, {self.index.codec!r}{transform}"


@dataclass(frozen=True)
class EncodingChoice:
    """What :func:`choose_encoding` found; printed, a table with the chosen one first.

    Attributes
    ----------
    chosen : the one to take: of the fewest bytes that reach the target by more than a standard error, so that it is not
        the luck of the sample; or else of the highest recall.
    reached : whether it reaches the target so.
    tried : all that were measured, best first.

    Examples
    --------
    >>> tried = TriedEncoding(MeanEncoding(), Flat("ip"), 400, (100,), (0.9,), 0.01)
    >>> EncodingChoice(tried, False, (tried,)).chosen.bytes
    400
    """

    chosen: TriedEncoding
    reached: bool
    tried: tuple[TriedEncoding, ...]

    def options(self) -> dict[str, Any]:
        """For :class:`MultiVector`: ``MultiVector(**choice.options())``."""
        return {"candidates": self.chosen.encoding, "index": fresh(self.chosen.index)}

    def __str__(self) -> str:
        head = "reaches the target" if self.reached else "does not reach the target; the best there is"
        lines = [f"{self.chosen}  ({head})"]
        return "\n".join(lines + [str(one) for one in self.tried if one is not self.chosen])


def choose_encoding(
    bags: Bags,
    queries: Bags | None = None,
    *,
    recall: float = 0.95,
    candidates: int = 100,
    bytes: int = 400,
    k: int = 10,
    options: Sequence[tuple[BagEncoding, Index]] | None = None,
    documents: int = 20_000,
    random_state: int = 0,
) -> EncodingChoice:
    """Measure which encoding, in how many bytes, names most of the exact ``k`` best among its ``candidates``.

    Use it before the first build: no encoding is best everywhere. On tokens of a mean-pooled encoder the mean beats
    plain fixed-dimensional encodings of ten times its size; one that learns from sample queries beats both.

    Parameters
    ----------
    bags : the documents, or some thousand of them; beyond ``documents`` a random part is measured on. In a part of a
        collection there are fewer rivals, so with all of it more candidates will be needed.
    queries : a hundred or more of those to come, without answers. One half is fitted to, the other measured. None takes
        64 of the bags as queries, out of the collection, their first 32 vectors each: a stand-in, and a worse one the
        more queries differ from documents.
    recall, candidates : the target: this share of the exact ``k`` best among so many candidates.
    bytes : the most that a document may take in the index of candidates.
    options : pairs of an encoding and an index to try in place of the usual ones; what exceeds ``bytes`` is left out.
    random_state : seed of the draws.

    Raises
    ------
    ValueError
        Fewer than two queries or bags; no option within ``bytes``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> centres = rng.standard_normal((200, 16), np.float32)
    >>> bags = Bags.from_list([c + 0.3 * rng.standard_normal((12, 16), np.float32) for c in centres])
    >>> choice = choose_encoding(bags, bags[:40], bytes=40, candidates=40, k=5)
    >>> choice.chosen.bytes <= 40, choice.chosen.recall > 0.9
    (True, True)
    """
    check_bags(bags)
    target = check_real(recall, "recall", 0.0, 1.0)
    count, budget = check_int(candidates, "candidates", 1), check_int(bytes, "bytes", 1)
    rng = np.random.default_rng(check_random_state(random_state))
    if len(bags) > check_int(documents, "documents", 2):
        bags = bags.take(np.sort(rng.permutation(len(bags))[:documents]))
    if queries is None:
        bags, queries = _held_out(bags, rng)
    check_bags(queries, "queries", bags.dim)
    if len(queries) < 2 or len(bags) < 2:
        raise ValueError(f"bags, queries: expected at least 2 of each, got {len(bags)} and {len(queries)}")
    k = min(check_int(k, "k", 1), len(bags))
    order = rng.permutation(len(queries))
    seen, asked = (queries.take(np.sort(half)) for half in (order[: len(order) // 2], order[len(order) // 2 :]))
    truth = exact_maxsim(bags, asked, k).rows
    depths = tuple(sorted({min(len(bags), max(k, depth)) for depth in (count // 2, count)}))
    wanted = usual_options(bags.dim, budget) if options is None else list(options)
    encoded = _Encoded(bags, seen, asked, [encoding for encoding, _ in wanted])
    tried = []
    for encoding, index in wanted:
        rows, seen_rows, asked_rows = encoded.of(encoding)
        built = fresh(index).build(rows, queries=seen_rows)
        size = _bytes(built)
        if size > budget:
            continue
        found = built.search(asked_rows, depths[-1]).rows  # type: ignore[attr-defined]
        each = [
            [np.isin(right, row[:depth]).mean() for depth in depths] for right, row in zip(truth, found, strict=True)
        ]
        shares = tuple(float(share) for share in np.mean(each, axis=0))
        error = float(np.std(each, axis=0)[-1] / np.sqrt(len(each)))
        tried.append(TriedEncoding(encoding, index, size, depths, shares, error))
    if not tried:
        raise ValueError(f"bytes: expected enough for at least one option, got {budget}")
    enough = [one for one in tried if one.recall - one.error >= target]
    chosen = min(enough, key=lambda one: (one.bytes, -one.recall)) if enough else max(tried, key=lambda one: one.recall)
    return EncodingChoice(chosen, bool(enough), tuple(sorted(tried, key=lambda one: -one.recall)))


class _Encoded:
    """Documents and queries by each encoding, worked out once: of learnt ones that differ in nothing but how many
    dimensions are kept, the fewer are the first of the more."""

    def __init__(self, bags: Bags, seen: Bags, asked: Bags, encodings: Sequence[BagEncoding]):
        self._bags = (bags, seen, asked)
        self._most: dict[str, BagEncoding] = {}
        self._made: dict[str, tuple[np.ndarray, ...]] = {}
        for one in encodings:
            known = self._most.setdefault(_family(one), one)
            if isinstance(one, LearnedEncoding) and isinstance(known, LearnedEncoding):
                self._most[_family(one)] = max(one, known, key=lambda each: each.dimensions)

    def of(self, encoding: BagEncoding) -> tuple[np.ndarray, ...]:
        """``(documents, queries to fit to, queries to ask)``."""
        family = _family(encoding)
        if family not in self._made:
            bags, seen, asked = self._bags
            fitted = self._most[family].fit(bags, seen)
            self._made[family] = (fitted.documents(bags), fitted.queries(seen), fitted.queries(asked))
        if isinstance(encoding, LearnedEncoding):
            first = (part[:, : encoding.dimensions] for part in self._made[family])
            return tuple(np.ascontiguousarray(part) for part in first)
        return self._made[family]


def _family(encoding: BagEncoding) -> str:
    parameters = encoding.to_dict()
    if isinstance(encoding, LearnedEncoding):
        parameters.pop("dimensions")
    return repr(parameters)


def _held_out(bags: Bags, rng: np.random.Generator) -> tuple[Bags, Bags]:
    count = min(_HELD_OUT, len(bags) // 2)
    order = rng.permutation(len(bags))
    held = [bags[int(row)][:_LONGEST] for row in np.sort(order[:count])]
    return bags.take(np.sort(order[count:])), Bags.from_list(held, dim=bags.dim)


def _bytes(index: Index) -> int:
    """Bytes that grow with the rows, a row."""
    kept = index.codec.bytes_per_vector
    return kept + (index.rescore.bytes_per_vector if isinstance(index.rescore, Codec) else 0)


def usual_options(dim: int, budget: int) -> list[tuple[BagEncoding, Index]]:
    """What is tried for vectors of ``dim`` dimensions: each encoding in what the budget has room for, and the smaller
    ones in half and a quarter of it."""
    made: list[tuple[BagEncoding, Index]] = []
    for share in (1, 2, 4):
        room = budget // share - _HEADER
        if room < 1:
            continue
        for bits in _BITS:
            if (dim * bits + 7) // 8 <= room:
                made.append((MeanEncoding(), Flat("ip", codec=_codec(bits))))
                break
        for bits in _BITS:
            made.append((LearnedEncoding(min(room * 8 // bits, 2 * dim)), Flat("ip", codec=_codec(bits))))
    if budget > _PRODUCT_HEADER:
        plain = FixedDimensionalEncoding(16, 10, min(16, dim))
        for encoding in (
            plain,
            FixedDimensionalEncoding(16, 10, min(16, dim), residuals=True),
            FixedDimensionalEncoding(16, 4, min(16, dim), residuals=True, partition="kmeans"),
            JoinedEncoding([MeanEncoding(), plain]),
        ):
            made.append((encoding, Flat("ip", codec=ProductQuantizer(budget - _PRODUCT_HEADER))))
    return made


def _codec(bits: int) -> Codec:
    return ScalarQuantizer(8) if bits == 8 else RotatedQuantizer(bits)
