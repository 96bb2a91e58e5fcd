import numpy as np
import pytest

from nearfield.survey import dominant_directions


def cloud(rows=3000, dim=40, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def test_no_direction_dominates_an_even_cloud():
    measure = dominant_directions(cloud(20_000), metric="cosine")
    assert measure.verdict == "good" and measure.parts["directions"] == 0
    assert measure.value == pytest.approx(1 / 40, abs=0.01)


def test_the_shares_are_those_of_the_squared_similarity():
    x = cloud(400, 6) * np.float32([3, 1, 1, 1, 1, 1]) + np.float32([0, 2, 0, 0, 0, 0])
    products = x.astype(np.float64) @ x.T
    second = x.T.astype(np.float64) @ x / len(x)
    levels = np.linalg.eigvalsh(second)[::-1]
    measure = dominant_directions(x, metric="ip")
    assert np.square(levels).sum() == pytest.approx(np.square(products).mean())
    assert measure.arrays["shares"] == pytest.approx(levels**2 / np.square(levels).sum())
    rows = np.square(second).sum(axis=1) / np.square(second).sum()
    assert measure.arrays["coordinate_shares"] == pytest.approx(rows)


def test_the_interval_holds_the_truth(holds):
    variance = np.r_[25.0, np.ones(39)]
    truth = 25.0**2 / np.square(variance).sum()

    def measured(seed):
        return dominant_directions(cloud(1000, 40, seed) * np.sqrt(variance).astype(np.float32), metric="l2")

    assert holds(measured, truth) >= 17


def test_a_rogue_coordinate_is_named_and_what_its_removal_changes_is_measured():
    x = cloud()
    x[:, 11] += 20
    measure = dominant_directions(x, metric="cosine")
    assert measure.verdict == "poor" and measure.parts["coordinates"] == 1
    assert measure.parts["strongest_coordinate"] == 11 and "coordinate 11" in measure.meaning
    assert measure.parts["cosine_before"] > 0.8 and abs(measure.parts["cosine_after"]) < 0.05
    # About the mean there is nothing to see: Euclidean distances do not know the offset.
    assert dominant_directions(x, metric="l2").verdict == "good"


def test_with_fewer_rows_than_dimensions_coordinates_keep_their_numbers():
    x = cloud(50, 300)
    x[:, 123] += 100
    measure = dominant_directions(x, metric="cosine")
    assert measure.parts["strongest_coordinate"] == 123 and len(measure.arrays["coordinate_shares"]) == 300


def test_what_cannot_be_measured_says_why():
    assert "one dimension" in dominant_directions(np.ones((50, 1), np.float32)).meaning
    assert "at least 10 rows" in dominant_directions(np.eye(3, dtype=np.float32)).meaning
    with pytest.raises(ValueError, match="metric"):
        dominant_directions(cloud(), metric="dot")
