"""How a question becomes words, and what chance makes of their scores."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.store import matching
from nearfield.store.matching import Asked, Matches, words_of


@pytest.mark.parametrize(
    ("text", "tokenizer", "words"),
    [
        ("State-of-the-art, STATE of it!", "porter", ["state", "of", "the", "art", "it"]),
        ("cafe\u0301 ÉTUDE étude", "porter", ["café", "étude"]),
        ("snake_case 3.14 x86-64", "unicode61", ["snake", "case", "3", "14", "x86", "64"]),
        ('"a" OR NEAR(b*, 2) -c ^d {e}:f', "porter", ["a", "or", "near", "b", "2", "c", "d", "e", "f"]),
        ("", "porter", []),
        (" \0\ud800?! ", "porter", []),
        ("東京都庁 tower of", "trigram", ["東京都", "京都庁", "tower"]),
        ("東京 ab", "trigram", []),
        ("東京都庁", "unicode61", ["東京都庁"]),
    ],
)
def test_words_of_a_text(text: str, tokenizer: str, words: list[str]) -> None:
    assert words_of(text, tokenizer) == words


def test_the_usual_score_is_that_of_scattered_words() -> None:
    """A simulation: words thrown into texts at random, each adding its idf."""
    rng = np.random.default_rng(0)
    held = np.array([30, 400, 2500])
    asked = Asked(("a", "b", "c"), held, 10_000, 100.0)
    there = np.array([rng.permutation(10_000) < count for count in held])
    scores = asked.idf @ there
    mean, share = asked.usual
    assert share == pytest.approx((scores > 0).mean(), abs=0.01)
    assert mean / matching._AGAIN == pytest.approx(scores[scores > 0].mean(), rel=0.03)


def test_a_rare_word_stands_out_more_than_a_common_one() -> None:
    rare, common = (
        Matches(np.arange(1), np.ones(1), 1, Asked(("x",), np.array([count]), 100_000, 50.0)) for count in (1, 30_000)
    )
    one, other = rare.standing(np.array([8.0, 0.0])), common.standing(np.array([1.0, 0.0]))
    assert one[0] > 10 > 3 > other[0] > 0 and one[1] == other[1] == 0.0
    assert Matches(np.empty(0, np.int64), np.empty(0), 2).standing(np.zeros(3)).tolist() == [0, 0, 0]


def test_words_that_every_text_holds_leave_numbers_finite() -> None:
    asked = Asked(("x", "y"), np.array([5, 5]), 5, 3.0)
    assert np.isfinite(asked.usual).all() and (asked.idf > 0).all()
    assert np.isfinite(Matches(np.arange(5), np.full(5, 1e-6), 2, asked).standing(np.full(5, 1e-6))).all()
