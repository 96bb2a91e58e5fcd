"""Progress of long work: a bar with a rate on a terminal, nothing in a pipe. ``NEARFIELD_PROGRESS=0`` silences it."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any


def watched() -> bool:
    """Whether somebody looks on: standard error is a terminal, and ``NEARFIELD_PROGRESS=0`` was not said."""
    return sys.stderr.isatty() and os.environ.get("NEARFIELD_PROGRESS", "1") != "0"


def remark(text: str) -> None:
    """A line on how far long work has come, on a terminal only."""
    if watched():
        print(text, file=sys.stderr, flush=True)


class Progress:
    """A bar for one piece of work; a context manager that costs nothing when nobody watches.

    Parameters
    ----------
    description : what is being done, shown before the bar.
    total : how many units there are.
    unit : what one unit is called in the rate.
    enabled : None shows the bar on a terminal only; True or False decides.

    Examples
    --------
    >>> with Progress("encoding", total=3, enabled=False) as bar:
    ...     for _ in range(3):
    ...         bar.update(1)
    >>> bar.done
    3
    """

    def __init__(self, description: str, total: int, *, unit: str = "rows", enabled: bool | None = None):
        self.description = description
        self.total = total
        self.unit = unit
        self.done = 0
        if enabled is None:
            enabled = watched()
        self.enabled = enabled
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self.enabled:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(self.description, total=self.total, rate="")
            self._bar.start()
        return self

    def update(self, count: int) -> None:
        """``count`` more units are done."""
        self.done += count
        if self._bar is not None:
            elapsed = self._bar.tasks[0].elapsed or 0.0
            rate = f"{self.done / elapsed:,.0f} {self.unit}/s" if elapsed > 0 else ""
            self._bar.update(self._task, completed=self.done, rate=rate)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
