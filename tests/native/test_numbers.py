"""Numbers of JSON are read as Python reads them, and nothing else is read as numbers."""

from __future__ import annotations

import base64
import binascii
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearfield.native import _core, parse_numbers, parse_rows

_LARGEST = float(np.finfo(np.float32).max)


@given(st.lists(st.lists(st.floats(-_LARGEST, _LARGEST) | st.integers(-(2**70), 2**70), min_size=1), max_size=5))
def test_what_json_writes_is_read_back(rows: list[list[float]]) -> None:
    found = parse_numbers([json.dumps(row)[1:-1].encode() for row in rows])
    for row, values in zip(rows, found, strict=True):
        assert values is not None and values.dtype == np.float32
        np.testing.assert_array_equal(
            values, np.array([float(number) for number in row], np.float64).astype(np.float32)
        )


@given(st.text("0123456789+-.eE, \tinfa", max_size=12))
def test_it_takes_what_json_takes(text: str) -> None:
    (found,) = parse_numbers([text.encode()])
    try:
        numbers = json.loads(f"[{text}]", parse_constant=lambda name: None)
    except ValueError:
        numbers = []
    fits = bool(numbers) and all(number is not None and abs(number) < 2.0**128 - 2.0**103 for number in numbers)
    if found is None:  # what vanishes in double precision is left to others as well
        assert not fits or any(number == 0 or not math.isfinite(number) for number in numbers)
    else:
        assert fits
        np.testing.assert_array_equal(found, np.array(numbers, np.float64).astype(np.float32))


@pytest.mark.parametrize(
    "text",
    b'|| |1,|,1|1 2|01|-|+1|.5|1.|1e|1e+|nan|inf|Infinity|0x1|1_0|null|true|"1"|[1]|1]|1e39|-1e39|1e999|1e-400'
    b"|3.4028235677973366e38|1\x00|1\x0b|\xff".split(b"|"),
)
def test_what_is_none(text: bytes) -> None:
    before, found, after = parse_numbers([b"1", text, b"2, 3"])
    assert found is None
    assert before is not None and after is not None
    assert (before.tolist(), after.tolist()) == ([1.0], [2.0, 3.0])


def test_rounding_and_zeros() -> None:
    text = b"-0, -0.0, 16777217, 16777219, 3.4028235e38, 3.4028235677973362e38, 1e-46, 0.1 ,\r\n\t1E2"
    (found,) = parse_numbers([text])
    assert found is not None
    expected = [0.0, -0.0, 16777216.0, 16777220.0, _LARGEST, _LARGEST, 0.0, float(np.float32(0.1)), 100.0]
    assert found.tolist() == expected
    assert np.signbit(found).tolist() == [False, True] + [False] * 7
    assert parse_numbers([]) == []


def test_numbers_near_the_middle_of_two_floats() -> None:
    """Where the quick way is in doubt, and where digits or powers of ten are too many for it."""
    rng = np.random.default_rng(0)
    low = rng.integers(1, 0x7F000000, 20_000).astype(np.uint32).view(np.float32)
    middle = (low.astype(np.float64) + np.nextafter(low, np.float32(np.inf)).astype(np.float64)) / 2
    numbers = np.concatenate([middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf), -low.astype(np.float64)])
    for digits in (5, 9, 16, 17, 18, 19, 20, 25):
        text = ",".join(f"{number:.{digits}e}" for number in numbers.tolist())
        (found,) = parse_numbers([text.encode()])
        np.testing.assert_array_equal(found, np.array(text.split(","), np.float64).astype(np.float32))
    plain = [
        "0.00000000000000000000000012345678901234567890",
        "12345678901234567890.5",
        "1" * 38,
        "0.1" + "0" * 40 + "1",
    ]
    plain += ["100000000", "12345678", "123456781234567812345678", "0.12345678", "1e22", "1e23", "1E-22", "1e-0000001"]
    (found,) = parse_numbers([" , ".join(plain).encode()])
    np.testing.assert_array_equal(found, np.array(plain, np.float64).astype(np.float32))


def test_the_binding_takes_bytes_alone() -> None:
    view = memoryview(b"1,2,3")
    assert [found.tolist() for found in parse_numbers([view[2:], view[:1]]) if found is not None] == [[2, 3], [1]]
    for texts in ((b"1", "1"), (None,), (1,), (view[::2],)):
        with pytest.raises(ValueError, match="texts: expected bytes"):
            _core.parse_numbers(texts)  # type: ignore[arg-type]


def test_many_and_long_texts_one_after_another() -> None:
    """Room is kept from call to call: nothing of one call is in the next, and little is kept of much."""
    for size in (3, 3_000_000, 5, 0, 700):
        rows = np.arange(size, dtype=np.float32)
        text = ",".join(map(str, range(size))).encode()
        first, second = parse_numbers([text, text + b" "])
        for found in (first, second):
            assert found is None if not size else np.array_equal(found, rows)


@given(st.binary(max_size=70))
def test_base64_as_python_reads_it(raw: bytes) -> None:
    text = base64.b64encode(raw)
    (found,) = parse_numbers([b'"%s"' % text])
    if len(raw) % 4 or not raw:
        assert found is None
    else:
        assert found is not None and found.tobytes() == raw


@given(
    st.binary(min_size=4, max_size=24).filter(lambda raw: len(raw) % 4 == 0), st.integers(0, 40), st.integers(0, 255)
)
def test_what_is_not_base64(raw: bytes, place: int, byte: int) -> None:
    text = bytearray(base64.b64encode(raw))
    text[place % len(text)] = byte
    (found,) = parse_numbers([b'"%s"' % bytes(text)])
    try:
        expected = binascii.a2b_base64(bytes(text), strict_mode=True)
    except binascii.Error:
        expected = b""
    if expected and len(expected) % 4 == 0:
        assert found is not None and found.tobytes() == expected
    else:
        assert found is None


@given(
    st.floats(-20, 20) | st.floats(-0.01, 0.01),
    st.integers(0, 40),
    st.sampled_from([b"%s", b" %s\n", b"1,%s", b"%s,0.25", b"1, %s ,2"]),
)
def test_fractions_of_any_length(value: float, digits: int, around: bytes) -> None:
    """The quick way is taken, or not, by how many digits there are and by what stands before them."""
    text = f"{value:.{digits}f}"
    (found,) = parse_numbers([around % text.encode()])
    expected = [np.float32(float(one)) for one in (around % text.encode()).decode().split(",")]
    if text.lstrip("-").strip("0") in ("", "."):  # "-0" is an integer, and those have no negative zero
        expected = [abs(one) if "." not in text else one for one in expected]
    assert found is not None and found.tobytes() == np.array(expected, np.float32).tobytes()


def test_rows_of_one_length() -> None:
    packed = b'"%s"' % base64.b64encode(np.float32([5, 6]).tobytes())
    found = parse_rows([b"1,2", memoryview(b"[3,4]")[1:-1], packed])
    assert found is not None and found.tolist() == [[1, 2], [3, 4], [5, 6]]
    for texts in ([], [b""], [b"1,2", b"3"], [b"1,2", b"3,4,5"], [b"1,2", b"x"], [b"x", b"1,2"], [b"1", b"2,3", b""]):
        assert parse_rows(texts) is None
