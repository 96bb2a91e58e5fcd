"""A plan: the recipe chosen, everything that was measured on the way, and one sentence that says how it came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .recipe import Recipe
from .survival import Forecast

if TYPE_CHECKING:
    from ..index import IVF, Flat, Graph


@dataclass(frozen=True)
class Trial:
    """What one recipe reached.

    Attributes
    ----------
    recipe : with the narrowest beam found that meets the target, or, where none does, the best it can do.
    recall : mean over the queries of the share of the true ``k`` nearest that were found; a row exactly as far as
        the k-th nearest counts as found.
    recall_low, recall_high : 95% confidence interval of the mean over queries like these; both 1.0 for an exact scan.
    queries_per_second : on one thread, queries given in a batch, the fastest of several passes; None where only a
        sample was measured, whose speed says little of the whole.
    latency : milliseconds within which 95 of 100 queries were answered, given one at a time, on one thread; or None.
    memory : resident bytes for all rows of the set: codes, graph, codes to rescore by.
    mapped : bytes of the caller's vectors it reads at random for rescoring; a memory-mapped file will do.
    rows : how many rows recall was measured on: fewer than the plan's ``measured_rows`` where the recipe went no
        further. 0, in plans of an older version, means all of them.
    bytes_read : by a query, counted, by a scan for all rows of the set: what recipes are ranked by on samples.

    Examples
    --------
    >>> Trial(Recipe("flat", bits=32), 1.0, 1.0, 1.0, 900.0, 1.2, 4_000_000, 0).recall
    1.0
    """

    recipe: Recipe
    recall: float
    recall_low: float
    recall_high: float
    queries_per_second: float | None
    latency: float | None
    memory: int
    mapped: int
    rows: int = 0
    bytes_read: int = 0

    @property
    def timed(self) -> bool:
        """Whether it was a finalist: built on the whole and timed."""
        return self.queries_per_second is not None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "recipe": self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Trial:
        """The trial that :meth:`to_dict` described."""
        return cls(**{**description, "recipe": Recipe.from_dict(description["recipe"])})


@dataclass(frozen=True)
class Plan:
    """The outcome of :func:`tune`; ``print(plan)`` shows the table.

    Attributes
    ----------
    recipe : the fastest that meets the target within the budgets; where ``met`` is False, the closest.
    trials : all that were measured, always in the same order: finalists on the whole, others on a sample.
    met : whether the target and both budgets are met.
    message : the same in a sentence, with the figures; says on what the judgement rests.
    recall, k, memory, latency, metric : what was asked for (bytes, milliseconds; None without a budget).
    criterion : "bound" when the target is met by the lower end of the interval, "estimate" when by the mean.
    rows, dim : the set the plan is for.
    measured_rows, queries : how many rows and queries were measured.
    queries_from : "held-out rows" of the set, "given" by the caller, or, for a set too small, its "own rows".
    dropped : what was not built, because its codes are forecast to miss the target.
    pareto : finalists, at the target and at 0.90, 0.95 and 0.99, that no other beats in recall, speed and memory at
        once. They are measured under the same conditions, so a target can be changed without tuning again.
    sample_queries : those of the given queries that were not measured: what recipes with ``queries`` are built with,
        or None. Not part of :meth:`to_dict`.

    Examples
    --------
    >>> import numpy as np
    >>> from nearfield.tune import tune
    >>> plan = tune(np.random.default_rng(0).standard_normal((500, 8), np.float32), recall=0.9)
    >>> plan.met, str(plan.recipe)
    (True, 'flat scan of floats')
    >>> Plan.from_dict(plan.to_dict()) == plan
    True
    """

    recipe: Recipe
    trials: list[Trial]
    met: bool
    message: str
    recall: float
    k: int
    memory: int | None
    latency: float | None
    metric: str
    criterion: str
    rows: int
    dim: int
    measured_rows: int
    queries: int
    queries_from: str
    dropped: list[Forecast] = field(default_factory=list)
    pareto: list[Trial] = field(default_factory=list)
    sample_queries: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def sampled(self) -> bool:
        """Whether the set was too large to be measured whole."""
        held_out = self.queries if self.queries_from == "held-out rows" else 0
        return self.measured_rows + held_out < self.rows

    def build(self, vectors: Any, random_state: int = 0) -> Flat | Graph | IVF:
        """The index that the plan describes over ``vectors``; search it with ``plan.recipe.search_settings()``.

        ValueError where the recipe is built with sample queries and the plan came from :meth:`from_dict`, which has
        none: set ``sample_queries`` with :func:`dataclasses.replace`.
        """
        if self.recipe.queries and self.sample_queries is None:
            raise ValueError("sample_queries: the recipe is built with sample queries, and this plan holds none")
        sample = self.sample_queries if self.recipe.queries else None
        return self.recipe.make(self.metric, random_state).build(vectors, queries=sample)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the sample queries."""
        described = {**vars(self), "recipe": self.recipe.to_dict()}
        del described["sample_queries"]
        return described | {
            name: [one.to_dict() for one in described[name]] for name in ("trials", "pareto", "dropped")
        }

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Plan:
        """The plan that :meth:`to_dict` described."""
        if not isinstance(description, Mapping):
            raise TypeError(f"description: expected a dict as to_dict gives it, got {type(description).__name__}")
        try:
            recipe = Recipe.from_dict(description["recipe"])
            parts = {
                "trials": [Trial.from_dict(trial) for trial in description["trials"]],
                "pareto": [Trial.from_dict(trial) for trial in description.get("pareto", ())],
                "dropped": [Forecast.from_dict(forecast) for forecast in description.get("dropped", ())],
            }
            return cls(**{**description, "recipe": recipe, **parts})
        except (KeyError, TypeError) as error:
            raise ValueError(f"description: expected a plan as to_dict gives it: {error!r}") from error

    def shortfalls(self, trial: Trial) -> list[str]:
        """Which of the demands a trial misses: a list of "recall", "memory", "latency"; empty when it meets all."""
        missed = []
        if (trial.recall_low if self.criterion == "bound" else trial.recall) < self.recall:
            missed.append("recall")
        if self.memory is not None and trial.memory > self.memory:
            missed.append("memory")
        if self.latency is not None and (trial.latency is None or trial.latency > self.latency):
            missed.append("latency")
        return missed

    def missed(self, trial: Trial) -> list[str]:
        """The demands that a trial is known to miss: that a sample was not timed is no shortfall of the recipe."""
        return [demand for demand in self.shortfalls(trial) if demand != "latency" or trial.timed]

    @property
    def title(self) -> str:
        """What was measured, in one line."""
        title = (
            f"{self.rows:,} rows of {self.dim} dimensions under {self.metric}, "
            f"{self.queries:,} queries ({self.queries_from})"
        )
        if self.sampled:
            title += f", measured on a sample of {self.measured_rows:,} rows"
        return title

    def _repr_html_(self) -> str:
        from .display import plan_html

        return plan_html(self)

    def __str__(self) -> str:
        lines = [self.title, *self._table(self.trials)]
        if len(self.pareto) > 1:
            lines += ["Not beaten in recall, speed and memory at once:", *self._table(self.pareto, misses=False)]
        lines += [str(forecast) for forecast in self.dropped]
        return "\n".join([*lines, self.message])

    def _table(self, trials: list[Trial], misses: bool = True) -> list[str]:
        part = any(0 < trial.rows < self.measured_rows for trial in trials)
        head = ["", "recipe", f"recall@{self.k}", "95% interval", "queries/s", "p95 ms", "memory", "mapped"]
        lines = [[*head, *["rows"] * part, *["misses"] * misses]]
        for trial in trials:
            line = [
                ">" if trial.recipe == self.recipe else "",
                str(trial.recipe),
                f"{trial.recall:.4f}",
                "exact" if trial.recall_low == 1 else f"{trial.recall_low:.4f} - {trial.recall_high:.4f}",
                "" if trial.queries_per_second is None else f"{trial.queries_per_second:,.0f}",
                "" if trial.latency is None else f"{trial.latency:.3f}",
                format_bytes(trial.memory),
                format_bytes(trial.mapped) if trial.mapped else "",
            ]
            line += [f"{trial.rows or self.measured_rows:,}"] * part
            lines.append([*line, *[", ".join(self.missed(trial))] * misses])
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        left = (0, 1, len(head) + part)
        return [
            "  ".join(
                cell.ljust(width) if column in left else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]


def format_bytes(count: int) -> str:
    """Bytes in decimal units, three digits."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
