import pytest

from nearfield.tune.map_growth import grown


def test_more_rows_lose_more_and_tell_less() -> None:
    loss = (0.5, 0.48, 0.52)
    value, low, high = 0.5, 0.48, 0.52
    for rows in (400, 4_000, 40_000):
        more = grown(loss, 0.45, 200, rows, 10)
        assert more[0] > value and more[2] - more[1] > high - low and more[1] < more[0] < more[2] < 1
        value, low, high = more
    assert grown(loss, 0.45, 200, 200, 10) == pytest.approx(loss)
    fewer = grown(loss, 0.45, 200, 100, 10)
    assert fewer[1] < fewer[0] < 0.5 and fewer[0] == pytest.approx(0.46, abs=0.02)


def test_nothing_lost_or_no_slope_stays() -> None:
    assert grown((0.0, 0.0, 0.02), 0.0, 200, 10_000, 10)[0] < 2e-4
    assert grown((0.5, 0.4, 0.6), 0.55, 200, 10_000, 10) == pytest.approx((0.5, 0.4, 0.6))


def test_scifact_and_wordnet_losses_are_met() -> None:
    """Losses of a ridge map of 1,000 pairs among ever more rows, as measured with all of them."""
    for half, rows, loss, to, true in ((0.454, 500, 0.512, 4_183, 0.618), (0.683, 4_000, 0.712, 64_000, 0.807)):
        _, low, high = grown((loss, loss - 0.01, loss + 0.01), half, rows, to, 10)
        assert low < true < high
