import numpy as np
import pytest

from nearfield.quantize import Float32, RotatedQuantizer, ScalarQuantizer, codec_loss
from nearfield.transform import PCA
from nearfield.transform.linear import LinearMap
from nearfield.tune.reduced import Reduced

ROWS = (np.random.default_rng(0).standard_normal((600, 24)) * np.arange(1, 25) ** -0.8).astype(np.float32)


def test_floats_over_components_decode_to_the_projection():
    found = PCA(6, center=True).fit(ROWS)
    codec = Reduced(Float32(), found.export(), unit=False).fit(ROWS)
    assert codec.bytes_per_vector == 24 and codec.kind == "f32" and codec.dtype == np.float32
    decoded = codec.decode(codec.encode(ROWS))
    np.testing.assert_allclose(decoded, found.inverse_transform(found.transform(ROWS)), atol=1e-5)


@pytest.mark.parametrize("inner", [ScalarQuantizer(8), RotatedQuantizer(4)])
def test_scores_are_those_of_the_mapped_vectors(inner):
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    reduction = PCA(12, center=False).fit(unit).export()
    codec = Reduced(inner, reduction, unit=True).fit(unit)
    mapped = reduction.transform(unit)
    mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
    scores = codec.scorer(unit[0], "ip")(codec.encode(unit))
    assert np.abs(scores + mapped @ mapped[0]).max() < 0.15
    assert codec_loss(codec, unit, unit[:50], metric="cosine").recall > 0.5


def test_a_prefix_costs_nothing_to_keep_and_components_do():
    prefix = Reduced(ScalarQuantizer(8), LinearMap(np.eye(4, 24)), unit=False).fit(ROWS)
    assert "matrix" not in prefix.to_arrays() and prefix.to_dict()["kept"] == 4
    components = Reduced(ScalarQuantizer(8), PCA(4, center=False).fit(ROWS).export(), unit=False).fit(ROWS)
    assert components.to_arrays()["matrix"].shape == (4, 24)
    with pytest.raises(ValueError, match="vectors: expected"):
        components.encode(ROWS[:, :5])
