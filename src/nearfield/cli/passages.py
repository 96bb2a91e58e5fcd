"""Long texts into passages that are each about one thing, as far as layout shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TARGET = 800  # characters: some 200 tokens, which fits every encoder's window and is about one thing
_LONGEST = 1200
_HEADING = re.compile(r"#{1,6}\s|.+\n[=\-~^\"'*+#]{3,}\s*$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Passage:
    """A piece of a text and the line, counted from 1, where it begins."""

    text: str
    line: int


def split_passages(text: str) -> list[Passage]:
    """Join paragraphs up to 800 characters; begin anew at headings; cut paragraphs above 1,200 between sentences."""
    passages: list[Passage] = []
    kept: list[str] = []
    begin, heading_only = 1, False
    for paragraph, line in _paragraphs(text):
        heading = bool(_HEADING.match(paragraph))
        full = sum(map(len, kept)) + len(paragraph) > _TARGET
        if kept and not heading_only and (heading or full):
            passages.append(Passage("\n\n".join(kept), begin))
            kept = []
        if not kept:
            begin, heading_only = line, True
        kept.append(paragraph)
        heading_only = heading_only and heading
    if kept:
        passages.append(Passage("\n\n".join(kept), begin))
    return passages


def _paragraphs(text: str) -> Iterator[tuple[str, int]]:
    """Blocks between blank lines, with their first line's number; long ones come in pieces."""
    lines: list[str] = []
    begin = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip():
            if not lines:
                begin = number
            lines.append(line.rstrip())
        elif lines:
            yield from ((piece, begin) for piece in _pieces("\n".join(lines)))
            lines = []


def _pieces(paragraph: str) -> Iterator[str]:
    if len(paragraph) <= _LONGEST:
        yield paragraph
        return
    piece = ""
    for sentence in _SENTENCE_END.split(paragraph):
        while len(sentence) > _LONGEST:  # no sentence ends in sight: a table, a log, another script
            cut = sentence.rfind(" ", _TARGET // 2, _LONGEST)
            cut = cut if cut > 0 else _LONGEST
            if piece:
                yield piece
                piece = ""
            yield sentence[:cut]
            sentence = sentence[cut:].lstrip()
        if piece and len(piece) + len(sentence) > _TARGET:
            yield piece
            piece = ""
        piece = f"{piece} {sentence}" if piece else sentence
    if piece:
        yield piece
