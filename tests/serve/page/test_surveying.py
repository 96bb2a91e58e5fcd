"""A survey with its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.serve.page import surveying
from nearfield.store import Store


def test_a_survey_its_pictures_and_its_report(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", dim=5) as store:
        with pytest.raises(ValueError, match="the collection is empty"):
            surveying.read(store)
        store.add(range(300), np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32))
        read = surveying.read(store)
    found = surveying.measure(*read, lambda stage, share: None)
    told = found.to_dict()
    assert told["rows"] == 300 and set(told["figures"]) <= set(told["measures"])
    if not told["figures"]:
        pytest.skip("needs nearfield[view] for the pictures")
    for theme in surveying.THEMES:
        picture = found.figure("hubness", theme).decode()
        assert (
            picture.startswith("<svg") and "var(--" not in picture and 'xmlns="http://www.w3.org/2000/svg"' in picture
        )
    assert b"<h1>A &lt;b&gt; title</h1>" in found.report("A <b> title")
