import numpy as np
import pytest

from nearfield.survey import SubspaceNetwork


def halves(rows=400, dim=12, seed=0):
    x = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return x, np.where(x[:, 0] > 0, "right", "left")


def test_all_parameters_learn_a_line():
    x, y = halves()
    head = SubspaceNetwork(hidden=()).fit(x, y)
    assert head.score(x, y) > 0.97
    assert head.n_parameters_ == len(head.coordinates_) == 2 * 12 + 2
    assert set(head.predict(x)) == {"left", "right"}


def test_a_hidden_layer_learns_an_exclusive_or():
    x = np.random.default_rng(1).standard_normal((1000, 2)).astype(np.float32)
    y = (x[:, 0] > 0) ^ (x[:, 1] > 0)
    assert SubspaceNetwork(hidden=()).fit(x, y).score(x, y) < 0.7
    assert SubspaceNetwork(60, hidden=(40,)).fit(x, y).score(x, y) > 0.9


def test_the_slope_is_that_of_the_loss():
    x, y = halves(40, 5)
    head = SubspaceNetwork(hidden=(7,), epochs=1).fit(x, y)
    codes = (y == "right").astype(int)
    theta = head._start(np.random.default_rng(3)).astype(np.float64)

    def loss(at):
        out = head._forward(x.astype(np.float64), head._layers(at))[-1]
        return float(np.mean(np.log(np.exp(out).sum(axis=1)) - out[np.arange(40), codes]))

    slope = head._slope(x.astype(np.float64), codes, theta)
    for place in (0, 11, 40, len(theta) - 1):
        step = np.zeros(len(theta))
        step[place] = 1e-5
        assert slope[place] == pytest.approx((loss(theta + step) - loss(theta - step)) / 2e-5, abs=1e-6)


def test_directions_have_unit_length():
    x, y = halves()
    head = SubspaceNetwork(9, hidden=(20,)).fit(x, y)
    assert np.asarray(head._directions.multiply(head._directions).sum(axis=1)).ravel() == pytest.approx(1, abs=1e-6)


def test_the_seed_and_the_point_are_all_of_it():
    x, y = halves()
    first, again = (SubspaceNetwork(10, random_state=4).fit(x, y) for _ in range(2))
    assert first.coordinates_.tobytes() == again.coordinates_.tobytes()
    assert (first.predict(x) == again.predict(x)).all()
    assert SubspaceNetwork(10, random_state=5).fit(x, y).coordinates_.tobytes() != first.coordinates_.tobytes()


@pytest.mark.parametrize(
    ("options", "labels", "text"),
    [
        ({}, np.zeros(40), "two classes or more"),
        ({}, np.arange(39), "expected 40 labels"),
        ({"dim": 0}, np.arange(40) % 2, "dim"),
        ({"dim": 10**6}, np.arange(40) % 2, "dim"),
        ({"hidden": (0,)}, np.arange(40) % 2, r"hidden\[0\]"),
        ({"epochs": 0}, np.arange(40) % 2, "epochs"),
        ({"rate": -1.0}, np.arange(40) % 2, "rate"),
    ],
)
def test_bad_input_is_named(options, labels, text):
    with pytest.raises(ValueError, match=text):
        SubspaceNetwork(**options).fit(halves(40)[0], labels)


def test_rows_that_do_not_fit():
    x, y = halves()
    with pytest.raises(ValueError, match="call fit"):
        SubspaceNetwork().predict(x)
    head = SubspaceNetwork(5).fit(x, y)
    with pytest.raises(ValueError, match="expected 12 dimensions"):
        head.predict(x[:, :3])
    with pytest.raises(ValueError, match="finite"):
        head.predict(np.full((2, 12), np.nan, np.float32))
    constant = SubspaceNetwork(5).fit(np.ones((40, 3), np.float32), np.arange(40) % 2)
    assert constant.score(np.ones((40, 3), np.float32), np.arange(40) % 2) == 0.5
