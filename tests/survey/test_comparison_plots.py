import numpy as np
import pytest

from nearfield.survey import compare
from nearfield.survey.comparison_plots import comparison_figures

pytest.importorskip("matplotlib")


def test_each_measure_with_a_value_is_drawn_and_described():
    x = np.random.default_rng(0).standard_normal((60, 6)).astype(np.float32)
    for other in (-x, x[:, :4].copy()):
        found = compare(x, other)
        drawn = comparison_figures(found.measures)
        assert set(drawn) == {name for name in found if found[name].known}
        for svg in drawn.values():
            assert svg.startswith("<svg role=") and 'aria-label="' in svg
