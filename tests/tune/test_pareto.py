from nearfield.tune import Recipe, Trial
from nearfield.tune.pareto import front


def trial(beam, recall, speed, memory):
    return Trial(Recipe("graph", beam=beam), recall, recall, recall, speed, 1.0, memory, 0)


def test_the_front_is_what_no_other_equals_or_beats_in_everything():
    fast, fine, lean = trial(1, 0.9, 900.0, 50), trial(2, 0.99, 100.0, 50), trial(3, 0.9, 100.0, 10)
    beaten, twin = trial(4, 0.9, 90.0, 50), trial(5, 0.99, 100.0, 50)
    assert front([beaten, fine, twin, lean, fast]) == [fast, lean, fine]


def test_what_was_not_timed_cannot_be_compared():
    assert front([trial(1, 1.0, None, 1)]) == [] == front([])
