"""Attributes of the type ``geo``: points on the earth, latitude and longitude in degrees (WGS 84, as of GPS)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

EARTH_KM = 6371.0088  # the mean radius: distances on this sphere are within half a per cent of those on the ellipsoid

_FIELDS = ("lat", "lon")


def places(column: Any, what: str) -> pa.Array:
    """A column of points as a caller gives it, checked, as an Arrow struct of ``lat`` and ``lon``."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if isinstance(column, pa.StructArray):
        names = [field.name for field in column.type]
        if sorted(names) != sorted(_FIELDS):
            raise ValueError(f"{what}: expected a struct of 'lat' and 'lon', got {', '.join(names) or 'none'}")
        children = dict(zip(names, column.flatten(), strict=True))
        lat, lon = (_numbers(children[name], what) for name in _FIELDS)
        known = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
        return _checked(lat, lon, known, what)
    if isinstance(column, pa.Array):
        column = column.to_pylist()
    if isinstance(column, np.ndarray) and column.dtype != object:
        if column.ndim != 2 or column.shape[1] != 2 or column.dtype.kind not in "iuf":
            raise ValueError(f"{what}: expected numbers of shape (n, 2), got {column.dtype} of {column.shape}")
        lat, lon = column.astype(np.float64).T
        return _checked(lat, lon, np.ones(len(column), bool), what)
    if not isinstance(column, Iterable) or isinstance(column, str | bytes | Mapping):
        raise TypeError(f"{what}: expected a sequence of points, got {column!r}")
    pairs = [None if value is None else _pair(value, what) for value in column]
    lat, lon = np.array([pair or (0.0, 0.0) for pair in pairs], np.float64).reshape(-1, 2).T
    return _checked(lat, lon, np.array([pair is not None for pair in pairs], bool), what)


def _numbers(array: pa.Array, what: str) -> np.ndarray:
    import pyarrow as pa

    if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
        raise TypeError(f"{what}: expected numbers of degrees, got values of type {array.type}")
    return array.cast(pa.float64()).to_numpy(zero_copy_only=False)  # NaN where there is none


def _pair(value: Any, what: str) -> tuple[float, float]:
    expected = f"{what}: expected (latitude, longitude) or {{'lat': ..., 'lon': ...}} in degrees"
    numbers: Sequence[Any]
    if isinstance(value, Mapping):
        if set(value) != set(_FIELDS):
            raise ValueError(f"{expected}, got {dict(value)!r}")
        numbers = [value[name] for name in _FIELDS]
    elif isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        numbers = list(value)
    else:
        raise TypeError(f"{expected}, got {value!r}")
    if len(numbers) != 2:
        raise ValueError(f"{expected}, got {value!r}")
    for number in numbers:
        if not isinstance(number, int | float | np.integer | np.floating) or isinstance(number, bool):
            raise TypeError(f"{expected}, got {value!r}")
    return float(numbers[0]), float(numbers[1])


def _checked(lat: np.ndarray, lon: np.ndarray, known: np.ndarray, what: str) -> pa.Array:
    import pyarrow as pa

    for values, limit, name in ((lat, 90.0, "latitude"), (lon, 180.0, "longitude")):
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero(known & ~(np.abs(values) <= limit))  # NaN is not in range either
        if len(bad):
            raise ValueError(
                f"{what}: expected a {name} of -{limit:g} to {limit:g} degrees, "
                f"got {values[bad[0]]:g} at position {bad[0]}"
            )
    children = [pa.array(np.where(known, values, 0.0), mask=~known) for values in (lat, lon)]
    return pa.StructArray.from_arrays(children, list(_FIELDS), mask=pa.array(~known))
