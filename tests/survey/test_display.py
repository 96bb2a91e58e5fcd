from __future__ import annotations

import numpy as np

from nearfield.survey import Measure, compare, drift, survey

ROWS = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)


def test_a_measure() -> None:
    made = Measure("x", 0.5, 0.4, 0.6, "Means <much>.", title="X & Y", verdict="poor", detail="How.", source="A paper")
    shown = made._repr_html_()
    assert "X &amp; Y" in shown and "Means &lt;much&gt;." in shown and "0.4 to 0.6" in shown and ">poor<" in shown
    assert "A paper" in shown and "http" not in shown
    unknown = Measure("x", float("nan"), float("nan"), float("nan"), "Too few rows.")._repr_html_()
    assert "Too few rows." in unknown and ">unknown<" in unknown and "details" not in unknown


def test_a_survey_says_what_its_text_says() -> None:
    found = survey(ROWS, metric="l2")
    shown = found._repr_html_()
    assert "Survey of 400 vectors with 8 dimensions, metric l2" in shown
    assert all(measure.title in shown for measure in found.measures.values()) and "for search" in shown
    assert str(found).splitlines()[0] == f"Survey of {found.facts}"


def test_a_comparison_and_a_drift() -> None:
    assert "agreement" in compare(ROWS[:100], ROWS[:100] * 2, metric="l2")._repr_html_()
    looked = drift(ROWS[:300], ROWS[300:])
    assert "100 new rows against 300 stored ones" in looked._repr_html_() and looked.advice() in looked._repr_html_()
