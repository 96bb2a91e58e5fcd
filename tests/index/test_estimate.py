"""The memory of a build: as was estimated, and refused beforehand where there is too little."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nearfield.index import IVF, BuildMemory, Flat, Hash
from nearfield.index import base as module
from nearfield.index import blocks as block_module
from nearfield.quantize import Float32, ScalarQuantizer
from nearfield.transform import PCA, LinearMap

MEASURE = """
import json, sys, threading, time
import numpy as np
from nearfield.bench.memory import own_bytes, parse_status
from nearfield.index import Flat, Graph
from nearfield.quantize import Float32, ScalarQuantizer
from nearfield.transform import PCA

def now():
    with open("/proc/self/status") as file:
        sizes = parse_status(file.read())
    return sizes["RssAnon"] + sizes.get("RssShmem", 0)

base = np.load(sys.argv[1], mmap_mode="r")
make = lambda: eval(sys.argv[2])
make().build(base[:3000])
before = peak = own_bytes()
done = False

def watch():
    global peak
    while not done:
        peak = max(peak, now())
        time.sleep(0.001)

watcher = threading.Thread(target=watch)
watcher.start()
index = make()
estimate = index.estimate_build(*base.shape, threads=2)
index.build(base)
done = True
watcher.join()
print(json.dumps([peak - before, own_bytes() - before, *estimate[:2], index.memory()["total"]]))
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    rows = np.random.default_rng(0).standard_normal((60_000, 384), np.float32)
    np.save(path, rows * np.float32(0.98) ** np.arange(384, dtype=np.float32))
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="own pages are read from /proc")
@pytest.mark.parametrize(
    "recipe",
    [
        'Graph("cosine", build_beam=16)',
        'Graph("ip", build_beam=16)',
        'Graph("cosine", build_beam=16, layout="fast", link_dims=192)',
        'Graph("cosine", build_beam=16, codec=ScalarQuantizer(4), rescore=ScalarQuantizer(8))',
        'Graph("l2", build_beam=16, transform=PCA(96), codec=ScalarQuantizer(8), rescore=ScalarQuantizer(4))',
        'Graph("cosine", build_beam=16, codec=ScalarQuantizer(4), rescore="vectors")',
        'Flat("cosine", codec=Float32())',
        'Flat("l2", transform=PCA(96), codec=ScalarQuantizer(8), rescore=ScalarQuantizer(8))',
    ],
)
def test_the_peak_is_as_estimated(recipe, stored):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(stored), recipe], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    peak, after, estimated, resident, total = json.loads(done.stdout)
    assert abs(resident - total) < 0.01 * total + 20_000
    assert abs(after - total) < 0.05 * total + 8e6
    # A block of rows on its way is not known to the megabyte.
    assert abs(peak - estimated) < 0.1 * estimated + 4e6, (peak, estimated)


def test_parts_add_up(kind, metric):
    for codec in (None, ScalarQuantizer(4), Float32()):
        for rescore in (None, ScalarQuantizer(8), "vectors"):
            index = kind(metric, codec=codec, rescore=rescore)
            estimate = index.estimate_build(10_000, 48)
            assert isinstance(estimate, BuildMemory)
            assert estimate.peak == sum(estimate.parts.values()) >= estimate.resident > 0


@pytest.mark.parametrize("mapping", ["none", "pca", "linear"])
def test_what_stays_is_what_memory_says(kind, metric, mapping, make_rows):
    rows = make_rows(1500)
    reduced = 33 if kind not in (Flat, Hash, IVF) and metric == "ip" else 32
    transform = {
        "none": None,
        "pca": PCA(20, center=False),
        "linear": LinearMap(np.eye(reduced, dtype=np.float32)[:9]),
    }[mapping]
    index = kind(metric, transform=transform, rescore=ScalarQuantizer(4))
    estimate = index.estimate_build(*rows.shape)
    total = index.build(rows).memory()["total"]
    if getattr(index, "layout", "lean") == "fast" and metric != "ip":  # fewer directions than there may be
        assert total < estimate.resident + 4096
        index = kind(metric, transform=transform, rescore=ScalarQuantizer(4), link_dims=9)
        estimate, total = index.estimate_build(*rows.shape), index.build(rows).memory()["total"]
    assert total == pytest.approx(estimate.resident, rel=0.01, abs=4096)


def test_a_build_above_the_limit_is_refused_with_both_figures(kind, make_rows):
    rows = make_rows(1500)
    index = kind("l2")
    needed = index.estimate_build(*rows.shape).peak
    with pytest.raises(MemoryError, match=rf"1500 x 32 needs about {needed:,} bytes .* memory allows 99,000;"):
        index.build(rows, memory="99KB")
    assert len(index) == 0
    digest = index.build(rows, memory=needed).digest()
    with pytest.raises(MemoryError):
        index.build(rows, memory=needed - 1)
    assert index.digest() == digest, "what is refused changes nothing"
    for wrong in ("much", 0, -5, 1.5):
        with pytest.raises((ValueError, TypeError), match="memory: expected"):
            index.build(rows, memory=wrong)


def test_without_a_limit_the_system_has_to_have_it(kind, make_rows, monkeypatch):
    rows = make_rows(1500)
    monkeypatch.setattr(module, "available_bytes", lambda: 100_000)
    with pytest.raises(MemoryError, match="the system has available 100,000"):
        kind("l2").build(rows)
    assert len(kind("l2").build(rows, memory="1GB")) == 1500, "a limit that is given is the caller's word"
    monkeypatch.setattr(module, "available_bytes", lambda: None)
    assert len(kind("l2").build(rows)) == 1500


def test_rows_beyond_all_memory_are_refused_before_they_are_read(kind):
    def endless(n):
        return np.broadcast_to(np.float32(1), (n, 384))

    with pytest.raises(ValueError, match=r"vectors: expected fewer than 2\*\*31 rows, got 2147483648"):
        kind("cosine").build(endless(1 << 31))
    with pytest.raises(MemoryError, match="2147483647 x 384"):
        kind("cosine").build(endless((1 << 31) - 1))
    with pytest.raises(MemoryError, match="allows 2,000,000,000"):
        kind("cosine").build(endless(100_000_000), memory="2GB")


def test_any_layout_of_an_array_gives_the_same_index(kind, make_rows):
    rows = np.round(make_rows(1500), 2).astype(np.float16)
    digest = kind("cosine").build(rows).digest()
    wide = np.zeros((1500, 64), np.float32)
    wide[:, ::2] = rows
    for same in (
        rows.astype(np.float32),
        rows.astype(np.float64),
        wide[:, ::2],
        np.asfortranarray(rows),
        rows.tolist(),
    ):
        assert kind("cosine").build(same).digest() == digest


def test_blocks_do_not_show(kind, metric, make_rows, monkeypatch):
    rows = make_rows(1500)

    def make():
        return kind(metric, transform=PCA(20, center=False), codec=ScalarQuantizer(4), rescore=ScalarQuantizer(8))

    plain = [make().build(rows), kind(metric, codec=Float32()).build(rows)]
    monkeypatch.setattr(block_module, "_BLOCK", 32 * 100)
    blocks = [make().build(rows), kind(metric, codec=Float32()).build(rows)]
    assert blocks[1].digest() == plain[1].digest() or metric == "ip"
    for a, b in zip(plain, blocks, strict=True):
        one, other = a.search(rows[:50], 10).distances, b.search(rows[:50], 10).distances
        assert np.abs(one - other).max() < 1e-3 * np.abs(one).max()
