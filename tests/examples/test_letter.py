"""The digest as an e-mail that any program can show."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from letter import Digest, html, message, plain
from topics import labelled_topics
from trends import trends


@pytest.fixture
def digest(whole: Any) -> Digest:
    recent = np.array([year == 2025 for year in whole.columns["year"]])
    found = trends(labelled_topics(whole), ~recent, recent)
    return Digest("Lamps & <wicks>", whole, ~recent, recent, "before 2025", "since 2025", found)


class Strict(HTMLParser):
    """Tags and attributes as they come; every tag that is opened is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_what_grew_is_said_and_what_did_not_is_not(digest: Digest) -> None:
    assert [trend.topic.name for trend in digest.grown] == ["hyperbolic and other geometries"]
    text = plain(digest)
    assert "hyperbolic and other geometries (method)" in text and "clustering (task)" not in text
    assert "1 topic has grown" in text and "NEW PAPERS" in text
    none = replace(digest, trends=[])
    assert "No topic has grown" in plain(none) and "No topic has grown" in html(none)


def test_the_page_is_whole_and_loads_nothing(digest: Digest) -> None:
    page = html(digest)
    parser = Strict()
    parser.feed(page)
    assert not parser.open and "Lamps &amp; &lt;wicks&gt;" in page
    tags = {tag for tag, _ in parser.seen}
    assert not tags & {"script", "img", "link", "iframe", "form"} and "url(" not in page
    links = [given["href"] for tag, given in parser.seen if tag == "a"]
    assert links and all(str(link).startswith("https://example.org/") for link in links)
    for tag, given in parser.seen:  # ink and paper are given together, and both change in the dark
        if "ink" in (given.get("class") or "").split():
            assert "color:" in (given["style"] or ""), tag


def test_the_file_is_an_e_mail_in_two_forms(digest: Digest) -> None:
    raw = message(digest, "Über <a@example.org>", "b@example.org")
    assert max(map(len, raw.split(b"\r\n"))) <= 998 and raw.isascii()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail["Subject"] == "Lamps & <wicks>" and mail.get_content_type() == "multipart/alternative"
    body, other = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert body is not None and other is not None
    assert body.get_content().splitlines() == plain(digest).splitlines()
    assert other.get_content().splitlines() == html(digest).splitlines()


def test_no_header_can_be_smuggled_in(digest: Digest) -> None:
    with pytest.raises(ValueError, match=r"(?i)linefeed|newline|carriage"):
        message(digest, "a@example.org\nBcc: c@example.org", "b@example.org")
    with pytest.raises(ValueError, match=r"(?i)linefeed|newline|carriage"):
        message(replace(digest, title="a\nBcc: c@example.org"), "a@example.org", "b@example.org")
