import numpy as np

from nearfield.evidence.sense_trial import EVERY, SenseTrial, text_vectors
from nearfield.evidence.senses import Senses


def test_folds_are_learnt_from_the_others() -> None:
    """30 words of two senses each; tokens of a sentence are those of its sense with noise."""
    rng = np.random.default_rng(0)
    entities = [rng.standard_normal((5, 8)) for _ in range(60)]
    truth = 2 * np.arange(30) + rng.integers(0, 2, 30)
    mentions = [entities[row] + 0.1 * rng.standard_normal((5, 8)) for row in truth]
    candidates = [[2 * number, 2 * number + 1] for number in range(30)]
    senses = Senses([], ["s"] * 30, ["w"] * 30, candidates, truth)
    graph = rng.standard_normal((60, 4))
    trial = SenseTrial(senses, mentions, entities, list(graph), graph[truth])
    assert trial.right(EVERY) > 0.9 and trial.right(("global",), second=False) > 0.9
    assert trial.right(EVERY, mentions_second=False) > 0.9 and trial.right(EVERY, links=8) > 0.9
    assert set(trial.shares()) == set(EVERY) and trial.rejected()[0] < 0.3
    assert np.allclose(text_vectors(mentions)[0], mentions[0].mean(axis=0))
