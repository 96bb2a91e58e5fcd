"""The map as one page."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from chart import HEIGHT, WIDTH, draw
from topics import found_groups


@pytest.mark.parametrize("by", ["group", "task"])
def test_every_paper_is_on_it(whole: Any, by: str) -> None:
    odd = replace(whole, titles=["<b>&\"'", *whole.titles[1:]], urls=[None, *whole.urls[1:]])
    drawn = draw(odd, found_groups(odd), by, "A <map>")
    picture = ET.fromstring(drawn.page[drawn.page.index("<svg") : drawn.page.index("</svg>") + 6])
    dots = list(picture.iter("circle"))
    assert len(dots) == len(whole) and 0.2 < drawn.kept <= 1
    assert dots[0].find("title").text.startswith("<b>&\"'")  # type: ignore[union-attr]
    for dot in dots:
        assert 0 < float(dot.get("cx", "-1")) < WIDTH and 0 < float(dot.get("cy", "-1")) < HEIGHT
    assert "<script" not in drawn.page and "A &lt;map&gt;" in drawn.page and " src=" not in drawn.page
    assert drawn == draw(odd, found_groups(odd), by, "A <map>")


def test_papers_that_say_the_same_are_drawn(whole: Any) -> None:
    same = replace(whole, vectors=whole.vectors[[0] * len(whole)])
    assert draw(same, []).page.count("<circle") >= len(whole)
