"""Files of a multi-vector index: the same answers, and damage by name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.common.container import read_container, write_container
from nearfield.index import (
    FixedDimensionalEncoding,
    Graph,
    JoinedEncoding,
    LearnedEncoding,
    MeanEncoding,
    MultiVector,
    TokenSearch,
)
from nearfield.index.multivector.files import VERSION
from nearfield.quantize import ProductQuantizer, ScalarQuantizer

WAYS = {
    "learned": lambda: LearnedEncoding(20, anchors=50),
    "joined": lambda: JoinedEncoding([MeanEncoding(), FixedDimensionalEncoding(4, 2, 4, final=20)]),
    "tokens": lambda: TokenSearch(50),
}


@pytest.fixture(scope="module", params=WAYS)
def built(request, bags, queries, tmp_path_factory):
    index = MultiVector(
        WAYS[request.param](),
        index=Graph("ip", codec=ScalarQuantizer(8), degree=8),
        codec=ProductQuantizer(8),
        means=None if request.param == "joined" else ScalarQuantizer(8),
    ).build(bags, queries=queries)
    index.add(bags[:3])
    index.update([7], bags[9:10])
    index.delete([1])
    path = tmp_path_factory.mktemp("bags") / "bags.nfa"
    assert index.save(path) == path.stat().st_size
    return index, path


@pytest.fixture
def saved(built, tmp_path):
    """The index, which one test may change, and a file of its own."""
    index, path = built
    return index, Path(shutil.copy(path, tmp_path))


def test_a_loaded_index_answers_the_same_and_goes_on(saved, bags, queries):
    index, path = saved
    again = MultiVector.load(path)
    assert len(again) == len(index) and again.dim == index.dim and again.memory() == index.memory()
    before, after = (one.search(queries, 8, candidates=50) for one in (index, again))
    assert before.distances.tobytes() == after.distances.tobytes() and (before.rows == after.rows).all()
    for one in (index, again):
        one.delete([2])
        one.add(bags[5:6])
        one.update([8], bags[4:5])
        one.compact(queries=queries)
    assert (index.search(queries, 8).rows == again.search(queries, 8).rows).all()
    assert again.save(path) > 0 and len(MultiVector.load(path)) == len(again)


def test_damage_is_refused_by_name(saved, queries):
    _, path = saved
    data = path.read_bytes()
    for length in [0, 10, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CorruptFileError, match=r"bags\.nfa: "):
            MultiVector.load(path)
    for position in range(64, len(data), 4999):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(CorruptFileError, match=r"bags\.nfa: "):
            MultiVector.load(path)


CHANGES = {
    "offsets": lambda meta, arrays: arrays["offsets"].__setitem__(3, 10**9),
    "slot_rows": lambda meta, arrays: arrays["slot_rows"].__setitem__(3, -2),
    "row_slots": lambda meta, arrays: arrays["row_slots"].__setitem__(3, 4),
    "tokens": lambda meta, arrays: arrays.__setitem__("tokens", arrays["tokens"][:, :-1].copy()),
    "centers": lambda meta, arrays: arrays.__setitem__("centers", arrays["centers"][:-1].copy()),
    "a factor": lambda meta, arrays: arrays["tokens"][:, :4].view(np.float32).__setitem__(3, np.nan),
    "means": lambda meta, arrays: meta.__setitem__("means", {"codec": "product", "groups": 3}),
    "pending": lambda meta, arrays: arrays.__setitem__("pending", arrays["pending"][:, :-1].copy()),
    "pending not finite": lambda meta, arrays: arrays["pending"].__setitem__((0, 0), np.nan),
    "pending missing": lambda meta, arrays: arrays.pop("pending"),
    "dim": lambda meta, arrays: meta.__setitem__("dim", 3),
    "codec": lambda meta, arrays: meta.__setitem__("codec", {"codec": "scalar", "bits": 8}),
    "kind": lambda meta, arrays: meta["candidates"].__setitem__("index", {}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_contradicts_itself_is_damage_though_its_checksums_are_right(saved, name):
    _, path = saved
    found = read_container(path, "multivector", VERSION)
    meta, arrays = json.loads(json.dumps(found.meta)), {key: array.copy() for key, array in found.arrays.items()}
    CHANGES[name](meta, arrays)
    write_container(path, "multivector", VERSION, meta, arrays)
    with pytest.raises(CorruptFileError, match=r"bags\.nfa: "):
        MultiVector.load(path)


def test_absent_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        MultiVector.load(tmp_path / "none.nfa")
