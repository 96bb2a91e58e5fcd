"""The labels of a space's rows: checked, numbered, counted; and samples that are even over the classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .collection import Collection


@dataclass(frozen=True)
class Labels:
    """One label a row. Rows without one (None, NaN, NaT) belong to no class.

    Attributes
    ----------
    codes : (n,) int64, the number of each row's class, by first appearance; -1 without a label.
    names : the label of each class.
    """

    codes: np.ndarray
    names: tuple[Any, ...]

    @classmethod
    def of(cls, labels: Any, rows: int) -> Labels:
        """Check ``labels`` (or pass them through): one hashable value for each of ``rows`` rows."""
        if isinstance(labels, Labels):
            made = labels
        else:
            made = _numbered(labels)
        if len(made.codes) != rows:
            raise ValueError(f"labels: expected {rows} labels, one for each row, got {len(made.codes)}")
        return made

    @cached_property
    def counts(self) -> np.ndarray:
        """Rows of each class."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    @property
    def labelled(self) -> np.ndarray:
        """True for rows that have a label."""
        return self.codes >= 0

    def take(self, rows: np.ndarray) -> Labels:
        """The labels of some rows; classes keep their numbers."""
        return Labels(self.codes[rows], self.names)

    def large(self, least: int) -> np.ndarray:
        """The numbers of the classes with at least ``least`` rows."""
        return np.flatnonzero(self.counts >= least)

    def members(self, classes: np.ndarray) -> list[np.ndarray]:
        """The rows of each of some classes, ascending."""
        order = np.argsort(self.codes, kind="stable")
        codes = self.codes[order]
        starts, ends = (np.searchsorted(codes, classes, side) for side in ("left", "right"))
        return [order[start:end] for start, end in zip(starts, ends, strict=True)]

    def left_out(self, least: int) -> str:
        """A sentence about the rows that a measure which needs ``least`` rows a class does not see; may be empty."""
        said = []
        small = np.flatnonzero((self.counts < least) & (self.counts > 0))
        if small.size:
            rows, what = int(self.counts[small].sum()), "one row" if least == 2 else f"fewer than {least} rows"
            said.append(f"{small.size:,} class{'es' * (small.size > 1)} of {what}" + f" ({rows:,} rows)" * (least > 2))
        missing = int((self.codes < 0).sum())
        if missing:
            said.append(f"{missing:,} row{'s' * (missing > 1)} without a label")
        return f" Left out: {' and '.join(said)}." if said else ""

    def too_few(self, least: int, classes: int = 2) -> str | None:
        """Why a measure that needs so many classes of so many rows has no value; None when it has."""
        found = len(self.large(least))
        if found >= classes:
            return None
        row = "row" if least == 1 else "rows"
        return f"Unknown: needs at least {classes} classes of {least} {row} or more, and there {_are(found)}."


def even_sample(labels: Labels, least: int, per_class: int, rows: int, random_state: int) -> np.ndarray:
    """At most about ``rows`` rows, ascending: at most ``per_class`` of each class that has ``least`` or more.

    Of many classes some are drawn, so that each still gives ``least`` rows.
    """
    rng = np.random.default_rng([random_state, 70])
    classes = labels.large(least)
    most = max(2, rows // least)
    if len(classes) > most:
        classes = np.sort(rng.choice(classes, most, replace=False))
    share = max(least, min(per_class, rows // max(len(classes), 1)))
    chosen = [rng.permutation(own)[:share] for own in labels.members(classes)]
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def labelled_part(space: Collection, labels: Labels, rows: np.ndarray | None = None) -> tuple[Collection, np.ndarray]:
    """Some rows as a collection of their own (None: those with a label), and their classes."""
    if rows is None:
        if labels.labelled.all():
            return space, labels.codes
        rows = np.flatnonzero(labels.labelled)
    return Collection(np.ascontiguousarray(space.vectors[rows]), space.norms[rows], space.metric), labels.codes[rows]


def _numbered(labels: Any) -> Labels:
    if hasattr(labels, "to_pylist"):  # pyarrow
        labels = labels.to_pylist()
    elif not isinstance(labels, np.ndarray) and hasattr(labels, "to_numpy"):  # pandas
        labels = labels.to_numpy()
    if isinstance(labels, np.ndarray):
        if labels.ndim != 1:
            raise ValueError(f"labels: expected one label a row, shape (n,), got {labels.shape}")
        if labels.dtype.kind in "biufUSmM":
            return _numbered_array(labels)
        labels = labels.tolist()
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
        raise TypeError(f"labels: expected a sequence with one label a row, got {type(labels).__name__}")
    return _numbered_list(list(labels))


def _numbered_array(labels: np.ndarray) -> Labels:
    missing = labels != labels if labels.dtype.kind in "fmM" else np.zeros(len(labels), bool)
    values, first, inverse = np.unique(labels[~missing], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    codes = np.full(len(labels), -1)
    codes[~missing] = rank[inverse]
    return Labels(codes, tuple(values[order].tolist()))


def _numbered_list(labels: Sequence[Any]) -> Labels:
    numbers: dict[Any, int] = {}
    codes = np.full(len(labels), -1)
    for row, label in enumerate(labels):
        try:
            if label is not None and label == label:
                codes[row] = numbers.setdefault(label, len(numbers))
        except (TypeError, ValueError):
            raise TypeError(f"labels: expected hashable values, got {type(label).__name__} in row {row}") from None
    return Labels(codes, tuple(numbers))


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {count}"
