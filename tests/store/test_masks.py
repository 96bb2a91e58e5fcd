from __future__ import annotations

import numpy as np
import pytest

from nearfield.store import masks
from nearfield.store.masks import MASKS_KEPT, Masks


def test_the_least_recently_asked_for_is_forgotten_first() -> None:
    kept = Masks()
    for number in range(MASKS_KEPT):
        kept.put(str(number), np.zeros(2, np.uint64))
    assert kept.get("0") is not None
    kept.put("new", np.zeros(2, np.uint64))
    assert len(kept) == MASKS_KEPT and "0" in kept and "1" not in kept and kept.get("1") is None
    assert kept.nbytes == 16 * MASKS_KEPT


def test_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "MASK_BYTES", 100)
    kept = Masks()
    for number in range(10):
        kept.put(str(number), np.zeros(5, np.uint64))
    assert kept.nbytes == 80 and len(kept) == 2 and "9" in kept
    kept.put("large", np.zeros(50, np.uint64))  # one is always kept
    assert kept.nbytes == 400 and len(kept) == 1
    kept.put("large", np.zeros(3, np.uint64))
    assert kept.nbytes == 24 and len(kept) == 1
