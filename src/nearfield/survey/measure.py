"""What every measure returns: a value, its 95% interval, and one sentence that says what it means for search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

VERDICTS = ("good", "fair", "poor", "unknown")


@dataclass(frozen=True)
class Measure:
    """One number about a space, with its 95% interval and what it means for search.

    Attributes
    ----------
    name : the measure's name in the API, e.g. ``"effective_rank"``.
    value : the estimate; NaN when the data cannot give one (``meaning`` then says why).
    low, high : the 95% interval, NaN with the value. ``detail`` says how it is made and what it does not cover.
    meaning : one sentence that depends on the value: what to expect from search, or what to do.
    title : the name in words.
    unit : what the value counts: ``"dimensions"``, ``"share"`` (a fraction of one), ...
    verdict : ``"good"``, ``"fair"``, ``"poor"`` for search, or ``"unknown"`` when there is no value.
    detail : what was measured on how many rows, how the interval is made, known biases.
    source : the paper.
    parts : further numbers by name, e.g. the exact and the near share of ``duplicates``.
    arrays : what a plot needs, e.g. the spectrum.

    Examples
    --------
    >>> measure = Measure("hubness", 0.5, 0.4, 0.6, "Every vector has its turn in results.", title="Hubness")
    >>> print(measure)
    Hubness: 0.5 (95% interval 0.4 to 0.6). Every vector has its turn in results.
    >>> measure.to_dict()["value"]
    0.5
    """

    name: str
    value: float
    low: float
    high: float
    meaning: str
    title: str = ""
    unit: str = ""
    verdict: str = "unknown"
    detail: str = ""
    source: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict: expected one of {', '.join(map(repr, VERDICTS))}, got {self.verdict!r}")
        if math.isfinite(self.value) and not self.low <= self.value <= self.high:
            raise ValueError(f"low, high: expected low <= value <= high, got {self.low} <= {self.value} <= {self.high}")

    @property
    def known(self) -> bool:
        """False when the data could not give a value."""
        return math.isfinite(self.value)

    def text(self) -> str:
        """The value as people read it: ``"17.9 dimensions"``, ``"3.2%"``, ``"-"`` when unknown."""
        number = format_number(self.value, self.unit, self._width)
        if not self.known or self.unit in ("", "share"):
            return number
        return f"{number} {self.unit.removesuffix('s') if number == '1' else self.unit}"

    def interval_text(self) -> str:
        """The interval as people read it: ``"16.8 to 19.6"``."""
        if not self.known:
            return "-"
        return " to ".join(format_number(end, self.unit, self._width) for end in (self.low, self.high))

    @property
    def _width(self) -> float | None:
        return self.high - self.low if self.known and self.high > self.low else None

    def to_dict(self, *, arrays: bool = False) -> dict[str, Any]:
        """Plain numbers and texts, ready for JSON: NaN becomes None; ``arrays=True`` adds the arrays as lists."""
        made: dict[str, Any] = {
            "name": self.name,
            "title": self.title or self.name,
            "value": _plain(self.value),
            "low": _plain(self.low),
            "high": _plain(self.high),
            "unit": self.unit,
            "verdict": self.verdict,
            "meaning": self.meaning,
            "detail": self.detail,
            "source": self.source,
            "parts": {key: _plain(value) for key, value in self.parts.items()},
        }
        if arrays:
            made["arrays"] = {
                key: [_plain(number) for number in np.asarray(value).ravel().tolist()]
                for key, value in self.arrays.items()
            }
        return made

    def _repr_html_(self) -> str:
        from .display import measure_html

        return measure_html(self)

    def __str__(self) -> str:
        shown = f"{self.text()} (95% interval {self.interval_text()})" if self.known else "unknown"
        return f"{self.title or self.name}: {shown}. {self.meaning}"


class Measures:
    """Measures by name: what a survey, a comparison and a look for drift have in common.

    Examples
    --------
    >>> class One(Measures):
    ...     measures = {"hubness": Measure("hubness", 0.5, 0.4, 0.6, "Every vector has its turn in results.")}
    >>> One()["hubness"].value, list(One()), len(One())
    (0.5, ['hubness'], 1)
    """

    measures: Mapping[str, Measure]

    def __getitem__(self, name: str) -> Measure:
        if name not in self.measures:
            raise KeyError(f"{name!r}; measures: {', '.join(self.measures)}")
        return self.measures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.measures)

    def __len__(self) -> int:
        return len(self.measures)


def undefined(name: str, title: str, why: str, **more: Any) -> Measure:
    """A measure without a value; ``why`` becomes its meaning."""
    return Measure(name, math.nan, math.nan, math.nan, why, title=title, **more)


def format_number(value: float, unit: str = "", step: float | None = None) -> str:
    """Three or four significant digits, more when ``step`` (the width of the interval) needs them to be seen."""
    if not math.isfinite(value):
        return "-"
    if unit == "share":
        value, step = 100 * value, None if step is None else 100 * step
    size = abs(value)
    decimals = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 1 else 3
    if 0 < size < 0.1:
        decimals = min(8, 1 - math.floor(math.log10(size)))
    if step is not None and step > 0:
        decimals = min(max(decimals, -math.floor(math.log10(step))), 8)
    text = f"{value:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in ("-0", ""):
        text = "0"
    return f"{text}%" if unit == "share" else text


def _plain(value: Any) -> Any:
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if isinstance(value, (int, np.integer)) else number
