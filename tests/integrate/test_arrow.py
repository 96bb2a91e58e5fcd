from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.integrate import to_arrow
from nearfield.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store.create(tmp_path / "a.nf", dim=2, attributes={"year": "int"}) as store:
        rows = np.random.default_rng(0).standard_normal((250, 2)).astype(np.float32)
        store.add(list(range(250)), rows, attributes={"year": list(range(250))})
    return tmp_path / "a.nf"


def test_a_store_and_a_path_give_the_same(path: Path) -> None:
    by_path = to_arrow(path, batch_size=100)
    assert [batch.num_rows for batch in by_path] == [100, 100, 50]
    with Store.open(path) as store:  # the path was only read
        assert to_arrow(store).read_all() == to_arrow(str(path)).read_all()
        assert to_arrow(store, ["year"]).read_all().column("year").to_pylist() == list(range(250))


def test_a_path_is_closed_with_its_stream(path: Path) -> None:
    reader = to_arrow(path, ["id"], batch_size=10)
    reader.read_next_batch()
    reader.close()
    del reader
    Store.open(path).close()


def test_what_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="store: expected a Store or the path of one, got int"):
        to_arrow(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="columns: no column 'zz'"):
        to_arrow(path, ["zz"])
    with pytest.raises(FileNotFoundError):
        to_arrow(tmp_path / "none.nf")
    (path / "catalogue.sqlite").write_bytes(b"no database")
    with pytest.raises(CorruptFileError):
        to_arrow(path)
