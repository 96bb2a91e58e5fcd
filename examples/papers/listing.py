"""A listing of papers, read from a file: JSON or JSON lines, each paper with a title and usually an abstract."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ASPECTS = ("task", "method", "data")


@dataclass(frozen=True)
class Paper:
    """One paper; ``labels`` has what the listing itself says of it, such as ``{"task": "retrieval"}``."""

    id: str
    title: str
    abstract: str = ""
    published: dt.date | None = None
    url: str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What is encoded and searched: the title, and on the lines below it the abstract."""
        return f"{self.title}\n{self.abstract}".strip()

    @property
    def same(self) -> str:
        """Equal for papers that count as one: the title without case and spacing."""
        return same_title(self.title)


@dataclass(frozen=True)
class Listing:
    """The papers of a file, and a sentence for each entry that has something amiss."""

    papers: list[Paper]
    notes: list[str]


def read_listing(path: Path) -> Listing:
    """Read a JSON list of papers, an object that holds one under "papers", or a paper a line (``.jsonl``).

    An entry without a title, or whose id or title has been seen, is left out and noted; one without an abstract is kept
    by its title. ValueError where the file is not JSON, not a listing, or holds no paper at all.
    """
    papers: list[Paper] = []
    notes: list[str] = []
    seen: set[str] = set()
    for number, entry in enumerate(_entries(path), 1):
        try:
            paper = _paper(entry)
        except ValueError as error:
            notes.append(f"entry {number} left out: {error}")
            continue
        if paper.same in seen or paper.id in seen:
            notes.append(f"entry {number} left out: a paper like it came before, {paper.title!r}")
            continue
        seen |= {paper.same, paper.id}
        if not paper.abstract:
            notes.append(f"entry {number} has no abstract, only its title counts: {paper.title!r}")
        if paper.published is None and any(entry.get(name) is not None for name in ("published", "date", "year")):
            notes.append(f"entry {number} has a date that was not understood, taken as none: {paper.title!r}")
        papers.append(paper)
    if not papers:
        raise ValueError(f"{path}: expected papers with titles, found none" + "".join(f"\n  {note}" for note in notes))
    return Listing(papers, notes)


def same_title(title: str) -> str:
    """The title without case and spacing."""
    return " ".join(title.casefold().split())


def _entries(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, got {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise ValueError(f"{path}: expected a listing of papers, the file is empty")
    try:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        read = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from None
    except RecursionError:
        raise ValueError(f"{path}: expected a list of papers, got lists within lists beyond all depth") from None
    entries = read.get("papers") if isinstance(read, dict) else read
    if not isinstance(entries, list):
        raise ValueError(f'{path}: expected a list of papers, or one under "papers", got {type(read).__name__}')
    return entries


def _paper(entry: Any) -> Paper:
    if not isinstance(entry, dict):
        raise ValueError(f"expected an object with a title, got {type(entry).__name__}")
    title = _text(entry, "title")
    if not title:
        raise ValueError("it has no title")
    given = entry.get("id")
    identifier = str(given) if isinstance(given, int) and not isinstance(given, bool) else _text(entry, "id")
    labels = {aspect: label for aspect in ASPECTS if (label := _text(entry, aspect))}
    url = _text(entry, "url")
    return Paper(
        id=identifier or _made_id(title),
        title=title,
        abstract=_text(entry, "abstract"),
        published=_date(entry),
        url=url if re.match(r"https?://[^\s]+$", url) else None,
        labels=labels,
    )


def _text(entry: dict[str, Any], name: str) -> str:
    """A text on one line, "" where there is none; lone surrogates, which no file can hold, are replaced."""
    value = entry.get(name)
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _made_id(title: str) -> str:
    """The beginning of the title as one word, and six digits that tell titles apart: the same in every listing."""
    words = re.sub(r"[\W_]+", "-", title.casefold()).strip("-")[:50].strip("-")
    digest = hashlib.sha256(same_title(title).encode()).hexdigest()[:6]
    return f"{words or 'paper'}-{digest}"


def _date(entry: dict[str, Any]) -> dt.date | None:
    """From "published", "date" or "year": a day, a month (its first day) or a year (its first day)."""
    for name in ("published", "date", "year"):
        said = str(entry.get(name, "")).strip()
        match = re.match(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?!\d)", said)
        if match:
            try:
                return dt.date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
            except ValueError:
                continue
    return None
