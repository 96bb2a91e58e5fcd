from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nearfield.decide import LabelVectors
from nearfield.decide.texts import nearest, unit_rows
from nearfield.encode import WordLlama


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names that only roughly lie where six topics do, 300 documents of the topics and the topic of each."""
    rng = np.random.default_rng(1)
    topics = rng.normal(size=(6, 24))
    truth = np.repeat(np.arange(6), 50)
    names = topics + 1.8 * rng.normal(size=(6, 24))
    return names.astype(np.float32), (topics[truth] + rng.normal(size=(300, 24))).astype(np.float32), truth


def test_vectors_are_means_of_the_nearest_documents(world) -> None:
    names, documents, truth = world
    labels = LabelVectors(max_documents=12).fit(names, list("abcdef"), documents=documents)
    _, rows = nearest(names, documents, 12)
    for number in range(6):
        np.testing.assert_array_equal(labels.documents_[number], rows[number])
        np.testing.assert_allclose(
            labels.label_vectors_[number], unit_rows(unit_rows(documents)[rows[number]].sum(0)[None])[0]
        )
    known = np.array(list("abcdef"))[truth]
    plain = LabelVectors().fit(names, list("abcdef"))
    assert labels.score(documents, known) > plain.score(documents, known) + 0.03
    assert not np.concatenate(plain.documents_).size
    with pytest.raises(ValueError, match="give others to calibrate"):
        labels.reject(documents)
    assert labels.calibrate(documents[::3], known[::3]).reject(documents[1::3], max_false=0.1).mean() < 0.2


def test_thresholds_and_numbers(world) -> None:
    names, documents, _ = world
    strict = LabelVectors(threshold=1.0, min_documents=3).fit(names, range(6), documents=documents)
    assert [len(rows) for rows in strict.documents_] == [3] * 6
    loose = LabelVectors(threshold=-1.0, min_documents=3, max_documents=7).fit(names, range(6), documents=documents)
    assert [len(rows) for rows in loose.documents_] == [7] * 6
    few = LabelVectors().fit(names, range(6), documents=documents[:4])
    assert [len(rows) for rows in few.documents_] == [4] * 6


def test_outliers_go() -> None:
    rng = np.random.default_rng(0)
    good = np.eye(8)[0] + 0.05 * rng.normal(size=(27, 8))
    far = np.eye(8)[0] + 3 * np.eye(8)[[1, 2, 3]]
    documents = np.concatenate([far, good])
    labels = LabelVectors(outliers=0.1, max_documents=30).fit(np.eye(8)[:1], ["a"], documents=documents)
    assert not np.isin([0, 1, 2], labels.documents_[0]).any() and len(labels.documents_[0]) == 27


def test_an_index_finds_the_same(world) -> None:
    names, documents, _ = world
    asked: list[int] = []

    class Index:
        def search(self, queries: np.ndarray, k: int) -> SimpleNamespace:
            asked.append(k)
            return SimpleNamespace(rows=nearest(queries, documents, k)[1])

    exact = LabelVectors(threshold=0.3).fit(names, range(6), documents=documents)
    found = LabelVectors(threshold=0.3).fit(names, range(6), documents=documents, index=Index())
    assert asked == [20]
    np.testing.assert_array_equal(found.label_vectors_, exact.label_vectors_)
    with pytest.raises(ValueError, match="documents"):
        LabelVectors().fit(names, range(6), index=Index())


def test_strings_and_refusals(world) -> None:
    names, documents, _ = world
    texts = ["the boat sails", "a ship at sea", "a car on the road", "the engine of a truck"]
    labels = LabelVectors(encoder=WordLlama(), max_documents=2, min_documents=1)
    labels.fit(["boats", "cars"], ["b", "c"], documents=texts)
    assert labels.predict(texts).tolist() == ["b", "b", "c", "c"]
    for bad, match in (
        ({"outliers": 0.9}, "outliers"),
        ({"max_documents": 3}, "max_documents"),
        ({"threshold": 2.0}, "threshold"),
    ):
        with pytest.raises(ValueError, match=match):
            LabelVectors(**bad).fit(names, range(6), documents=documents)
    with pytest.raises(ValueError, match="24 dimensions, got 5"):
        LabelVectors().fit(names, range(6), documents=documents[:, :5])
    with pytest.raises(ValueError, match="NaN"):
        LabelVectors().fit(names, range(6), documents=np.full((3, 24), np.nan))
