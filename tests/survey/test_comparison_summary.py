import numpy as np

from nearfield.survey import compare


def test_the_same_space_turned(two):
    lines = compare(*two(500, 8, 0, 0), metric="l2").summary()
    assert lines[0].startswith("Do they give the same results? Yes, nearly: 10.0 of 10")
    assert "Nowhere" in lines[1] and "Yes: through a linear map" in lines[2]
    assert "500 rows to encode again" in lines[3] and "thresholds can stay" in lines[3]
    assert "stay at 16.0 kB" in lines[3]


def test_unrelated_spaces(two):
    lines = compare(two(500, 8, 0, 0)[0], two(500, 12, 0, 1)[0]).summary()
    assert "Hardly" in lines[0] and "not even the broad groups" in lines[0]
    assert "not one" in lines[1] and "look at rows such as" in lines[1]
    assert "Not well" in lines[2] and "must be set again" in lines[3]


def test_labels_decide_about_replacement(two):
    kind = np.random.default_rng(0).integers(0, 3, 300)
    old = (np.eye(8)[kind] * 3 + two(300, 8, 0, 0)[0]).astype(np.float32)
    assert "they find" in compare(old, old, labels=kind).summary()[2]


def test_nothing_to_say(two):
    lines = compare(*two(5, 8, 0, 0)).summary()
    assert len(lines) == 4 and "cannot be said" in lines[0] and "cannot be said" in lines[2]
