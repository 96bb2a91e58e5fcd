"""Programs over codes: every level gives what plain numpy gives, whatever the length, and bad programs are refused."""

import math

import numpy as np
import pytest

from nearfield import native
from nearfield.native import _core, unpack_bits
from nearfield.native.predicates import Program, ordered


@pytest.fixture
def rng():
    return np.random.default_rng(5)


LENGTHS = [1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 10_000]
TYPES = [np.uint8, np.uint16, np.uint32]


def run(program):
    words = program.evaluate()
    assert not (program.n % 64 and words[-1] >> np.uint64(program.n % 64))
    return unpack_bits(words, program.n)


def codes_of(rng, n, dtype, top):
    return rng.integers(0, top, n).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_ranges_of_codes(level, rng, n, dtype):
    top = int(np.iinfo(dtype).max)
    codes = rng.integers(0, top, n, endpoint=True, dtype=dtype)
    codes[: n // 2] = codes_of(rng, n // 2, dtype, 7)
    for low, high in ((0, 0), (2, 4), (0, top), (top, top), (1, top - 1), (top // 2, top // 2 + 1), (3, top // 2 + 9)):
        program = Program(n)
        program.between(codes, low, high)
        assert np.array_equal(run(program), (codes >= low) & (codes <= high)), (low, high)


@pytest.mark.parametrize(
    ("dtype", "count"), [(np.uint8, 256), (np.uint8, 5), (np.uint16, 65_536), (np.uint32, 100_003)]
)
@pytest.mark.parametrize("n", LENGTHS)
def test_sets_of_codes(level, rng, n, dtype, count):
    codes = codes_of(rng, n, dtype, count)
    for share in (0.0, 0.1, 0.5, 1.0):
        passing = rng.random(count) < share
        program = Program(n)
        program.among(codes, passing)
        assert np.array_equal(run(program), passing[codes]), share


def test_every_code_of_one_byte(level):
    codes = np.repeat(np.arange(256, dtype=np.uint8), 3)
    for code in range(256):
        program = Program(len(codes))
        program.among(codes, np.arange(256) == code)
        assert np.flatnonzero(run(program)).tolist() == [3 * code, 3 * code + 1, 3 * code + 2]


def test_a_code_beyond_its_table_reads_nothing_else(level):
    """Codes come from a file: whatever they are, no memory is read outside of the table."""
    program = Program(100)
    program.among(np.full(100, 4_000_000_000, np.uint32), np.zeros(300, bool))
    assert not run(program).any()


def test_joining(rng):
    n = 10_001
    a, b = rng.random(n) < 0.5, rng.random(n) < 0.2
    for name, expected in (("all", a & b), ("any", a | b)):
        program = Program(n)
        program.bits(native.pack_bits(a))
        program.bits(native.pack_bits(b))
        getattr(program, name)()
        assert np.array_equal(run(program), expected)
        program.none()
        assert np.array_equal(run(program), ~expected)
    for value in (True, False):
        program = Program(n)
        program.constant(value)
        assert run(program).all() == value and run(program).any() == value


INTS = np.array([-(2**63), -(2**63) + 1, -1, 0, 1, 5, 2**63 - 2, 2**63 - 1])
FLOATS = np.array([-np.inf, -1.5, -5e-324, -0.0, 0.0, 5e-324, 1.0, 1e308, np.inf])


@pytest.mark.parametrize("values", [INTS, FLOATS])
def test_numbers_keep_their_order(values):
    keys = ordered(values)
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            assert (keys[i] < keys[j]) == (one < other) and (keys[i] == keys[j]) == (one == other)


@pytest.mark.parametrize("values", [INTS, FLOATS])
def test_raw_numbers(values, rng):
    some = rng.choice(values, 500)
    for low, high in (([0], [0]), ([values[0]], [values[-1]]), ([values[1], 1], [0, values[-2]]), ([], [])):
        inside = np.zeros(500, bool)
        for left, right in zip(low, high, strict=True):
            inside |= (some >= left) & (some <= right)
        for turned in (False, True):
            program = Program(500)
            program.between(np.arange(500, dtype=np.uint16), 100, 400)
            bounds = (np.array(side, values.dtype) for side in (low, high))
            program.keep_numbers(some, *bounds, turned=turned)
            rows = np.arange(500)
            assert np.array_equal(run(program), (rows >= 100) & (rows <= 400) & (inside != turned))


def great_circle(lat, lon, center):
    """The angle by the vectors' chord, another formula than the core's."""

    def unit(lat, lon):
        lat, lon = np.radians(lat), np.radians(lon)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)

    chord = np.linalg.norm(unit(lat, lon) - unit(*center), axis=-1)
    return 2 * np.arcsin(np.clip(chord / 2, 0, 1))


@pytest.mark.parametrize("center", [(0, 0), (52.5, 13.4), (90, 0), (-89, 170), (10, 180), (10, -180)])
def test_circles(rng, center):
    n = 2000
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
    angles = great_circle(lat, lon, center)
    for angle in (0.0, 0.01, 0.3, 1.5, 3.0, math.pi, 10.0):
        clear = np.abs(angles - angle) > 1e-6
        for turned in (False, True):
            program = Program(n)
            program.constant(True)
            program.keep_circle(lat, lon, center, angle, turned=turned)
            assert np.array_equal(run(program)[clear], ((angles <= angle) != turned)[clear]), angle


def test_boxes():
    lat = np.array([0.0, 10, 10, 10, -10, 90, 10, 10])
    lon = np.array([0.0, 10, 179, -179, 0, 0, 180, -180])
    for box, rows in (
        ((0, 0, 20, 20), [0, 1]),
        ((0, 170, 20, -170), [2, 3, 6, 7]),
        ((0, 170, 20, 180), [2, 6, 7]),
        ((0, -180, 20, -179), [3, 6, 7]),
        ((-90, -180, 90, 180), list(range(8))),
        ((10, 10, 10, 10), [1]),
    ):
        program = Program(8)
        program.constant(True)
        program.keep_box(lat, lon, box)
        assert np.flatnonzero(run(program)).tolist() == rows, box


def test_threads_do_not_matter(rng):
    n = 1_000_003
    codes, values = codes_of(rng, n, np.uint16, 1000), rng.standard_normal(n)
    program = Program(n)
    program.between(codes, 10, 600)
    program.keep_numbers(values, np.array([-0.5]), np.array([0.5]))
    expected = (codes >= 10) & (codes <= 600) & (np.abs(values) <= 0.5)
    for threads in (1, 2, 3):
        assert np.array_equal(unpack_bits(program.evaluate(threads=threads), n), expected)


def test_no_rows():
    program = Program(0)
    program.between(np.empty(0, np.uint8), 0, 5)
    assert program.evaluate().shape == (0,)


CODES = np.zeros(100, np.uint8)


@pytest.mark.parametrize(
    ("arrays", "steps", "text"),
    [
        ([], [], "leaves one value"),
        ([CODES], [(0, 0, 0, 0, 0, 1)] * 2, "leaves one value"),
        ([], [(4, 0, 0, 0, 0, 0)], "leaves one value"),
        ([], [(6, 0, 0, 0, 0, 0)], "leaves one value"),
        ([], [(3, 0, 0, 0, 1, 0), (11, 0, 0, 0, 0, 0)], "unknown operation"),
        ([], [(-1, 0, 0, 0, 0, 0)], "unknown operation"),
        ([CODES], [(0, 1, 0, 0, 0, 1)], "no such array"),
        ([CODES], [(0, -1, 0, 0, 0, 1)], "no such array"),
        ([CODES[:99]], [(0, 0, 0, 0, 0, 1)], "one value a row"),
        ([np.zeros(100, np.int8)], [(0, 0, 0, 0, 0, 1)], "expected codes"),
        ([CODES, np.zeros(7, np.uint32)], [(1, 0, 1, 0, 0, 0)], "256 bits"),
        ([CODES, np.zeros(8, np.int32)], [(1, 0, 1, 0, 0, 0)], "another type"),
        ([np.zeros(1, np.uint64)], [(2, 0, 0, 0, 0, 0)], "one bit a row"),
        ([np.zeros(100), np.zeros(1, np.uint64)], [(3, 0, 0, 0, 1, 0), (8, 0, 1, 0, 0, 0)], "pairs"),
        ([np.zeros(100), np.zeros(2, np.uint64)], [(3, 0, 0, 0, 1, 0), (7, 0, 1, 0, 0, 0)], "another type"),
        ([np.zeros(100), np.zeros(2)], [(3, 0, 0, 0, 1, 0), (9, 0, 0, 1, 0, 0)], "a circle of 3"),
        ([np.zeros(100), np.zeros(3)], [(3, 0, 0, 0, 1, 0), (10, 0, 0, 1, 0, 0)], "a box of 4"),
    ],
)
def test_programs_that_are_none_are_refused(arrays, steps, text):
    rows = np.array(steps, np.int64).reshape(-1, 6)
    with pytest.raises(ValueError, match=text):
        _core.evaluate_predicate(arrays, rows, 100, 1, np.empty(2, np.uint64))


def test_room_for_the_answer_is_checked():
    steps = np.array([(3, 0, 0, 0, 1, 0)], np.int64)
    with pytest.raises(ValueError, match="one bit a row"):
        _core.evaluate_predicate([], steps, 100, 1, np.empty(1, np.uint64))
