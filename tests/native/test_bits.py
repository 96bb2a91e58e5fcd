"""Bits of rows."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import allow_words


def test_words_hold_a_bit_a_row_and_none_beyond():
    for n in (1, 63, 64, 65, 300):
        mask = np.random.default_rng(n).random(n) < 0.5
        words = allow_words(mask, n)
        assert words.dtype == np.uint64 and len(words) == -(-n // 64)
        assert native.count_bits(words) == mask.sum() and (words == native.pack_bits(mask)).all()
        assert native.count_bits(allow_words(np.full(-(-n // 64), ~np.uint64(0)), n)) == n
    for bad in (np.ones(3, bool), np.ones(2, np.uint64), np.ones(4, np.int64)):
        with pytest.raises(ValueError, match="allow: expected"):
            allow_words(bad, 4)
