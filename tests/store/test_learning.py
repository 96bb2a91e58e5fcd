from __future__ import annotations

import numpy as np
import pytest

from nearfield.store.learning import learn


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_map_that_loses_nothing_needs_no_calibration(rng: np.random.Generator, metric: str) -> None:
    old = rng.standard_normal((200, 8)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((12, 8)))[0].T.astype(np.float32)
    learned = learn(old, old @ turn, metric, metric, 0)
    assert learned.choice.loss.value < 0.1
    assert learned.calibration.gain == pytest.approx(1, abs=0.05)
    assert np.allclose(
        learned.back.transform(learned.choice.map.transform(old[:5])),
        old[:5] / (np.linalg.norm(old[:5], axis=1, keepdims=True) if metric == "cosine" else 1),
        atol=0.2,
    )


def test_what_a_map_blurs_never_outweighs_the_old_model(rng: np.random.Generator) -> None:
    things = rng.standard_normal((300, 10))
    old, new = (
        (things @ rng.standard_normal((10, dim)) + noise * rng.standard_normal((300, dim))).astype(np.float32)
        for dim, noise in ((8, 2.0), (16, 0.5))
    )
    learned = learn(old, new, "cosine", "cosine", 0)
    assert learned.choice.loss.value > 0.4 and learned.calibration.gain > 0
    assert 0 <= learned.weight <= 0.5 and learned.lift >= 0
    again = learn(old, new, "cosine", "cosine", 0)
    assert (again.calibration, again.weight, again.lift) == (learned.calibration, learned.weight, learned.lift)


@pytest.mark.parametrize("given", [("new",), ("new", "old")])
def test_sample_queries_are_asked_instead(rng: np.random.Generator, given: tuple[str, ...]) -> None:
    old = rng.standard_normal((100, 8)).astype(np.float32)
    new = (old @ rng.standard_normal((8, 12)) + 0.5 * rng.standard_normal((100, 12))).astype(np.float32)
    queries = {name: rows for name, rows in (("new", new[40:]), ("old", old[40:])) if name in given}
    learned = learn(old[:40], new[:40], "cosine", "cosine", 0, queries)
    assert np.isfinite([*learned.calibration, learned.weight, learned.lift]).all()
