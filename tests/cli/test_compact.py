from __future__ import annotations

from pathlib import Path

import numpy as np

from nearfield.store import Store


def make(path: Path) -> Path:
    with Store.create(path / "a.nf", 16) as store:
        store.add(list(range(2000)), np.random.default_rng(0).standard_normal((2000, 16), np.float32))
        store.compact()
        store.delete(list(range(1500)))
    return path / "a.nf"


def test_it_says_what_it_gives_back_and_gives_it(run, tmp_path: Path) -> None:
    store = make(tmp_path)
    names = [store / "catalogue.sqlite", *(store / "segments").iterdir()]
    before = [path.read_bytes() for path in names]
    answer = run("compact", store, "--dry-run")
    assert answer.code == 0 and answer.out.startswith("gives back ") and "meanwhile needs" in answer.out
    said = run("compact", store, "--dry-run", "--json").json
    assert [path.read_bytes() for path in names] == before
    answer = run("compact", store, "--json").json
    assert answer["gives_back"] == said["gives_back"] and answer["compacted"] is True
    assert abs(answer["gave_back"] - said["gives_back"]) < 0.05 * said["gives_back"]
    assert run("compact", store).out.startswith("gives back 0 B")


def test_a_limit_is_held(run, tmp_path: Path) -> None:
    answer = run("compact", make(tmp_path), "--memory", "1kB")
    assert answer.code == 2 and "memory allows 1,000" in answer.err


def test_a_folder_that_is_no_store_is_an_error(run, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert run("compact", "plain").code == 2
