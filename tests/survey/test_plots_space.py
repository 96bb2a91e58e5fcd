import numpy as np
import pytest

from nearfield.survey import survey
from nearfield.survey.plots import figures
from nearfield.survey.plots_space import MAKERS

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def cloud():
    return np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_every_measure_of_one_space_is_drawn_and_described(cloud, metric):
    found = survey(cloud, metric=metric, sample=60, progress=False)
    drawn = figures(found.measures, metric)
    assert set(drawn) == {name for name in found if found[name].known}
    assert set(MAKERS) <= set(drawn)
    for svg in drawn.values():
        assert svg.startswith("<svg role=") and 'aria-label="' in svg


def test_what_is_drawn_is_what_was_measured(cloud):
    found = survey(cloud, metric="l2", sample=None, progress=False)
    ratio, mle = found["participation_ratio"], found["intrinsic_dimension_mle"]
    assert ratio.arrays["variances"].sum() == pytest.approx(cloud.var(axis=0, ddof=1).sum(), rel=1e-4)
    assert mle.arrays["dimension"][-1] == pytest.approx(mle.parts["uncorrected"])
    assert list(mle.arrays["neighbours"]) == [2, 3, 5, 8, 13, 20]
    cosines = found["mean_cosine"].arrays["cosines"]
    assert len(cosines) == 300 and abs(cosines.mean() - found["mean_cosine"].value) < 0.1


def test_copies_stand_at_the_left_of_the_plot(cloud):
    rows = np.concatenate([cloud, cloud[:100]])
    found = survey(rows, metric="l2", sample=400, progress=False)["duplicates"]
    nearest = found.arrays["nearest"]
    assert (nearest == 0).sum() == 100 and np.median(nearest) > found.parts["near_share"]


def test_rows_that_are_all_copies_are_drawn(cloud):
    rows = np.repeat(cloud[:40], 2, axis=0)
    found = survey(rows, metric="l2", sample=40, progress=False)
    assert "duplicates" in figures(found.measures, "l2")
