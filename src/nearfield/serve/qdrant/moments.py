"""Dates and times as Qdrant reads them, in microseconds since 1970; what names no zone is UTC."""

from __future__ import annotations

import datetime as dt
import re

_FORM = re.compile(
    r"\s*(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?(?: ?(Z|z|UTC|[+-]\d{2}(?::?\d{2})?))?)?)?",
    re.ASCII,
)
_EPOCH = dt.datetime(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)


def parse_moment(text: str) -> int | None:
    """Microseconds since 1970, or None where ``text`` is no date; finer fractions of a second are cut."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = dt.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        return None
    micros = (moment - _EPOCH) // _MICROSECOND
    if fraction:
        micros += int(fraction[:6].ljust(6, "0"))
    if zone and zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[3:].lstrip(":") or 0)
        micros -= (-minutes if zone[0] == "-" else minutes) * 60_000_000
    return micros
