import numpy as np
import pytest

from nearfield.decide import class_texts
from nearfield.decide.texts import blocks, encoded, is_texts, unit_rows


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
