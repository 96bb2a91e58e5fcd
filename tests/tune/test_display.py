from __future__ import annotations

from dataclasses import replace

import numpy as np

from nearfield.tune import Recipe, tune

ROWS = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)


def test_a_plan_shows_its_choice_and_what_was_tried() -> None:
    plan = tune(ROWS, metric="l2", recall=0.9, recipes=[Recipe("flat", bits=32), Recipe("graph", bits=4, degree=4)])
    shown = plan._repr_html_()
    assert ">met<" in shown and str(plan.recipe) in shown and "2 recipes tried" in shown and "recall@10" in shown
    assert plan.title in shown and "http" not in shown
    missed = replace(plan, met=False, message="Nothing <meets> it.", memory=1)
    assert ">not met<" in missed._repr_html_() and "Nothing &lt;meets&gt; it." in missed._repr_html_()
    assert "memory" in missed.missed(missed.trials[0])
