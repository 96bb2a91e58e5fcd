from __future__ import annotations

import random
import uuid

import pytest

from nearfield.serve.qdrant.moments import parse_moment
from nearfield.serve.qdrant.point_ids import hash_ids, order_of, parse_id
from nearfield.serve.qdrant.refusal import Refusal

PLAIN = "936da01f-9abd-4d9d-80c7-02af85c822a8"


@pytest.mark.parametrize("text", [PLAIN, PLAIN.upper(), PLAIN.replace("-", ""), "{" + PLAIN + "}", "urn:uuid:" + PLAIN])
def test_every_spelling_of_a_uuid_is_one_id(text: str) -> None:
    assert parse_id(text) == PLAIN


def test_numbers() -> None:
    assert parse_id(0) == 0 and parse_id((1 << 64) - 1) == (1 << 64) - 1


@pytest.mark.parametrize("wrong", [-1, 1 << 64, 1.0, True, None, "", "1", "abc", PLAIN[:-1], PLAIN + "0", [1]])
def test_what_is_no_id(wrong: object) -> None:
    with pytest.raises(Refusal, match="not a valid point ID"):
        parse_id(wrong)


def test_numbers_come_before_uuids() -> None:
    ids = [PLAIN, 10, 9, "00000000-0000-0000-0000-000000000000"]
    assert sorted(ids, key=order_of) == [9, 10, ids[3], PLAIN]


def test_the_hash_is_that_of_the_reference() -> None:
    from qdrant_client.local.siphash import siphash24

    rng = random.Random(0)
    ids: list[int | str] = []
    for _ in range(200):
        ids += [rng.getrandbits(64), str(uuid.UUID(int=rng.getrandbits(128)))]
    raw = [uuid.UUID(one).bytes if isinstance(one, str) else one.to_bytes(8, "little") for one in ids]
    assert hash_ids(ids).tolist() == [siphash24(one) for one in raw]
    assert hash_ids([]).tolist() == []


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01 00:00:01.5", 1_500_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:30:00-0030", 3_600_000_000),
        ("1970-01-01T00:00:00.1234567891z", 123_456),
        ("1970-01-01T00:01", 60_000_000),
        ("1969-12-31 23:59:59 UTC", -1_000_000),
    ],
)
def test_dates(text: str, micros: int) -> None:
    assert parse_moment(text) == micros


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "2024-02-30", "2024-01-01T", "2024-01-01T12", "12:00", "2024-01-01T00:01Z"]
)
def test_what_is_no_date(text: str) -> None:
    assert parse_moment(text) is None
