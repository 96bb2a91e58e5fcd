"""Circles, boxes and polygons on the globe: which of many points lie in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .refusal import bad, fields, number

# The mean radius of the earth in metres, as the IUGG recommends.
_RADIUS = 6371008.8


def is_place(value: Any) -> bool:
    """Whether a value of a payload is a point on the globe."""
    return isinstance(value, dict) and all(
        isinstance(value.get(name), int | float) and not isinstance(value[name], bool) for name in ("lat", "lon")
    )


def parse_place(value: Any, name: str) -> tuple[float, float]:
    """Latitude and longitude of a request."""
    body = fields(value, name, ("lat", "lon"), needed=("lat", "lon"))
    return number(body["lat"], f"{name}.lat"), number(body["lon"], f"{name}.lon")


def metres(lat: np.ndarray, lon: np.ndarray, center: tuple[float, float]) -> np.ndarray:
    """The distance of many points from one, by the haversine formula."""
    lat, lon = np.radians(lat), np.radians(lon)
    north, east = math.radians(center[0]), math.radians(center[1])
    half = np.sin((north - lat) / 2) ** 2 + np.cos(lat) * math.cos(north) * np.sin((east - lon) / 2) ** 2
    return 2 * _RADIUS * np.arcsin(np.sqrt(half))


def in_circle(lat: np.ndarray, lon: np.ndarray, body: Any) -> np.ndarray:
    """Which points lie nearer than ``radius`` metres to ``center``."""
    body = fields(body, "geo_radius", ("center", "radius"), needed=("center", "radius"))
    center = parse_place(body["center"], "geo_radius.center")
    return metres(lat, lon, center) < number(body["radius"], "geo_radius.radius")


def in_box(lat: np.ndarray, lon: np.ndarray, body: Any) -> np.ndarray:
    """Which points lie inside a box, which goes across the antimeridian where its left is east of its right."""
    body = fields(body, "geo_bounding_box", ("top_left", "bottom_right"), needed=("top_left", "bottom_right"))
    north, west = parse_place(body["top_left"], "geo_bounding_box.top_left")
    south, east = parse_place(body["bottom_right"], "geo_bounding_box.bottom_right")
    wide = (lon > west) | (lon < east) if west > east else (lon > west) & (lon < east)
    return wide & (lat < north) & (lat > south)


def in_polygon(lat: np.ndarray, lon: np.ndarray, body: Any) -> np.ndarray:
    """Which points lie inside the outer ring and in none of the inner ones; the outer ring itself is outside."""
    body = fields(body, "geo_polygon", ("exterior", "interiors"), needed=("exterior",))
    inside = _in_ring(lat, lon, body["exterior"], edge=False)
    for ring in body.get("interiors") or ():
        inside &= ~_in_ring(lat, lon, ring, edge=True)
    return inside


def _in_ring(lat: np.ndarray, lon: np.ndarray, ring: Any, *, edge: bool) -> np.ndarray:
    body = fields(ring, "geo_polygon", ("points",), needed=("points",))
    if not isinstance(body["points"], list) or not body["points"]:
        raise bad("geo_polygon: expected a ring of points")
    corners = [parse_place(point, "geo_polygon.points") for point in body["points"]]
    if corners[0] == corners[-1]:
        corners.pop()
    inside, on_edge = np.zeros(len(lat), bool), np.zeros(len(lat), bool)
    for (y1, x1), (y2, x2) in zip(corners, corners[-1:] + corners[:-1], strict=True):
        turn = lon * (y1 - y2) + x1 * (y2 - lat) + x2 * (lat - y1)
        on_edge |= (turn == 0) & ((y1 - lat) * (y2 - lat) <= 0) & ((x1 - lon) * (x2 - lon) <= 0)
        if x1 != x2:
            crosses = (x1 > lon) != (x2 > lon)
            inside ^= crosses & (lat < (y2 - y1) * (lon - x1) / (x2 - x1) + y1)
    return np.where(on_edge, edge, inside)


def places_of(values: list[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of points of payloads, float64."""
    return (
        np.array([float(value["lat"]) for value in values], np.float64),
        np.array([float(value["lon"]) for value in values], np.float64),
    )
