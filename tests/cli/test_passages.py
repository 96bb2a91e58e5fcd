from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearfield.cli.passages import split_passages


def test_short_texts_stay_whole() -> None:
    (passage,) = split_passages("\n\nOne paragraph\nof two lines.\n\nAnother.\n")
    assert passage.text == "One paragraph\nof two lines.\n\nAnother."
    assert passage.line == 3


def test_nothing_comes_of_nothing() -> None:
    assert split_passages("") == []
    assert split_passages(" \n\t\n") == []


@pytest.mark.parametrize("heading", ["# {}", "### {}", "{}\n====", "{}\n----"])
def test_headings_begin_a_passage_and_stay_with_what_follows(heading: str) -> None:
    text = "\n\n".join(
        ["Before.", heading.format("One"), heading.format("Sub"), "Inside one.", heading.format("Two"), "Inside two."]
    )
    found = [passage.text for passage in split_passages(text)]
    assert len(found) == 3
    assert found[1].endswith("Inside one.")
    assert "One" in found[1]
    assert "Sub" in found[1]
    assert found[2].startswith(heading.format("Two"))


def test_paragraphs_are_joined_up_to_a_size() -> None:
    paragraph = "word " * 60  # 300 characters
    found = split_passages("\n\n".join([paragraph] * 10))
    assert len(found) == 5
    assert [passage.line for passage in found] == [1, 5, 9, 13, 17]


def test_long_paragraphs_are_cut_between_sentences() -> None:
    text = " ".join(f"Sentence number {n} says something." for n in range(100))
    found = split_passages(text)
    assert all(len(passage.text) <= 1200 for passage in found)
    assert all(passage.text.endswith(".") for passage in found)
    assert " ".join(passage.text for passage in found) == text


def test_a_wall_of_text_is_cut_anyway() -> None:
    assert max(len(passage.text) for passage in split_passages("x" * 10_000)) <= 1200
    assert max(len(passage.text) for passage in split_passages("word " * 2000)) <= 1200


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=3000))
def test_no_letter_is_lost(text: str) -> None:
    assert "".join("".join(p.text for p in split_passages(text)).split()) == "".join(text.split())
