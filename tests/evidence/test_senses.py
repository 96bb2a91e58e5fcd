import numpy as np
import pytest

from nearfield.evidence.senses import Senses, around, load_senses, neighbour_means, spectral_vectors


@pytest.fixture(scope="module")
def senses() -> Senses:
    try:
        return load_senses(50)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_truth_is_a_candidate_and_its_example_the_sentence(senses: Senses) -> None:
    for sentence, word, own, truth in zip(senses.sentences, senses.words, senses.candidates, senses.truth, strict=True):
        assert truth in own and len(own) > 1 and sentence in senses.synsets[truth].examples
        assert all(word in (each.lower() for each in senses.synsets[row].words) for row in own)


def test_second_views(senses: Senses) -> None:
    vectors = np.random.default_rng(0).standard_normal((len(senses.synsets), 8))
    means = neighbour_means(senses, vectors)
    assert len(means) == len(senses.rows) and np.mean([own is not None for own in means]) > 0.9
    met = around(senses, vectors)
    assert len(met) == 50 and np.mean([own is not None for own in met]) > 0.9


def test_spectral_vectors_of_related_sets_are_near(senses: Senses) -> None:
    vectors = spectral_vectors(senses.synsets, 16)
    row = next(row for row, each in enumerate(senses.synsets) if each.words[0] == "dog" and each.topic == 5)
    above = senses.synsets[row].relations["@"][0]
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)
    near = vectors @ vectors[row] / lengths / lengths[row]
    assert near[above] > np.quantile(near, 0.9)
