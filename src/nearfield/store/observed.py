"""What watching found: repeated queries and their recall, kept in bounded number, told as sentences, shared by files.

Each process that searches a store leaves its record in a file of its own under ``watch/``; ``stats`` of any process
puts them together. The files are a convenience: one that is damaged or of another plan is passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common import files
from ..common.container import read_container, write_container
from ..common.errors import CorruptFileError, FormatVersionError
from ..common.interval import difference_interval, mean_interval
from ..common.reached import share_reached
from .snapshot import View
from .tables import digest

FOLDER = "watch"
VERSION = 1
_KIND = "store.watch"
KEPT = 1000
_FILES_KEPT = 8
# With fewer queries than this nothing is said of a class of queries.
LEAST = 30
# So many of the first stored items asked for after a plan are kept for good: later ones are held against them.
EARLY = 60
# From the share of the items that pass a filter, downwards; what is at least the bound belongs to the class.
_CLASSES = ((0.1, "10% or more"), (0.01, "1 to 10%"), (0.001, "0.1 to 1%"), (0.0, "fewer than 0.1%"))
_COLUMNS = ("recall", "k", "share", "nearest", "kth", "changes", "stored")


@dataclass(frozen=True, eq=False)
class Observation:
    """One query that was repeated.

    Attributes
    ----------
    vector : float32 (d,).
    recall : share of the true nearest that were found; one exactly as far as the k-th counts.
    k : how many there were to find.
    share : of the items that passed the filter; 1 without one.
    nearest, kth : true distances of the first and the last of them.
    changes : how often the store had changed.
    stored : whether it was a stored item asked for as if it were a query.
    """

    vector: np.ndarray
    recall: float
    k: int
    share: float
    nearest: float
    kth: float
    changes: int
    stored: bool = False

    @classmethod
    def of(
        cls, vector: np.ndarray, found: np.ndarray, truth: np.ndarray, share: float, changes: int, stored: bool = False
    ) -> Observation:
        """From the distances that a search returned and the true ones, both ascending."""
        kth = float(truth[-1])
        recall = share_reached(found, kth, len(truth))
        return cls(vector, recall, len(truth), share, float(truth[0]), kth, changes, stored)

    def recall_of(self, distances: np.ndarray) -> float:
        """The recall of another search's ``distances`` for the same query of the same items."""
        return share_reached(distances, self.kth, self.k)


@dataclass(frozen=True)
class Advice:
    """What another beam would find on the queries last asked: ``beam``, its ``recall`` and its ``time``, each beside
    those of the plan's; ``reaches`` says whether the target is met."""

    beam: int
    recall: float
    time: float
    recall_now: float
    beam_now: int
    reaches: bool

    @classmethod
    def of(cls, tried: Sequence[tuple[int, float, float]], now: int, target: float | None) -> Advice:
        """The narrowest beam that reaches the target, or else the widest; ``tried`` is (beam, recall, seconds)."""
        wanted = tried[now][1] if target is None else target
        chosen = next((line for line in tried if line[1] >= wanted), tried[-1])
        reaches = target is None or chosen[1] >= target
        return cls(chosen[0], chosen[1], chosen[2] / tried[now][2], tried[now][1], tried[now][0], reaches)

    def __str__(self) -> str:
        if self.beam == self.beam_now:
            return f"re-optimise now gains nothing: beam {self.beam} finds {self.recall:.3f} of what is asked"
        if self.recall <= self.recall_now or self.beam < self.beam_now:
            return (
                f"re-optimise now gains speed: beam {self.beam} would take {self.time:.2f} of the time, "
                f"at recall {self.recall:.3f} instead of {self.recall_now:.3f}"
            )
        short = "" if self.reaches else ", which is still short of the target: another index is needed"
        return (
            f"re-optimise now gains {100 * (self.recall - self.recall_now):.1f} points of recall: beam {self.beam} "
            f"finds {self.recall:.3f} in {self.time:.2f} times the time{short}"
        )


class Record:
    """The observations of one handle, and those that other processes left.

    Parameters
    ----------
    folder : the store's directory.
    """

    def __init__(self, folder: Path):
        self.folder = folder / FOLDER
        self.target: float | None = None
        self.advice: Advice | None = None
        self._name = f"{time.time_ns():020d}-{os.getpid()}.nfa"
        self._plan: Any = None
        self._plan_digest = digest(b"null")
        self._asked: deque[Observation] = deque(maxlen=KEPT)
        self._early: list[Observation] = []
        self._stored: deque[Observation] = deque(maxlen=KEPT // 4)
        self._added = 0
        self._told: set[str] = set()

    def follow(self, view: View) -> None:
        """Forget everything when the plan is another one."""
        plan = view.meta.get("plan")
        if plan is self._plan:
            return
        if plan != self._plan:
            self._asked.clear()
            self._early.clear()
            self._stored.clear()
            self._told.clear()
            self.advice = None
        self._plan = plan
        self._plan_digest = _digest_of(plan)
        self.target = None if plan is None else float(plan["recall"])

    def add(self, observation: Observation) -> None:
        """Keep it, and drop the oldest when there are too many."""
        if observation.stored:
            (self._early if len(self._early) < EARLY else self._stored).append(observation)
        else:
            self._asked.append(observation)
        self._added += not observation.stored

    def due(self, every: int) -> bool:
        """Whether so many more were added."""
        return self._added % every == 0

    def latest(self, count: int, changes: int) -> list[Observation]:
        """The last observations without a filter that were made when the store was as it is."""
        same = [o for o in list(self._asked) if o.share == 1.0 and o.changes == changes]
        return same[-count:]

    def new_alarms(self) -> list[str]:
        """The alarms that were not told before."""
        alarms = [line["alarm"] for line in _classes(list(self._asked), self.target) if line["alarm"]]
        fresh = [text for text in alarms if text.split(" is ")[0] not in self._told]
        self._told.update(text.split(" is ")[0] for text in fresh)
        return fresh

    def save(self) -> None:
        """Write the file of this handle, and remove the oldest beyond the few that are kept."""
        observations = [*self._early, *self._stored, *self._asked]
        if not observations:
            return
        with contextlib.suppress(FileExistsError):
            files.make_directory(self.folder)
        arrays: dict[str, Any] = {"vectors": np.stack([o.vector for o in observations])}
        for name in _COLUMNS:
            arrays[name] = np.array([getattr(o, name) for o in observations])
        meta = {"plan": self._plan_digest, "advice": None if self.advice is None else vars(self.advice)}
        write_container(self.folder / self._name, _KIND, VERSION, meta, arrays)
        for name in self._names()[:-_FILES_KEPT]:
            files.remove(self.folder / name)

    def _names(self) -> list[str]:
        try:
            return [name for name in files.list_directory(self.folder) if name.endswith(".nfa")]
        except OSError:
            return []

    def all(self) -> tuple[list[Observation], Advice | None]:
        """What this handle and all files know of the present plan; the newest last."""
        found: list[Observation] = []
        advice = None
        for name in self._names():
            if name != self._name:
                with contextlib.suppress(OSError, CorruptFileError, FormatVersionError, KeyError, TypeError):
                    container = read_container(self.folder / name, _KIND, VERSION)
                    if container.meta["plan"] == self._plan_digest:
                        found += _observations(container.arrays)
                        advice = Advice(**container.meta["advice"]) if container.meta["advice"] else advice
        return [*found, *self._early, *self._stored, *self._asked], self.advice or advice

    def report(self, view: View, asked: int, share: float) -> dict[str, Any]:
        """Plain data for :meth:`Store.stats`."""
        self.follow(view)
        observations, advice = self.all()
        plan = view.meta.get("plan")
        real = [o for o in observations if not o.stored]
        stored = [o for o in observations if o.stored]
        classes = _classes(real, self.target)
        alarms = [line["alarm"] for line in classes if line["alarm"]]
        return {
            "share_of_time": share,
            "asked": asked,
            "target": self.target,
            "classes": classes,
            "alarm": alarms[0] if alarms else None,
            "drift": [*_query_drift(real, stored, plan), *_data_drift(stored, plan, view)],
            "advice": None if advice is None else str(advice),
        }

    def queries(self, view: View) -> np.ndarray:
        """The vectors of the real queries that are known, (n, d)."""
        self.follow(view)
        real = [o.vector for o in self.all()[0] if not o.stored]
        return np.stack(real) if real else np.empty((0, 0), np.float32)


def _digest_of(plan: Any) -> int:
    return digest(json.dumps(plan, sort_keys=True).encode())


def _observations(arrays: Mapping[str, np.ndarray]) -> Iterator[Observation]:
    columns = [arrays[name].tolist() for name in _COLUMNS]
    for vector, *values in zip(arrays["vectors"], *columns, strict=True):
        yield Observation(vector, **dict(zip(_COLUMNS, values, strict=True)))


def _classes(observations: Sequence[Observation], target: float | None) -> list[dict[str, Any]]:
    """Recall with its interval, for each class of queries that was asked."""
    named: dict[str, list[Observation]] = {"without a filter": []}
    named |= {f"whose filter passes {label}": [] for _, label in _CLASSES}
    for observation in observations:
        if observation.share == 1.0:
            named["without a filter"].append(observation)
        else:
            label = next(label for bound, label in _CLASSES if observation.share >= bound)
            named[f"whose filter passes {label}"].append(observation)
    lines = []
    for name, some in named.items():
        if some:
            recall, low, high = mean_interval([o.recall for o in some])
            alarm = None
            if target is not None and len(some) >= LEAST and high < target:
                alarm = (
                    f"recall of queries {name} is {recall:.3f} ({low:.3f} to {high:.3f}), the plan promised "
                    f'{target:g}: optimize(queries="observed") plans for what is asked'
                )
            lines.append(
                {"queries": name, "sampled": len(some), "recall": recall, "low": low, "high": high, "alarm": alarm}
            )
    return lines


def _query_drift(
    real: Sequence[Observation], stored: Sequence[Observation], plan: Mapping[str, Any] | None
) -> list[str]:
    """What the queries asked lose against those that the plan measured."""
    plain = [o for o in real if o.share == 1.0]
    chosen = [] if plan is None else [trial for trial in plan["trials"] if trial["recipe"] == plan["recipe"]]
    if not chosen or len(plain) < LEAST:
        return []
    trial = chosen[0]
    then = (float(trial["recall"]), float(trial["recall_low"]), float(trial["recall_high"]))
    text = _points("queries: those asked lose", difference_interval(then, mean_interval([o.recall for o in plain])))
    text += " against those that the plan measured"
    if stored:
        ours, theirs = (float(np.median([o.nearest for o in some])) for some in (plain, stored))
        if theirs > 0:
            text += f"; their nearest item is {ours / theirs:.2f} times as far as that of an item"
    return [text]


def _data_drift(stored: Sequence[Observation], plan: Mapping[str, Any] | None, view: View) -> list[str]:
    """How the items changed since the plan, and what that costs: the same kind of query, then and now."""
    if plan is None:
        return []
    dead = sum(len(live.part) - live.count for live in view.parts)
    segments = len(view.segments)
    text = (
        f"data: {view.items:,} items, {plan['rows']:,} when planned; {segments} segment{'s' * (segments != 1)}, "
        f"{view.pending:,} pending, {dead:,} deleted but kept"
    )
    early, late = _apart(stored)
    if late:
        then, now = (mean_interval([o.recall for o in some]) for some in (early, late))
        lost = difference_interval(then, now)
        text = _points(f"{text}; stored items asked for lose", lost) + " against soon after it"
    return [text]


def _apart(stored: Sequence[Observation]) -> tuple[Sequence[Observation], Sequence[Observation]]:
    """The first that were made, and those that were made when the store had changed; none where too few are."""
    ordered = sorted(stored, key=lambda o: o.changes)
    early = ordered[:EARLY]
    late = [o for o in ordered[EARLY:] if o.changes > early[-1].changes]
    return early, late if len(late) >= LEAST else []


def _points(text: str, loss: tuple[float, float, float]) -> str:
    return "{} {:.1f} points of recall ({:.1f} to {:.1f})".format(text, *(100 * value for value in loss))
