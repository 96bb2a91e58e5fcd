"""Index files: damage is named, newer formats are told from damage, and nothing crashes."""

import json

import numpy as np
import pytest
import xxhash

from nearfield.common import CorruptFileError, FormatVersionError
from nearfield.common import container as container_module
from nearfield.common.container import read_container, write_container
from nearfield.common.files import fault_injection
from nearfield.index import IVF, Flat, Hash, load
from nearfield.quantize import ScalarQuantizer
from nearfield.transform import PCA


@pytest.fixture
def saved(kind, tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    options = {"transform": PCA(5), "codec": ScalarQuantizer(4), "rescore": ScalarQuantizer(8)}
    if kind is IVF:
        options["lists"] = 7
    elif kind is Hash:
        options |= {"tables": 2, "bits": 4}
    elif kind is not Flat:
        options["degree"] = 6
    index = kind("l2", **options).build(rows)
    index.save(tmp_path / "index.nfa")
    return index, rows, tmp_path / "index.nfa"


def rewrite(path, change):
    """The same file after ``change(meta, arrays)``, with right checksums: damage that only the index can see."""
    found = read_container(path, "index", 1)
    meta, arrays = json.loads(json.dumps(found.meta)), {name: array.copy() for name, array in found.arrays.items()}
    change(meta, arrays)
    write_container(path, "index", 1, meta, arrays)


def test_a_file_truncated_anywhere_is_refused_by_name(saved):
    _, _, path = saved
    data = path.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        for check in (True, False):
            with pytest.raises(CorruptFileError, match=r"index\.nfa: "):
                load(path, check=check)
    path.write_bytes(data + b"\0")
    with pytest.raises(CorruptFileError, match=r"expected .* bytes, found"):
        load(path)


def test_a_flipped_bit_anywhere_is_refused_by_name(saved):
    _, rows, path = saved
    data = path.read_bytes()
    for position in [*range(24), *range(24, len(data), 97), len(data) - 1]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises((CorruptFileError, FormatVersionError), match=r"index\.nfa: "):
            load(path)
        try:  # unchecked: wrong answers are the caller's choice, a crash is not
            found = load(path, check=False).search(rows, 5)
        except (CorruptFileError, FormatVersionError):
            continue
        assert found.rows.shape == (60, 5) and (found.rows < 60).all()


def test_a_newer_format_is_told_from_damage(saved):
    _, _, path = saved
    found = read_container(path, "index", 1)
    write_container(path, "index", 2, found.meta, found.arrays)
    with pytest.raises(FormatVersionError, match=r"index\.nfa: format version 2 is newer than this nearfield reads"):
        load(path)
    write_container(path, "index", 1, found.meta, found.arrays)
    data = bytearray(path.read_bytes())
    data[8:12] = (container_module.CONTAINER_VERSION + 1).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FormatVersionError):
        load(path)


def test_absent_is_not_damaged(kind, tmp_path):
    with pytest.raises(FileNotFoundError):
        type(kind("l2")).load(tmp_path / "index.nfa")


def test_other_files_are_not_indexes(tmp_path):
    write_container(tmp_path / "other.nfa", "vectors", 1, {}, {"x": np.ones(3)})
    with pytest.raises(CorruptFileError, match=r"other\.nfa: expected a file of kind 'index', found 'vectors'"):
        load(tmp_path / "other.nfa")
    (tmp_path / "text.nfa").write_text("not an array file, but long enough for its prefix")
    with pytest.raises(CorruptFileError, match=r"text\.nfa: not a nearfield array file"):
        load(tmp_path / "text.nfa")
    (tmp_path / "empty.nfa").touch()
    with pytest.raises(CorruptFileError, match=r"empty\.nfa: truncated: 0 bytes"):
        load(tmp_path / "empty.nfa")


CHANGES = {
    "unknown kind": lambda meta, arrays: meta.update(index="tree"),
    "no kind": lambda meta, arrays: meta.pop("index"),
    "unknown codec": lambda meta, arrays: meta.update(codec={"codec": "unknown"}),
    "unknown parameter": lambda meta, arrays: meta["parameters"].update(spread=3),
    "unknown metric": lambda meta, arrays: meta.update(metric="manhattan"),
    "wrong n": lambda meta, arrays: meta.update(n=61),
    "wrong dim": lambda meta, arrays: meta.update(dim=7),
    "no codes": lambda meta, arrays: arrays.pop("codes"),
    "no center": lambda meta, arrays: arrays.pop("codec.center"),
    "half a map": lambda meta, arrays: arrays.pop("map.offset"),
    "no finer codes": lambda meta, arrays: arrays.pop("rescore"),
    "fewer codes": lambda meta, arrays: arrays.update(codes=arrays["codes"][:-1]),
    "narrower codes": lambda meta, arrays: arrays.update(codes=arrays["codes"][:, :-4].copy()),
    "other dtype": lambda meta, arrays: arrays.update(codes=arrays["codes"].astype(np.float32)),
    "fewer finer codes": lambda meta, arrays: arrays.update(rescore=arrays["rescore"][:-1]),
    "shorter center": lambda meta, arrays: arrays.update({"codec.center": arrays["codec.center"][:-1]}),
}
GRAPH_CHANGES = {
    "no links": lambda meta, arrays: arrays.pop("neighbors"),
    "no entries": lambda meta, arrays: arrays.update(entries=np.empty(0, np.uint32)),
    "entry outside": lambda meta, arrays: arrays.update(entries=np.uint32([60])),
    "link outside": lambda meta, arrays: arrays["neighbors"].__setitem__((3, 0), 60),
    "fewer links": lambda meta, arrays: arrays.update(neighbors=arrays["neighbors"][:-1]),
    "other links": lambda meta, arrays: arrays.update(neighbors=arrays["neighbors"].astype(np.int64)),
}
FAST_CHANGES = {
    "no signs": lambda meta, arrays: arrays.pop("signs"),
    "shorter signs": lambda meta, arrays: arrays.update(signs=arrays["signs"][:, :-1].copy()),
    "fewer signs": lambda meta, arrays: arrays.update(signs=arrays["signs"][:-1]),
    "no units": lambda meta, arrays: arrays.pop("signs.units"),
    "units of nothing": lambda meta, arrays: arrays.update({"signs.units": np.float32([0, 1])}),
    "shorter mean": lambda meta, arrays: arrays.update({"signs.center": arrays["signs.center"][:-1]}),
    "unknown layout": lambda meta, arrays: meta["parameters"].update(layout="slow"),
}


def _swapped(arrays):
    arrays["order"][:2] = arrays["order"][0]


LIST_CHANGES = {
    "no lists": lambda meta, arrays: arrays.pop("centroids"),
    "no order": lambda meta, arrays: arrays.pop("order"),
    "wider centroids": lambda meta, arrays: arrays.update(centroids=np.zeros((7, 6), np.float32)),
    "other centroids": lambda meta, arrays: arrays.update(centroids=arrays["centroids"].astype(np.float64)),
    "a centroid that is no number": lambda meta, arrays: arrays["centroids"].__setitem__((3, 0), np.nan),
    "no centroid": lambda meta, arrays: arrays.update(centroids=arrays["centroids"][:0], offsets=np.uint32([0])),
    "fewer offsets": lambda meta, arrays: arrays.update(offsets=arrays["offsets"][:-1]),
    "offsets that fall": lambda meta, arrays: arrays["offsets"].__setitem__(3, 59),
    "offsets beyond the rows": lambda meta, arrays: arrays["offsets"].__setitem__(7, 61),
    "offsets that start late": lambda meta, arrays: arrays["offsets"].__setitem__(0, 1),
    "a row twice": lambda meta, arrays: _swapped(arrays),
    "a row beyond": lambda meta, arrays: arrays["order"].__setitem__(0, 60),
    "signed order": lambda meta, arrays: arrays.update(order=arrays["order"].astype(np.int32)),
    "fewer rows in order": lambda meta, arrays: arrays.update(order=arrays["order"][:-1]),
    "unknown number of lists": lambda meta, arrays: meta["parameters"].update(lists=0),
}


HASH_CHANGES = {
    "no planes": lambda meta, arrays: arrays.pop("planes.matrix"),
    "no mean": lambda meta, arrays: arrays.pop("planes.offset"),
    "no keys": lambda meta, arrays: arrays.pop("keys"),
    "fewer planes": lambda meta, arrays: arrays.update({"planes.matrix": arrays["planes.matrix"][:-1]}),
    "a plane that is no number": lambda meta, arrays: arrays["planes.matrix"].__setitem__((3, 0), np.nan),
    "more tables": lambda meta, arrays: meta["parameters"].update(tables=3),
    "other bits": lambda meta, arrays: meta["parameters"].update(bits=3),
    "keys that fall": lambda meta, arrays: arrays.update(keys=arrays["keys"][:, ::-1].copy()),
    "keys of more bits": lambda meta, arrays: arrays["keys"].__setitem__((1, -1), 16),
    "signed keys": lambda meta, arrays: arrays.update(keys=arrays["keys"].astype(np.int32)),
    "fewer keys": lambda meta, arrays: arrays.update(keys=arrays["keys"][:, :-1].copy()),
    "a row twice in a table": lambda meta, arrays: arrays["order"].__setitem__((1, 0), arrays["order"][1, 1]),
    "a row beyond in a table": lambda meta, arrays: arrays["order"].__setitem__((0, 0), 60),
    "fewer tables": lambda meta, arrays: arrays.update(order=arrays["order"][:-1]),
}


@pytest.mark.parametrize("name", [*CHANGES, *GRAPH_CHANGES, *FAST_CHANGES, *LIST_CHANGES, *HASH_CHANGES])
def test_a_file_that_contradicts_itself_is_refused_by_name(saved, kind, name):
    own = {IVF: LIST_CHANGES, Hash: HASH_CHANGES, Flat: {}}
    changes = CHANGES | own.get(kind, GRAPH_CHANGES)
    if kind.__name__ == "fast_graph":
        changes |= FAST_CHANGES
    if name not in changes:
        pytest.skip("this index has no such part")
    _, _, path = saved
    rewrite(path, changes[name])
    with pytest.raises(CorruptFileError, match=r"index\.nfa: "):
        load(path)


def test_every_failing_operation_of_a_save_leaves_the_old_file(saved, kind):
    index, rows, path = saved
    other = kind("l2").build(rows + 1)
    before, wanted = index.digest(), other.digest()
    for failing in range(1, 1000):
        count = 0

        def fail(operation, where, failing=failing):
            nonlocal count
            count += 1
            if count == failing:
                raise OSError(28, "No space left on device")

        try:
            with fault_injection(fail):
                other.save(path)
        except OSError:
            assert load(path).digest() in (before, wanted)
            assert [p.name for p in path.parent.iterdir()] == [path.name], "no temporary file is left"
        else:
            break
    assert failing > 5 and load(path).digest() == wanted


def test_the_file_is_what_its_head_says(saved):
    index, _, path = saved
    found = read_container(path, "index", 1)
    assert found.meta == index.meta()
    assert set(found.arrays) == set(index.arrays())
    header = json.loads(path.read_bytes()[24 : 24 + int.from_bytes(path.read_bytes()[12:16], "little")])
    for entry in header["arrays"]:
        raw = path.read_bytes()[entry["offset"] : entry["offset"] + entry["nbytes"]]
        assert xxhash.xxh3_64_hexdigest(raw) == entry["xxh3"] and entry["offset"] % 64 == 0
