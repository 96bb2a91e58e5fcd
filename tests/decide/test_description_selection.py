from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import DescriptionSelection
from nearfield.encode import WordLlama


@pytest.fixture(scope="module")
def world() -> dict[str, np.ndarray]:
    """Eight classes in pairs that are alike, a pool of 4 good descriptions a class among 100 random ones."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(4, 32)).repeat(2, axis=0) + 0.6 * rng.normal(size=(8, 32))
    pool = np.concatenate([kinds.repeat(4, axis=0) + 0.3 * rng.normal(size=(32, 32)), rng.normal(size=(100, 32))])
    y, truth = np.repeat(np.arange(8), 10), np.repeat(np.arange(8), 40)
    return {
        "kinds": kinds,
        "pool": pool,
        "few": kinds[y] + rng.normal(size=(80, 32)),
        "y": y,
        "items": kinds[truth] + rng.normal(size=(320, 32)),
        "truth": truth,
    }


def names(world: dict[str, np.ndarray]) -> dict[int, np.ndarray]:
    return dict(enumerate(world["kinds"] + 2 * np.random.default_rng(5).normal(size=(8, 32))))


def test_planted_descriptions_are_chosen(world) -> None:
    chooser = DescriptionSelection(n_classes=3, n_descriptions=4)
    chooser.fit(world["few"], world["y"], descriptions=world["pool"])
    chosen = chooser.selected([0, 3, 6])
    right = [row // 4 == label for label, rows in chosen.items() for row in rows if row < 32]
    assert len(right) == 12 and np.mean(right) > 0.9
    assert chooser.score(world["items"], world["truth"]) > 0.8


def test_scores_are_what_the_definition_says(world) -> None:
    chooser = DescriptionSelection(n_classes=3, n_descriptions=5, name_weight=0.5, center=False)
    chooser.fit(world["few"], world["y"], descriptions=world["pool"], names=names(world))

    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    pool, called = unit(world["pool"]), unit(np.array(list(names(world).values())))
    means = np.stack([(unit(world["few"][world["y"] == label]) @ pool.T).mean(0) for label in range(8)])
    for item in unit(world["items"])[::40]:
        near = called @ item
        likely = np.argsort(-near)[:3]
        scores = {}
        for label in likely:
            others = [other for other in likely if other != label]
            best = np.argsort(-(means[label] - means[others].mean(0)))[:5]
            scores[label] = (pool[best] @ item).mean() + 0.5 * near[label]
        row = chooser._score(item[None, :])[0]
        np.testing.assert_allclose(row[likely], [scores[label] for label in likely])
        beyond = np.setdiff1d(np.arange(8), likely)
        assert row[beyond].max() < row[likely].min()
        assert (np.argsort(row[beyond]) == np.argsort(near[beyond])).all()


def test_more_classes_and_descriptions_than_there_are(world) -> None:
    chooser = DescriptionSelection(n_classes=50, n_descriptions=500).fit(world["few"], world["y"])
    assert np.isfinite(chooser.predict_proba(world["items"])).all()
    one = DescriptionSelection().fit(world["few"][:3], [1, 1, 1])
    assert one.predict(world["items"][:2]).tolist() == [1, 1]
    assert chooser.reject(world["few"], max_false=0.1).mean() < 0.3


def test_strings_and_refusals(world) -> None:
    chooser = DescriptionSelection(encoder=WordLlama(), n_descriptions=1)
    items = ["the boat left the harbour", "the ship sank", "the car needs fuel", "a truck on the road"]
    pool = ["it floats on water", "it has four wheels and an engine", "it is blue"]
    chooser.fit(items, ["b", "b", "c", "c"], descriptions=pool, names={"b": "boat", "c": "car"})
    assert chooser.selected(["b", "c"]) == {"b": [pool[0]], "c": [pool[1]]}
    assert chooser.predict(["a sailor on the water", "the driver starts the engine"]).tolist() == ["b", "c"]
    with pytest.raises(ValueError, match="none for c"):
        chooser.fit(items, ["b", "b", "c", "c"], descriptions=pool, names={"b": "boat"})
    with pytest.raises(ValueError, match="descriptions: expected 32 dimensions, got 5"):
        DescriptionSelection().fit(world["few"], world["y"], descriptions=world["pool"][:, :5])
    with pytest.raises(ValueError, match="n_classes"):
        DescriptionSelection(n_classes=1).fit(world["few"], world["y"])
    with pytest.raises(ValueError, match="labels"):
        DescriptionSelection().fit(world["few"], world["y"]).selected([1])
