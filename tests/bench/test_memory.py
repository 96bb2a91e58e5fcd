import sys

import numpy as np
import pytest

from nearfield.bench.memory import own_bytes, parse_status


def test_status_lines_without_a_size_are_passed_over() -> None:
    assert parse_status("State: R (running)\nVmRSS: 10 kB\nThreads: 2\n") == {"VmRSS": 10240}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_array_shows_and_a_mapped_file_does_not(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.ones(4_000_000, np.float32))
    before = own_bytes()
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert float(mapped.sum()) == 4_000_000
    with_mapped = own_bytes()
    copied = np.array(mapped)
    with_copy = own_bytes()
    assert abs(with_mapped - before) < 4_000_000
    assert with_copy - with_mapped >= 0.9 * copied.nbytes
    del copied
    assert own_bytes() - before < 4_000_000
