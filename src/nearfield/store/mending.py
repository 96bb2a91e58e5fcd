"""Repair of an index that stands: links for items that walks miss, at the cost of two walks for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .segment import Segment, describe_file


@dataclass(frozen=True)
class Missed:
    """What a verification found of one segment's graph.

    Attributes
    ----------
    segment : whose index it is.
    unreachable : rows of living items to which no sequence of links leads.
    lost : rows of living items that a wide search by their own vector does not find, though links lead there.
    """

    segment: Segment
    unreachable: np.ndarray
    lost: np.ndarray

    def __len__(self) -> int:
        return len(self.unreachable) + len(self.lost)


def mend_index(missed: Missed) -> dict[str, Any]:
    """Link what was missed and write the index under its next name; returns the segment's new description.

    Codes, and all links but those that make room, stay as they are. Takes two walks of the build's width for each
    missed or unreachable row, two passes over the links, and the writing of one file of the index's size.
    """
    segment = missed.segment
    entry = segment.description["index"]
    path = segment.next_index()
    mended = segment.index.mended(missed.lost)
    mended.save(path)
    return {**segment.description, "index": {**entry, **describe_file(path)}}
