import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from nearfield.index import Flat
from nearfield.transform import GapAlignment, GapShift


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def sides():
    """Two modalities: the same things, a constant offset and noise between them."""
    rng = np.random.default_rng(0)
    things = rng.standard_normal((500, 16))
    offset = np.zeros(16)
    offset[0] = 2
    return unit(things + offset), unit(things - offset + 0.2 * rng.standard_normal(things.shape))


def test_the_means_meet_where_nothing_is_cut_to_length(sides):
    for amount in (0.0, 0.5, 1.0, -1.0):
        fitted = GapShift(amount, unit=False).fit(sides[0], other=sides[1])
        left = sides[1].mean(axis=0) - fitted.transform(sides[0]).mean(axis=0)
        np.testing.assert_allclose(left, (1 - amount) * fitted.gap_, atol=1e-12)


def test_both_halves_close_the_gap_and_partners_are_found(sides):
    moved = [GapShift(0.5).fit(a, other=b).transform(a) for a, b in (sides, sides[::-1])]
    assert np.allclose(np.linalg.norm(moved[0], axis=1), 1)
    before, after = (np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)) for a, b in (sides, moved))
    assert after < 0.1 * before

    def found(a, b):
        return ((a @ b.T).argmax(axis=1) == np.arange(len(a))).mean()

    assert found(*moved) > found(*sides) + 0.05
    alone = [GapShift().fit(side).transform(side) for side in sides]
    assert found(*alone) > found(*sides) + 0.05


@pytest.mark.parametrize("whole", [True, False])
def test_the_way_back_is_exact(sides, whole):
    fitted = GapShift(0.5, unit=whole).fit(sides[0], other=sides[1])
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(sides[0])), sides[0], atol=1e-6)


def test_parts_are_as_good_as_the_whole(sides):
    whole = GapShift().fit(sides[0], other=sides[1])
    parts = GapShift()
    for start in range(0, 500, 100):
        parts.partial_fit(sides[0][start : start + 100], other=sides[1][start : start + 100])
    np.testing.assert_allclose(parts.gap_, whole.gap_, atol=1e-12)
    assert parts.n_samples_seen_ == parts.n_other_seen_ == 500


def test_an_index_takes_the_shift(sides):
    a, b = (side.astype(np.float32) for side in sides)
    fitted = GapShift().fit(b, other=a)
    index = Flat("cosine", transform=fitted.export()).build(b)
    shifted = Flat("cosine").build(fitted.transform(b))
    mapped = fitted.transform(a)
    assert (index.search(a, 5).rows == shifted.search(mapped, 5).rows).mean() > 0.99
    assert mapped.dtype == np.float32


def test_strength_is_searched_in_a_pipeline(sides):
    both = np.hstack(sides)
    labels = (sides[0][:, 1] > 0).astype(int)
    steps = make_pipeline(GapAlignment(), LogisticRegression())
    search = GridSearchCV(steps, {"gapalignment__strength": [-1, 0, 1]}, cv=3).fit(both, labels)
    assert search.score(both, labels) > 0.9
    aligned = GapAlignment(0.5).fit(both)
    halves = [GapShift(0.25).fit(a, other=b).transform(a) for a, b in (sides, sides[::-1])]
    np.testing.assert_allclose(aligned.transform(both), np.hstack(halves), atol=1e-12)


def test_sides_of_different_dimension_are_filled_up():
    rows = np.random.default_rng(0).standard_normal((40, 7))
    fitted = GapAlignment(split=2).fit(rows)
    out = fitted.transform(rows.astype(np.float32))
    assert out.shape == (40, 10) and out.dtype == np.float32 and (fitted.split_, fitted.width_) == (2, 5)


def test_alignment_in_parts_is_as_at_once(sides):
    both = np.hstack(sides)
    whole, parts = GapAlignment(0.7).fit(both), GapAlignment(0.7)
    for start in range(0, len(both), 7):
        parts.partial_fit(both[start : start + 7])
    np.testing.assert_allclose(parts.transform(both), whole.transform(both), atol=1e-12)
    np.testing.assert_allclose(parts.fit(both).gap_, whole.gap_)


@pytest.mark.parametrize("rows", [np.zeros((5, 4)), np.ones((5, 4)), np.eye(1, 4)], ids=["zero", "equal", "one row"])
def test_hard_rows(rows):
    for fitted in (GapShift().fit(rows), GapShift().fit(rows, other=-rows), GapAlignment().fit(rows)):
        assert np.isfinite(fitted.transform(rows)).all()


def test_what_is_wrong_is_refused(sides):
    with pytest.raises(ValueError, match=r"amount: expected a number in \[-2, 2\], got 3"):
        GapShift(3).fit(sides[0])
    with pytest.raises(ValueError, match="other: expected 16 dimensions, as X has, got 15"):
        GapShift().fit(sides[0], other=sides[1][:, :15])
    with pytest.raises(ValueError, match=r"strength: expected a number in \[-2, 2\]"):
        GapAlignment(9).fit(sides[0])
    with pytest.raises(ValueError, match="split: expected an integer from 1 to 15, got 16"):
        GapAlignment(split=16).fit(sides[0])
