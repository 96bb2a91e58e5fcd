"""What was asked before: conditions, how often each came, and some of the vectors that came with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..common.checks import check_vectors
from .filters import Filter
from .snapshot import Shape

# How many conditions are kept, the most frequent; and of how many queries the vectors are looked at.
MAX_CONDITIONS = 200
MAX_VECTORS = 512


@dataclass(frozen=True)
class Workload:
    """A log of past queries, reduced to what a partition is learnt from.

    Attributes
    ----------
    conditions : distinct texts, the most frequent first; None is a query without a condition.
    weights : how often each came.
    vectors : float32 (m, d), some of the queries, or None; ``of`` (m,) numbers their conditions.
    """

    conditions: list[str | None]
    weights: np.ndarray
    vectors: np.ndarray | None = None
    of: np.ndarray | None = None

    @classmethod
    def check(cls, log: Any, shape: Shape) -> Self:
        """A log as a caller gives it: a sequence of conditions, or of pairs of a vector and a condition."""
        if isinstance(log, str) or not isinstance(log, Sequence) or not len(log):
            raise ValueError(f"workload: expected a sequence of conditions or of (vector, condition), got {log!r}")
        texts, vectors, places = [], [], []
        for place, entry in enumerate(log):
            vector = None
            if isinstance(entry, tuple | list):
                if len(entry) != 2:
                    raise ValueError(f"workload: expected (vector, condition) at {place}, got {len(entry)} values")
                vector, entry = entry
            if entry is not None and not isinstance(entry, str):
                kind = type(entry).__name__
                raise TypeError(f"workload: expected a condition as SQL text or None at position {place}, got {kind}")
            texts.append(entry)
            if vector is not None:
                vectors.append(vector)
                places.append(place)
        counts = Counter(texts).most_common(MAX_CONDITIONS)
        conditions = [text for text, _ in counts]
        for text in conditions:
            if text is not None:
                Filter(text, shape.schema)  # refused here, by name, rather than in the middle of a build
        weights = np.array([count for _, count in counts], np.float64)
        if not vectors:
            return cls(conditions, weights)
        array, _ = check_vectors(
            np.stack([np.asarray(vector) for vector in vectors]),
            "workload",
            dim=shape.dim,
            nonzero=shape.metric == "cosine",
        )
        numbers = {text: number for number, text in enumerate(conditions)}
        of = np.array([numbers.get(texts[place], -1) for place in places])
        kept = np.flatnonzero(of >= 0)
        kept = kept[np.linspace(0, len(kept) - 1, min(len(kept), MAX_VECTORS)).astype(np.int64)]
        return cls(conditions, weights, array[kept], of[kept])

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for the catalogue; the vectors are left out."""
        return {"conditions": self.conditions, "weights": self.weights.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` gave."""
        return cls(list(values["conditions"]), np.array(values["weights"], np.float64))

    def cuts(self, shape: Shape) -> list[Filter]:
        """What the rows can be cut by: the conditions, and what they join by ``and``; each once, in order."""
        texts: dict[str, Filter] = {}
        for text in self.conditions:
            if text is not None:
                for part in (text, *conjuncts(text)):
                    if part not in texts:
                        texts[part] = Filter(part, shape.schema)
        return list(texts.values())


def conjuncts(text: str) -> list[str]:
    """The conditions that ``text`` joins by ``and``, each as text; none where there is but one.

    Examples
    --------
    >>> conjuncts("year >= 2024 and (topic = 'nlp' or open)")
    ['year >= 2024', "topic = 'nlp' OR open"]
    """
    import sqlglot
    from sqlglot import exp

    parts, stack = [], [sqlglot.parse_one(text, into=exp.Condition)]
    while stack:
        top = stack.pop()
        while isinstance(top, exp.Paren):
            top = top.this
        if isinstance(top, exp.And):
            stack += [top.expression, top.this]
        else:
            parts.append(top.sql())
    return parts if len(parts) > 1 else []
