import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from nearfield.common import MissingExtraError
from nearfield.survey import analogy, association, survey

VOID = {"meta", "path", "use", "rect", "line", "circle", "polyline"}


class Checker(HTMLParser):
    """Counts elements and makes sure that what opens closes in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.ids, self.links, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.links.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def surveyed():
    return survey(np.random.default_rng(0).standard_normal((800, 10)).astype(np.float32), sample=200)


@pytest.fixture(scope="module")
def page(surveyed, tmp_path_factory):
    pytest.importorskip("matplotlib")
    path = surveyed.save(tmp_path_factory.mktemp("report") / "report.html", title="<script>alert('x')</script> & co")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parsed(page):
    checker = Checker()
    checker.feed(page)
    return checker


def test_is_well_formed_with_a_plot_for_every_measure(parsed):
    assert parsed.open == []
    assert parsed.seen.count("svg") == parsed.seen.count("article") == 18


def test_says_what_the_survey_says(surveyed, parsed):
    text = "".join(parsed.text)
    for line in surveyed.summary():
        assert line in text
    for name in surveyed:
        assert surveyed[name].meaning in text and surveyed[name].detail in text


def test_the_title_is_escaped(page, parsed):
    assert "script" not in parsed.seen
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; co" in page


def test_nothing_is_loaded_from_elsewhere(page, parsed):
    assert all(link.startswith("#") for link in parsed.links)
    outside = set(re.findall(r"https?://[^\s\"'<>)]+", page)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert outside == set()
    assert "@import" not in page and "<link" not in page


def test_ids_are_unique_and_references_resolve(page, parsed):
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.links} <= set(parsed.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(parsed.ids)


def test_colours_follow_the_reader_s_scheme(page):
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page
    assert "var(--first)" in page and "#030303" not in page and "#010101" not in page
    svg = page[page.index("<svg") : page.rindex("</svg>")]
    assert not re.search(r"(?:fill|stroke): #(?!0{6})[0-9a-f]{6}", svg)


def test_same_survey_same_page(surveyed, page, tmp_path):
    again = surveyed.save(tmp_path / "again.html", title="<script>alert('x')</script> & co").read_text(encoding="utf-8")
    assert again == page


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_other_metrics_and_tiny_collections(metric, tmp_path):
    pytest.importorskip("matplotlib")
    for x in (np.ones((2, 3)), np.ones((1, 3)), np.zeros((4, 2)), np.arange(1, 61).reshape(60, 1), np.eye(30)):
        page = survey(x.astype(np.float32), metric=metric, sample=50).save(tmp_path / "report.html").read_text("utf-8")
        assert page.endswith("</html>\n")


def test_without_matplotlib_the_install_line_is_said(surveyed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nearfield\[view\]'"):
        surveyed.save(tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_health_and_advice_are_told_and_linked(surveyed, page, parsed):
    text = "".join(parsed.text)
    assert "What is healthy, what is not" in text and "What to do, and what it would gain" in text
    for line in surveyed.advice():
        assert line in text
    told = [title for titles in surveyed.health().values() for title in titles]
    assert sorted(told) == sorted(measure.title for measure in surveyed.measures.values())
    assert {f"#{name}" for name in surveyed} <= set(parsed.links)


def test_pairs_add_a_card_with_a_plot(tmp_path):
    pytest.importorskip("matplotlib")
    x = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    found = survey(x, pairs=[[0, 1], [2, 3], [4, 5]], sample=50)
    page = found.save(tmp_path / "report.html").read_text("utf-8")
    assert 'id="alignment"' in page and "cosine of pairs" in page


def test_what_is_added_has_its_card_and_plot(surveyed, parsed, tmp_path):
    pytest.importorskip("matplotlib")
    rows = np.random.default_rng(1).standard_normal((60, 10)).astype(np.float32)
    asked = np.random.default_rng(2).integers(0, 60, (30, 4))
    more = surveyed.including(association(rows[:8], rows[8:20], rows[20:30], rows[30:40]), analogy(rows, asked))
    assert len(more) == len(surveyed) + 2 and "association" not in surveyed.measures
    checker = Checker()
    checker.feed(more.save(tmp_path / "more.html").read_text(encoding="utf-8"))
    assert checker.open == [] and checker.seen.count("svg") == parsed.seen.count("svg") + 2
    assert {"association", "analogy"} <= set(checker.ids) and len(checker.ids) == len(set(checker.ids))
    with pytest.raises(TypeError, match="measures: expected measures"):
        surveyed.including("association")
