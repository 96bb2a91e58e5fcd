"""What notebooks are given: everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

from nearfield.common import html

NASTY = "<script>alert(\"1\")</script> & 'x'"


def test_every_text_is_escaped() -> None:
    made = html.box(
        NASTY,
        html.soft(NASTY),
        html.strong(NASTY),
        html.badge(NASTY, "good"),
        html.paragraph(NASTY),
        html.listing([NASTY]),
        html.details(NASTY, NASTY),
        html.table([NASTY, ""], [[NASTY, NASTY]], numbers=[1]),
    )
    assert "<script" not in made and made.count("&lt;script&gt;") == 11
    assert "http" not in made and "src=" not in made


def test_markup_is_taken_as_it_is() -> None:
    assert html.shown(html.Markup("<b>x</b>")) == "<b>x</b>" and html.shown(3) == "3"
    assert "<b>x</b>" in html.paragraph(html.Markup("<b>x</b>"))
    assert html.listing([]) == ""


def test_bars_stay_within_their_track() -> None:
    assert "width:100%" in html.bar(1.7) and "width:0%" in html.bar(-1) and "0.25" in html.bar(0.25)


def test_numbers_stand_to_the_right() -> None:
    made = html.table(["a", "b"], [["x", 1]], numbers=[1])
    assert made.count("text-align:right") == 2 and made.count("text-align:left") == 2
    assert "<thead>" not in html.table(["", ""], [["x", 1]])
