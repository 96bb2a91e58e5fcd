from __future__ import annotations

import numpy as np
import pytest

from nearfield.encode import Encoder
from nearfield.encode.base import as_texts, digest_files, show_progress, unit_rows


def test_protocol_needs_all_three_members() -> None:
    class Half:
        dim = 2

        def encode(self, items: list[str], *, progress: bool | None = None) -> np.ndarray:
            return np.zeros((len(items), 2), np.float32)

    assert not isinstance(Half(), Encoder)


def test_as_texts_takes_one_or_many() -> None:
    assert as_texts("a") == (["a"], True)
    assert as_texts(("a", "b")) == (["a", "b"], False)
    assert as_texts([]) == ([], False)


def test_as_texts_replaces_only_what_cannot_be_encoded() -> None:
    assert as_texts(["é", "x\ud800y"])[0] == ["é", "x?y"]


@pytest.mark.parametrize(("items", "said"), [([1], "position 0"), (["a", b"b"], "position 1"), (3, "got int")])
def test_as_texts_names_the_item_that_is_no_text(items: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        as_texts(items)


def test_digest_depends_on_every_file_and_on_the_settings(tmp_path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one")
    b.write_bytes(b"two")
    digests = {digest_files([a], "x"), digest_files([a, b], "x"), digest_files([b, a], "x"), digest_files([a], "y")}
    assert len(digests) == 4
    b.write_bytes(b"twO")
    assert digest_files([a, b], "x") not in digests


def test_a_few_items_show_no_bar_unless_asked() -> None:
    assert show_progress(None, 10) is False
    assert show_progress(None, 100_000) is None
    assert show_progress(True, 10) is True


def test_unit_rows_leaves_zeros() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-6)
