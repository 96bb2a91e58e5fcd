import numpy as np
import pytest

from nearfield.survey import feature_complexity


def layers(rows=1500, seed=0):
    """Signs, then signs and one product, then the product alone."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.0], (rows, 5))
    product = x[:, :1] * x[:, 1:2]
    return [x, np.column_stack([x, product]), product], x, product[:, 0]


def test_known_information():
    made, x, product = layers()
    noise = np.random.default_rng(1).standard_normal(1500)
    simple, hard, noise = feature_complexity(made, np.column_stack([x[:, 0], product, noise]))
    assert simple.arrays["information"] == pytest.approx([1, 1, 0], abs=0.01)
    assert hard.arrays["information"] == pytest.approx([0, 1, 1], abs=0.01)
    assert (simple.parts["first_layer"], hard.parts["first_layer"]) == (1, 2)
    assert hard.value == pytest.approx(1 / 3, abs=0.01)
    assert noise.value > 0.98 and noise.high == 1


def test_information_is_the_share_of_variance_that_is_linear(holds):
    # Of a sum of a sign and independent noise of variance 1, half can be predicted.
    def measured(seed):
        _, x, _ = layers(600, seed)
        feature = x[:, 0] + np.random.default_rng(100 + seed).standard_normal(600)
        return feature_complexity([x], feature, random_state=seed)

    assert holds(measured, 0.5) >= 17


def test_wide_layers_do_not_overfit():
    rng = np.random.default_rng(0)
    measure = feature_complexity([rng.standard_normal((300, 400))], rng.standard_normal(300))
    assert measure.value > 0.95


def test_scale_and_dead_units_do_not_matter():
    made, _, product = layers(400)
    plain = feature_complexity(made, product)
    other = feature_complexity([1000 * np.column_stack([layer, np.zeros(400)]) for layer in made], 5 * product + 3)
    assert other.value == pytest.approx(plain.value, abs=1e-3)
    assert feature_complexity([np.ones((400, 3))], product).parts["first_layer"] == 0


def test_what_cannot_be_measured_says_why():
    assert "50 items" in feature_complexity([np.eye(20)], np.arange(20)).meaning
    assert "same for all" in feature_complexity([np.eye(60)], np.ones(60)).meaning


@pytest.mark.parametrize(
    ("layers_", "features", "text"),
    [
        ([], np.ones(60), "layers: expected a list"),
        (np.eye(60), np.ones(60), "layers: expected a list"),
        ([np.eye(60), np.eye(50)], np.ones(60), r"layers\[1\]: expected 60 rows"),
        ([np.eye(60)], np.full(60, np.nan), "features: expected finite"),
        ([np.full((60, 2), np.inf)], np.ones(60), r"layers\[0\]"),
        ([np.eye(60)], np.ones((60, 0)), "features: expected shape"),
    ],
)
def test_bad_input(layers_, features, text):
    with pytest.raises(ValueError, match=text):
        feature_complexity(layers_, features)
