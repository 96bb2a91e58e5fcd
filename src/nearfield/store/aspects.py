"""Aspects of a store: named spaces in its vectors, in which its items are searched without being stored again.

A row of the aspect space is computed from the stored vector when it is first asked for, and held in memory: four bytes
for each of its directions. It is scanned, exactly. So a view of the aspects follows from the view of the store, as the
next model's does while a store is moved.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_int, check_random_state
from ..common.decoding import decoding, expect
from ..common.lengths import unit_rows
from .calibration import Calibration
from .catalogue import Catalogue
from .next_space import Mapped
from .rows import Live
from .tables import drop_arrays, read_arrays, set_meta, write_arrays

if TYPE_CHECKING:
    from ..transform import Aspects
    from .snapshot import Shape, View

ARRAYS = "aspects"
_LABELLED = ("bool", "int", "string")
_AS_THEY_ARE = Calibration(1.0, 0.0)


@dataclass(frozen=True, eq=False)
class AspectSpace:
    """What one committed moment knows of the aspects; the maps are made of it by the first search that asks for them,
    for an open store should not wait for scikit-learn.

    Attributes
    ----------
    labels, attributes : aspect -> its labels; aspect -> the attribute it was fitted to, empty where maps were given.
    arrays : of the maps.
    stored : the shape of the store.
    path : of the catalogue, to name damage.
    """

    labels: Mapping[str, list[Any]]
    attributes: Mapping[str, str]
    arrays: Mapping[str, np.ndarray]
    stored: Shape
    path: Path

    @cached_property
    def aspects(self) -> Aspects:
        """The fitted maps."""
        from ..transform import Aspects

        with decoding(self.path, "the aspects"):
            return Aspects.from_arrays(self.arrays, self.labels)

    @cached_property
    def shape(self) -> Shape:
        """Of the rows: all directions of all aspects, under inner product."""
        width = sum(one.n_features_out for one in self.aspects.maps_.values())
        return replace(self.stored, dim=width, metric="ip", dtype=np.dtype(np.float32))

    @cached_property
    def mapped(self) -> Mapped:
        """The rows, as far as they were asked for."""
        return Mapped(lambda rows: self.aspects.transform(self._seen(rows)), self.shape)

    def _seen(self, rows: np.ndarray) -> np.ndarray:
        """Rows as the maps take them: at length one under cosine."""
        return unit_rows(rows) if self.stored.metric == "cosine" else rows

    def describe(self) -> dict[str, Any]:
        """For ``stats()``: attribute, labels and directions of each aspect, and bytes of the mapped rows held."""
        found = {
            name: {
                "attribute": self.attributes.get(name),
                "labels": len(labels),
                "directions": len(self.arrays[f"{name}.matrix"]),
            }
            for name, labels in self.labels.items()
        }
        return {"spaces": found, "mapped_bytes": self.mapped.memory() if "mapped" in vars(self) else 0}

    def view(self, view: View) -> View:
        """The same moment in the aspect space."""
        parts = tuple(Live(self.mapped.of(live.part, _AS_THEY_ARE), live.words, live.count) for live in view.parts)
        meta = {**view.meta, "plan": None, "judge": None}
        return replace(view, parts=parts, meta=meta, judge=None, scales=None, shape=self.shape, aspects=None)

    def queries(self, rows: np.ndarray, weights: Any, unlike: np.ndarray | None, to: Any) -> np.ndarray:
        """What to ask the view with; ValueError names the parameter of the search."""
        away = None if unlike is None else self._seen(unlike)
        try:
            return self.aspects.queries(self._seen(rows), weights, unlike=away, to=to)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("weights", "aspect", 1)) from None


class AspectReader:
    """Follows the aspects from one transaction to the next. Whoever reads holds a lock."""

    def __init__(self) -> None:
        self._known: tuple[str, Shape] | None = None
        self._space: AspectSpace | None = None

    def read(
        self, connection: sqlite3.Connection, path: Path, meta: Mapping[str, Any], shape: Shape
    ) -> AspectSpace | None:
        """The aspects as this transaction shows them; None where there are none."""
        stored = meta.get("aspects")
        if stored is None:
            self._known = self._space = None
            return None
        if self._known != (stored["identity"], shape):
            arrays = read_arrays(connection, path, ARRAYS)
            with decoding(path, "the aspects"):
                for name in stored["labels"]:
                    matrix = arrays[f"{name}.matrix"]
                    expect(matrix.ndim == 2 and matrix.shape[1] == shape.dim, f"aspect {name!r} of {matrix.shape}")
            self._space = AspectSpace(stored["labels"], stored["attributes"], arrays, shape, path)
            self._known = stored["identity"], shape
        return self._space


def fit(
    view: View, aspects: Any, n_components: int, shrinkage: float, sample: int, random_state: int
) -> tuple[Aspects, dict[str, str]]:
    """The aspects of a store's attributes, and the attribute of each; those that are given are only checked."""
    from ..transform import Aspects

    shape = view.shape
    if isinstance(aspects, Aspects):
        if getattr(aspects, "n_features_in_", None) != shape.dim:
            raise ValueError(f"aspects: expected them fitted to {shape.dim} dimensions, got {aspects!r}")
        return aspects, {}
    if isinstance(aspects, str) or not isinstance(aspects, Mapping | Sequence):
        raise TypeError(f"aspects: expected names of attributes, name -> attribute, or Aspects, got {aspects!r}")
    named = dict(aspects) if isinstance(aspects, Mapping) else {name: name for name in aspects}
    if not named:
        raise ValueError("aspects: expected at least one attribute, got none")
    for attribute in named.values():
        kind = shape.schema.get(attribute)
        if kind not in _LABELLED:
            allowed = ", ".join(repr(name) for name, type_ in shape.schema.items() if type_ in _LABELLED) or "none here"
            raise ValueError(
                f"aspects: expected attributes of type bool, int or string ({allowed}), got {attribute!r}"
                + (f" of type {kind}" if kind else "")
            )
    check_int(sample, "sample", 4)
    rng = np.random.default_rng(check_random_state(random_state))
    counts = [live.count for live in view.parts]
    chosen = np.sort(rng.permutation(sum(counts))[:sample])
    vectors: list[np.ndarray] = []
    labels: dict[str, list[Any]] = {name: [] for name in named}
    start = 0
    for live in view.parts:
        rows = live.rows()[chosen[(chosen >= start) & (chosen < start + live.count)] - start]
        start += live.count
        vectors.append(np.asarray(live.part.vectors[rows], np.float32))
        table = live.part.table()
        for name, attribute in named.items():
            labels[name] += table.column(attribute).take(rows).to_pylist()
    X = np.concatenate([np.empty((0, shape.dim), np.float32), *vectors])
    X = unit_rows(X) if shape.metric == "cosine" else X
    return Aspects(n_components, shrinkage=shrinkage).fit(X, labels), named


def publish(aspects: Aspects, attributes: Mapping[str, str], catalogue: Catalogue) -> None:
    """Make the aspects the store's, in one transaction."""
    said = {"identity": uuid.uuid4().hex, "labels": aspects.labels_, "attributes": dict(attributes)}
    with catalogue.writing() as connection:
        set_meta(connection, "aspects", said)
        write_arrays(connection, ARRAYS, aspects.to_arrays())


def forget(connection: sqlite3.Connection) -> None:
    """Of a store whose vectors are replaced by those of another model: maps of the old ones mean nothing there."""
    connection.execute("DELETE FROM meta WHERE name = 'aspects'")
    drop_arrays(connection, ARRAYS)
