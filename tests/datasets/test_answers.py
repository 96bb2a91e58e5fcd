from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nearfield.datasets import load
from nearfield.datasets.answers import Labelled, load_answers


def encode(texts: Sequence[str]) -> np.ndarray:
    """Vectors of no meaning, the same for the same text."""
    return np.stack([np.random.default_rng(len(text)).standard_normal(384) for text in texts]).astype(np.float32)


def test_labels_of_hits() -> None:
    some = Labelled(np.zeros((2, 3), np.float32), ([1, 4], [2]))
    assert some.labels(np.array([[4, 0], [3, 2]])).tolist() == [[True, False], [False, True]]
    assert len(some) == 2 and some.first(1).relevant == ([1, 4],)


@pytest.mark.parametrize("name", ["scifact", "cranfield", "clinc150"])
def test_the_real_sets(data: Path, name: str) -> None:
    answers = load_answers(name, encode, quick=True)
    np.testing.assert_allclose(np.linalg.norm(answers.store, axis=1), 1, rtol=1e-5)
    for part in (answers.train, answers.test):
        assert len(part) > 30 and all(0 <= row < len(answers.store) for known in part.relevant for row in known)
    assert (len(answers.outside_test) > 0) == (name == "clinc150")


def test_training_claims_cite_no_abstract_of_a_test_claim(data: Path) -> None:
    train, test = load("scifact_train"), load("scifact")
    with pytest.raises(FileNotFoundError, match=r"minilm_train_queries\.npy"):
        _ = train.query_vectors
    assert len(train.queries) == 537 and train.document_ids == test.document_ids
    cited, tested = ({d for grades in part.judgements.values() for d in grades} for part in (train, test))
    assert not cited & tested and cited <= set(test.document_ids)


def test_training_claims_that_are_not_here_say_where_they_are(empty_home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load("scifact_train")


def test_an_unknown_set() -> None:
    with pytest.raises(ValueError, match="name: expected one of"):
        load_answers("trec", encode)
