from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has none of the sets: the cache is an empty folder, and no other folder is named."""
    monkeypatch.delenv("NEARFIELD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nearfield"


@pytest.fixture
def data() -> Path:
    folder = os.environ.get("NEARFIELD_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the data sets: set NEARFIELD_DATA to the folder that holds them")
    return Path(folder)
