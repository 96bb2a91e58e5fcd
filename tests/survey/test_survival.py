import numpy as np
import pytest

from nearfield.datasets import load
from nearfield.quantize import RotatedQuantizer, codec_loss
from nearfield.survey import quantization_survival


def gathered(rows, dim, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, dim))[rng.integers(0, 200, rows)] + 0.6 * rng.standard_normal((rows, dim))
    return (x * np.arange(1, dim + 1) ** -0.4).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_whole_collection_is_measured_as_its_codec_is(metric):
    x = gathered(3000, 48)
    measure = quantization_survival(x, metric=metric)
    assert measure.parts["rows"] == 2600
    for bits in (1, 4):
        truth = codec_loss(RotatedQuantizer(bits), x, metric=metric)
        assert measure.parts[f"bits_{bits}"] == pytest.approx(truth.recall, abs=0.04)


def test_recall_rises_with_bits_and_dimensions():
    parts = quantization_survival(gathered(3000, 64), dimensions=(8, 16, 32, 64)).parts
    assert parts["bits_1"] < parts["bits_2"] < parts["bits_4"] < parts["bits_8"]
    assert parts["dimensions_8"] < parts["dimensions_16"] < parts["dimensions_32"] < parts["dimensions_64"] == 1.0


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_dimensions_without_variance_cost_nothing(metric):
    x = np.concatenate([gathered(1000, 8), np.zeros((1000, 24), np.float32)], axis=1)
    assert quantization_survival(x, metric=metric).parts["dimensions_8"] > 0.99


@pytest.mark.parametrize("groups", [None, 10])
def test_codes_of_the_nearest_rows_tell_what_a_scan_of_all_finds(groups):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3_000, 48)) * np.arange(1, 49) ** -0.5
    if groups:  # of hundreds of rows each, which no small sample would show
        x = 0.6 * x + rng.standard_normal((groups, 48))[rng.integers(0, groups, len(x))]
    x = x.astype(np.float32)
    told, true = (quantization_survival(x, candidates=size, sample=100).parts for size in (256, 3_000))
    assert told["candidates"] == 256 and true["candidates"] == true["rows"] == 2900
    for name in ("bits_1", "bits_2", "bits_4", "dimensions_24", "dimensions_12"):
        assert told[f"{name}_low"] <= true[name] <= told[f"{name}_high"]


def test_scale_does_not_matter_and_neither_do_repeats():
    x = gathered(1000, 16)
    plain = quantization_survival(x, metric="l2").parts
    assert quantization_survival(x * np.float32(1e25), metric="l2").parts["bits_4"] == pytest.approx(
        plain["bits_4"], abs=0.01
    )
    assert quantization_survival(np.concatenate([x, x]), metric="l2").parts["rows"] == plain["rows"]


def test_bad_input():
    assert "at least 25 different rows, and there are 1" in quantization_survival(np.ones((50, 3), np.float32)).meaning
    with pytest.raises(ValueError, match="dimensions"):
        quantization_survival(gathered(100, 8), dimensions=(9,))
    with pytest.raises(ValueError, match="k"):
        quantization_survival(gathered(100, 8), k=0)
    with pytest.raises(ValueError, match="candidates"):
        quantization_survival(gathered(100, 8), candidates=30)


@pytest.mark.slow
def test_wordnet_is_told_from_the_nearest_rows(data_folder):
    x = np.asarray(load("wordnet").vectors)
    told = quantization_survival(x)
    for bits in (1, 2, 4, 8):
        true = codec_loss(RotatedQuantizer(bits), x).recall
        assert told.parts[f"bits_{bits}_low"] - 0.02 <= true <= told.parts[f"bits_{bits}_high"] + 0.02
