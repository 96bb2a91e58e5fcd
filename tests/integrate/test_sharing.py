from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common.errors import StoreLockedError
from nearfield.integrate import sharing
from nearfield.integrate.sharing import lease, lock_of
from nearfield.store import Store


def create(path: Path) -> Any:
    return lambda: Store.create(path, dim=2)


def test_one_store_for_all_who_name_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.nf"
    assert lease(path, None) is None
    first = lease(path, create(path))
    (tmp_path / "link").symlink_to(path)
    second = lease(tmp_path / "link", None)
    assert first.store is second.store and lock_of(first.store) is lock_of(second.store)
    with pytest.raises(StoreLockedError):
        Store.open(path)
    first.release()
    first.release()
    assert not second.store.closed
    second.release()
    assert second.store.closed and not sharing._open
    third = lease(path, None)
    third.store.close()  # by somebody who should not have
    fourth = lease(path, None)
    assert not fourth.store.closed
    third.release()
    assert not fourth.store.closed
    fourth.release()
    assert fourth.store.closed and not sharing._open


def test_threads_that_begin_together_make_one_store(tmp_path: Path) -> None:
    path, found, barrier = tmp_path / "a.nf", [], threading.Barrier(8)

    def begin() -> None:
        barrier.wait()
        found.append(lease(path, create(path)))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one.store) for one in found}) == 1
    for one in found:
        one.release()
    assert found[0].store.closed


def test_a_forked_child_leaves_the_store_to_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.nf"
    held = lease(path, create(path))
    child = multiprocessing.get_context("fork").Process(target=held.release)
    child.start()
    child.join()
    assert child.exitcode == 0 and held.store.add(["a"], np.eye(2, dtype=np.float32)[:1]) == 1
    held.release()
