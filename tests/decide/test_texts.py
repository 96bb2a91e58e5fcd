import numpy as np
import pytest

from nearfield.decide import class_texts
from nearfield.decide.texts import blocks, encoded, is_texts, nearest, unit_rows


def test_a_class_without_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="none for 'cat'"):
        class_texts({"dog": ["barks"], "cat": []})
    with pytest.raises(TypeError, match="one string 'barks'"):
        class_texts({"dog": "barks"})


def test_texts_are_told_from_vectors() -> None:
    assert is_texts(["a"]) and is_texts(np.array(["a"])) and is_texts(np.array(["a"], object))
    assert not is_texts([[1.0]]) and not is_texts(np.ones((2, 2))) and not is_texts([]) and not is_texts("a")
    vectors = np.ones((2, 2))
    assert encoded(vectors, None, "X") is vectors


def test_unit_rows_of_any_length() -> None:
    rows = unit_rows(np.array([[3e-200, 4e-200], [0, 0], [-5, 0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [-1, 0]])


def test_blocks_cover_all_rows() -> None:
    assert [part.indices(10**4)[:2] for part in blocks(10**4, 10**7)][-1][1] == 10**4
    assert list(blocks(0, 5)) == [] and list(blocks(3, 0)) == [slice(0, 3)]


def test_the_nearest_in_blocks_are_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, rows = rng.normal(size=(37, 8)), rng.normal(size=(500, 8))
    rows[[7, 100, 499]] = queries[0]  # duplicates
    exact = unit_rows(queries) @ unit_rows(rows).T
    order = np.argsort(-exact, axis=1, kind="stable")
    monkeypatch.setattr("nearfield.decide.texts._BLOCK", 37 * 50)
    monkeypatch.setattr("nearfield.decide.texts._QUERIES", 10)
    cosines, found = nearest(queries, rows, 20)
    np.testing.assert_allclose(cosines, np.take_along_axis(exact, order[:, :20], 1))
    assert found[0, :3].tolist() == [7, 100, 499] and (found[1:] == order[1:, :20]).all()
    assert nearest(queries, rows, 10_000)[1].shape == (37, 500)
    assert nearest(queries[:0], rows, 3)[1].shape == (0, 3)
