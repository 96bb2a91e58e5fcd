"""One thread of BLAS, whatever was set before, and not for longer."""

import sys
import types

from threadpoolctl import threadpool_info, threadpool_limits

from nearfield.common.blas import one_blas_thread


def threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def test_one_within_and_as_many_as_before_behind():
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        for _ in range(2):
            with one_blas_thread():
                assert threads() == {1}
            assert threads() == before


def test_an_error_gives_the_threads_back():
    before = threads()
    try:
        with one_blas_thread():
            raise KeyError
    except KeyError:
        assert threads() == before


def test_libraries_are_looked_for_again_only_when_something_was_imported(monkeypatch):
    import nearfield.common.blas as blas

    looked = []
    real = blas.ThreadpoolController
    monkeypatch.setattr(blas, "ThreadpoolController", lambda: looked.append(1) or real())
    monkeypatch.setattr(blas, "_found", None)
    for _ in range(3):
        with one_blas_thread():
            pass
    assert len(looked) == 1
    monkeypatch.setitem(sys.modules, "something_with_a_blas_of_its_own", types.ModuleType("new"))
    with one_blas_thread():
        assert len(looked) == 2
