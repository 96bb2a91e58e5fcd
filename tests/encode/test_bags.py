import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.encode import Bags


@pytest.fixture
def bags():
    rng = np.random.default_rng(0)
    return Bags.from_list([rng.standard_normal((count, 3), np.float32) for count in (2, 1, 0, 4)])


def same(one, other):
    return np.array_equal(one.vectors, other.vectors) and np.array_equal(one.offsets, other.offsets)


def test_bags_are_what_was_put_in(bags):
    assert len(bags) == 4 and bags.dim == 3 and bags.lengths.tolist() == [2, 1, 0, 4]
    assert [len(bag) for bag in bags] == [2, 1, 0, 4] and np.shares_memory(bags[0], bags.vectors)
    assert np.array_equal(bags[-1], bags.vectors[3:]) and bags.owners().tolist() == [0, 0, 1, 3, 3, 3, 3]
    assert bags.nbytes == 7 * 12 + 5 * 8 and repr(bags) == "Bags(4 bags, 7 vectors of 3 dimensions, float32)"


@pytest.mark.parametrize("rows", [[3, 0, 0], [], [-1], np.array([True, False, True, False])])
def test_take_and_concatenate(bags, rows):
    some = bags.take(rows)
    wanted = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else rows
    assert same(some, Bags.from_list([bags[int(row)] for row in wanted], dim=3)) and same(bags[rows], some)
    joined = Bags.concatenate([bags, some])
    assert same(joined[: len(bags)], bags) and same(joined[len(bags) :], some)


def test_slices_share_memory(bags):
    part = bags[1:]
    assert part.lengths.tolist() == [1, 0, 4] and np.shares_memory(part.vectors, bags.vectors)
    assert same(bags[::-1], bags.take([3, 2, 1, 0])) and len(bags[3:1]) == 0


def test_means_and_unit_length(bags):
    filled = bags.take([0, 1, 3])
    assert np.allclose(filled.means(), [bag.mean(axis=0) for bag in filled])
    assert np.allclose(np.linalg.norm(filled.means(normalize=True), axis=1), 1)
    half = Bags(filled.vectors.astype(np.float16), filled.offsets)
    assert half.unit().vectors.dtype == np.float16 and half.means().dtype == np.float32
    assert np.allclose(np.linalg.norm(filled.unit().vectors, axis=1), 1)
    with pytest.raises(ValueError, match="bag 2 has none"):
        bags.means()


@pytest.mark.parametrize(
    ("vectors", "offsets", "message"),
    [
        (np.full((2, 2), np.nan, np.float32), [0, 2], "NaN"),
        (np.full((2, 2), np.inf, np.float16), [0, 2], "infinity"),
        (np.zeros(2, np.float32), [0, 2], "shape"),
        (np.zeros((2, 0), np.float32), [0, 2], "d >= 1"),
        (np.zeros((2, 2), np.float32), [0, 3], "rise from 0 to 2"),
        (np.zeros((2, 2), np.float32), [1, 2], "rise"),
        (np.zeros((2, 2), np.float32), [0, 2, 1, 2], "rise"),
        (np.zeros((2, 2), np.float32), [], "offsets"),
        (np.zeros((2, 2), np.float32), [0.0, 2.0], "integers"),
    ],
)
def test_what_is_no_bag_is_refused(vectors, offsets, message):
    with pytest.raises(ValueError, match=message):
        Bags(vectors, offsets)


def test_files_bring_the_same_bags_back(bags, tmp_path):
    path = tmp_path / "bags.nfa"
    assert bags.save(path, made="by hand") == path.stat().st_size
    assert same(Bags.load(path), bags) and Bags.load(path).vectors.dtype == np.float32
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"bags\.nfa"):
        Bags.load(path)


def test_bags_that_do_not_fit_each_other_are_refused(bags):
    with pytest.raises(ValueError, match="got 2 in bag 1"):
        Bags.from_list([np.zeros((1, 3)), np.zeros((1, 2))])
    with pytest.raises(ValueError, match="same dimensions"):
        Bags.concatenate([bags, Bags.from_list([np.zeros((1, 2), np.float32)])])
    for call in (lambda: Bags.from_list([]), lambda: Bags.concatenate([]), lambda: bags.take([[0]])):
        with pytest.raises(ValueError, match="expected"):
            call()
    for call in (lambda: bags.take([4]), lambda: bags[4]):
        with pytest.raises(IndexError, match="4"):
            call()
    with pytest.raises(TypeError, match="precision"):
        Bags(np.full((1, 1), 0.1), [0, 1])
