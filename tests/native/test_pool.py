"""Long work can be interrupted, leaves the GIL to others, and shares one pool among threads and forks."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nearfield import native

BEGIN = """
import sys, time
import numpy as np
from nearfield import native

def check_usable():
    rows = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    for threads in (1, 2):
        assert (native.exact_search(rows, rows, 1, metric="l2", threads=threads).rows[:, 0] == np.arange(500)).all()
        space = native.make_space("f32", rows, 8)
        neighbors, entries = native.build_graph(space, degree=8, beam=16, alpha=1.2, seed=0, threads=threads)
        assert native.reachable(neighbors, entries).all()

def until_interrupted(work, threads):
    print("started", flush=True)
    try:
        work(threads)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    else:
        print("finished", flush=True)
    check_usable()
    print("usable", flush=True)
"""
BUILD = """
def work(threads):
    rows = np.random.default_rng(1).normal(size=(150_000, 48)).astype(np.float32)
    center = rows.mean(0)
    space = native.make_space("sq8", native.encode("sq8", rows, center), 48, center=center)
    print("building", flush=True)
    native.build_graph(space, degree=48, beam=1000, alpha=1.2, seed=0, threads=threads)
"""
SCAN = """
def work(threads):
    rows, queries = np.zeros((100_000, 128), np.float32), np.ones((200_000, 128), np.float32)
    native.set_simd_level("scalar")
    print("scanning", flush=True)
    native.exact_search(rows, queries, 5, threads=threads)
"""
LISTS = """
def work(threads):
    rows, queries = np.zeros((100_000, 128), np.float32), np.ones((200_000, 128), np.float32)
    native.set_simd_level("scalar")
    space, centres = native.make_space("f32", rows, 128), native.make_space("f32", rows[:1], 128)
    offsets, order = np.uint32([0, 100_000]), np.arange(100_000, dtype=np.uint32)
    print("scanning", flush=True)
    native.search_lists(
        space, centres, offsets, order, queries, queries, 5, metric="ip", probes=1, threads=threads
    )
"""


def start(script):
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(script, **options):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("work", [BUILD, SCAN, LISTS], ids=["build", "scan", "lists"])
def test_ctrl_c_ends_long_work_and_the_process_stays_usable(work, threads):
    # Each of these takes minutes; what is waited for below is seconds.
    child = start(f"{BEGIN}{work}\nuntil_interrupted(work, {threads})")
    try:
        assert child.stdout.readline() == "started\n"
        assert child.stdout.readline() in ("building\n", "scanning\n")
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert (out, child.returncode) == ("interrupted\nusable\n", 0), err


def test_ctrl_c_does_not_wait_for_the_end_of_a_piece_of_work():
    # One task of the pool: a group of queries against all rows. How long it takes is measured on an eighth of it.
    child = start(
        BEGIN
        + """
native.set_simd_level("scalar")
rows, queries = np.zeros((3_000_000, 128), np.float32), np.ones((32, 128), np.float32)
start = time.monotonic()
native.exact_search(rows[:375_000], queries, 5, threads=1)
whole = 8 * (time.monotonic() - start)
try:
    print(whole, flush=True)
    native.exact_search(rows, queries, 5, threads=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    )
    try:
        whole = float(child.stdout.readline())
        time.sleep(0.2)
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert out == "interrupted\n", err
    assert time.monotonic() - begin < whole / 2


def test_other_threads_run_while_the_core_works():
    space = native.make_space("f32", np.random.default_rng(2).normal(size=(4000, 64)).astype(np.float32), 64)
    running, ticks = True, 0

    def count():
        nonlocal ticks
        while running:
            ticks += 1
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    try:
        before = ticks
        native.build_graph(space, degree=32, beam=200, alpha=1.2, seed=0, threads=1)
        during = ticks - before
    finally:
        running = False
        other.join()
    assert during > 20  # with the GIL held it would be none


def test_many_threads_may_search_at_once():
    rng = np.random.default_rng(3)
    rows, queries = (rng.normal(size=(n, 24)).astype(np.float32) for n in (3000, 40))
    space = native.make_space("f32", rows, 24)
    neighbors, entries = native.build_graph(space, degree=16, beam=40, alpha=1.2, seed=0)
    walk = {"metric": "l2", "beam": 32, "threads": 2}
    scanned = native.exact_search(rows, queries, 10, metric="l2")
    walked = native.search_graph(space, neighbors, entries, queries, 10, **walk)

    def search(number):
        for _ in range(5):
            if number % 2:
                found, wanted = native.exact_search(rows, queries, 10, metric="l2", threads=3), scanned
            else:
                found, wanted = native.search_graph(space, neighbors, entries, queries, 10, **walk), walked
            if found.scores.tobytes() != wanted.scores.tobytes() or not (found.rows == wanted.rows).all():
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(search, range(16)))


def test_graphs_of_different_sizes_may_be_searched_in_turn():
    # The set of visited rows is kept between the calls of a thread.
    rng = np.random.default_rng(4)
    worlds = []
    for n in (10, 5000, 70, 900):
        rows = rng.normal(size=(n, 8)).astype(np.float32)
        space = native.make_space("f32", rows, 8)
        worlds.append((rows, space, native.build_graph(space, degree=8, beam=30, alpha=1.2, seed=0)))
    for _ in range(3):
        for rows, space, (neighbors, entries) in worlds:
            found = native.search_graph(space, neighbors, entries, rows[:5], 1, metric="l2", beam=40)
            assert (found.rows[:, 0] == np.arange(5)).all()


def test_two_builds_at_once_give_what_they_give_alone():
    rng = np.random.default_rng(5)
    spaces = [native.make_space("f32", rng.normal(size=(1500, 16)).astype(np.float32), 16) for _ in range(4)]

    def build(space):
        return native.build_graph(space, degree=16, beam=40, alpha=1.2, seed=0, threads=2)[0].tobytes()

    alone = [build(space) for space in spaces]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(build, spaces)) == alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_after_the_pool_was_used_works_in_the_child():
    script = (
        BEGIN
        + """
import os
check_usable()
for _ in range(3):
    child = os.fork()
    if child == 0:
        check_usable()
        grandchild = os.fork()
        if grandchild == 0:
            check_usable()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check_usable()
print("usable")
"""
    )
    done = run(script)
    assert done.stdout == "usable\n", done.stderr


def test_the_process_ends_although_workers_sleep():
    done = run(BEGIN + "check_usable(); native.set_threads(3); check_usable(); print(native.threads())")
    assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr


def test_the_default_number_of_threads():
    before = native.threads()
    try:
        native.set_threads(5)
        assert native.threads() == 5
        native.set_threads(0)
        assert native.threads() >= 1
    finally:
        native.set_threads(before)
    for bad in (-1, 1025):
        with pytest.raises(ValueError, match="count"):
            native.set_threads(bad)
