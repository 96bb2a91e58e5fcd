from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.cli.columns import Choice
from nearfield.cli.source import open_source
from nearfield.cli.source_lines import Csv, Jsonl
from nearfield.cli.source_npy import Npy


def test_the_ending_decides(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((2, 2)))
    (tmp_path / "a.CSV").write_text("text\nx\n")
    (tmp_path / "a.ndjson").write_text('{"text": "x"}\n')
    assert isinstance(open_source(tmp_path / "v.npy", Choice()), Npy)
    assert isinstance(open_source(tmp_path / "a.CSV", Choice()), Csv)
    assert isinstance(open_source(tmp_path / "a.ndjson", Choice()), Jsonl)
    with pytest.raises(ValueError, match="has no columns"):
        open_source(tmp_path / "v.npy", Choice(text="x"))
