from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide.link_ranking import PLAIN_TEMPERATURE, Example, Ranking, calibrated, learn_ranking, present


def examples(count: int = 400, seed: int = 0) -> list[Example]:
    """Groups of five whose right row is drawn by column 0; column 3 is noise, 5 is there in half of the groups."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        features = np.full((5, 8), np.nan)
        features[:, [0, 3]] = rng.normal(0.3, 0.1, (5, 2))
        if number % 2:
            features[1:, 5] = rng.normal(0.0, 0.2, 4)
        right = np.zeros(5, bool)
        right[np.argmax(features[:, 0] / 0.1 + rng.gumbel(size=5))] = True
        made.append(Example(features, right))
    return made


def test_weights_scale_and_temperature_are_those_of_the_draw() -> None:
    ranking = learn_ranking(examples(2000), (0, 3), 1.0, 0)
    assert ranking.weights[0] / ranking.scale[0] / ranking.temperature == pytest.approx(10, rel=0.15)
    assert ranking.weights[1] < 0.15 and len(ranking.support) == 2000
    assert (np.diff(ranking.support) >= 0).all()


def test_missing_columns() -> None:
    given = examples()
    assert learn_ranking(given, (0, 2, 3), 1.0, 0).columns == (0, 3)
    assert len(learn_ranking(given, (0, 3, 5), 1.0, 0).support) == 200  # those that have all
    ranking = learn_ranking(given, (0, 5), 1.0, 0)
    features = given[1].features.copy()
    assert ranking.parts(features)[0, 1] == pytest.approx(ranking.parts(features)[1:, 1].mean())
    assert present(given[1].features, (0, 3, 5)) == (0, 3, 5) and present(given[0].features, (5,)) == (0,)


def test_nothing_to_learn_from_is_the_global_cosine() -> None:
    single = [Example(np.full((1, 8), 0.5), np.array([True]))] * 3
    ranking = learn_ranking(single, (0, 1), 1.0, 0)
    assert ranking.weights.tolist() == [1.0, 0.0] and ranking.temperature == PLAIN_TEMPERATURE
    assert ranking.support.tolist() == [0.5] * 3
    assert Ranking.plain((3, 5)).weights.tolist() == [0.5, 0.5]
    same = [Example(np.full((2, 8), 0.5), np.array([True, False]))] * 3
    assert learn_ranking(same, (0, 1), 1.0, 0).weights.tolist() == [0.0, 0.0]


def test_calibration_keeps_the_weights() -> None:
    ranking = Ranking.plain((0, 3))
    given = examples()
    found = calibrated(ranking, [ranking.score(e.features) for e in given], [e.right for e in given])
    assert found.weights is ranking.weights and len(found.support) == 400
    assert found.temperature != ranking.temperature
