"""An installed package at work, with nothing but its own dependencies: build, search, and a store that is opened again.

``python wheel_check.py [LEVEL]``: LEVEL is the kernels that the processor must have chosen, such as ``scalar``.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

import nearfield as nf
from nearfield import native

assert "site-packages" in nf.__file__, f"expected the installed package, got {nf.__file__}"
assert importlib.util.find_spec("pytest") is None
if len(sys.argv) > 1:
    assert native.simd_level() == sys.argv[1], f"expected {sys.argv[1]} kernels, got {native.simd_level()}"

rng = np.random.default_rng(0)
rows = rng.standard_normal((600, 24)).astype(np.float32)
unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
truth = np.argsort(-(unit[:20] @ unit.T), axis=1)[:, :10]
for codec in (nf.quantize.ScalarQuantizer(8), nf.quantize.RotatedQuantizer(4)):
    found = nf.index.Graph("cosine", codec=codec).build(rows).search(rows[:20], 10, beam=100).rows
    recall = np.mean([np.isin(right, row).mean() for right, row in zip(truth, found, strict=True)])
    assert recall > 0.9, f"{codec!r}: recall {recall}"

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "a.nf"
    with nf.Store.create(path, dim=24, attributes={"year": "int"}) as store:
        store.add(list(range(600)), rows, attributes={"year": [2000 + row % 25 for row in range(600)]})
    with nf.Store.open(path) as store:
        hits = store.search(rows[3], k=5, where="year = 2003")
        assert hits.ids[0] == 3 and len(hits) == 5
        assert store.verify().ok
print(f"nearfield {nf.__version__} with {native.simd_level()} kernels: built, searched, stored, verified")
