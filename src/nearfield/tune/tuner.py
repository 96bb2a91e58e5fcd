"""Budget and target in, plan out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, log
from typing import Any

import numpy as np

from ..common.checks import check_bytes, check_int, check_random_state, check_real
from ..common.interval import mean_interval
from ..common.progress import Progress
from ..index import Flat, Graph
from ..metric import Metric, get_metric
from .candidates import candidates, last_resort
from .choose import choose
from .measure import Curve, queries_per_second, with_width
from .measure import latency as measure_latency
from .plan import Plan, Trial
from .recipe import Recipe
from .truth import Truth, check_rows, hold_out

_LEAST_QUERIES = 10


def tune(
    vectors: Any,
    *,
    metric: str | Metric = "cosine",
    recall: float = 0.95,
    k: int = 10,
    memory: int | str | None = None,
    latency: float | None = None,
    queries: Any = None,
    recipes: Sequence[Recipe] | None = None,
    sample: int = 150_000,
    random_state: int = 0,
    progress: bool | None = None,
) -> Plan:
    """Find the fastest way to search ``vectors`` at a given recall within given budgets, by trying.

    Every recipe is built and measured on queries whose exact answer is known; its beam is the narrowest that meets
    the target. Choose it over setting parameters by hand whenever recall matters: the same beam can mean a recall of
    0.98 on one set and 0.80 on another, or on queries from elsewhere.

    Parameters
    ----------
    vectors : (n, d) float32 or float16, in memory or mapped: the set to be searched. Rows are not changed.
    metric : "cosine", "ip" or "l2".
    recall : target in (0, 1], of the ``k`` nearest: 0.95 is a good start; only exact scans are sure of 1.0.
    k : neighbours that will be asked for; recall at a larger ``k`` is harder to reach.
    memory : most resident bytes, as an int or a text such as "200MB"; see ``docs/concepts-tune.md`` for what counts.
    latency : most milliseconds in which 95 of 100 single queries must be answered on one thread.
    queries : (q, d) queries as they will come, not rows of ``vectors``; 1,000 make the interval narrow enough for
        0.99. They matter: queries from another source than the rows need far wider beams. None takes rows out of
        the set (a tenth, 2,000 at most), which is honest only for queries distributed as the rows are.
    recipes : candidates of your own; their widths are found, everything else is left as you say.
    sample : most rows to build with. A larger set is tuned on that many rows, and the beam widened by its growth
        from a quarter of the sample to the sample.
    random_state : seed of the rows held out, of the sample and of the builds. All but the timings, and the choice
        between recipes that rests on them, depends on it and the vectors alone.
    progress : None shows a bar on a terminal; True or False decides.

    Returns
    -------
    Plan : ``plan.recipe.make(metric).build(vectors)``, searched with ``plan.recipe.search_settings()``.
        ``plan.met`` is False when nothing meets all demands; the recipe is then the closest.

    Raises
    ------
    ValueError, TypeError : a parameter is not what is allowed; NaN, zero rows under cosine, wrong dimensions.

    Notes
    -----
    Interrupting changes nothing. Candidates with the same codes share one graph, which is the one each would build.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> plan = tune(rng.standard_normal((2000, 32), np.float32), recall=0.9, memory="80kB")
    >>> plan.met, plan.recipe.bits
    (True, 4)
    """
    task = _Task.check(vectors, metric, recall, k, memory, latency, queries, sample, random_state)
    chosen_recipes = task.candidates() if recipes is None else [_check_recipe(recipe) for recipe in recipes]
    if not chosen_recipes:
        raise ValueError("recipes: expected at least one Recipe, got none")
    trials = _measure(task, chosen_recipes, progress)
    if recipes is None and not any(_fits(task, trial) for trial in trials):
        trials += _measure(task, last_resort(task.truth.base, task.metric, chosen_recipes), progress)
    plan = choose(_plan(task, trials))
    return _grow(task, plan) if plan.sampled else plan


@dataclass(frozen=True)
class _Task:
    """What is asked, checked, with the truth found."""

    truth: Truth
    metric: Metric
    recall: float
    k: int
    memory: int | None
    latency: float | None
    rows: int
    queries_from: str
    criterion: str
    random_state: int

    @classmethod
    def check(
        cls,
        vectors: Any,
        metric: str | Metric,
        recall: float,
        k: int,
        memory: int | str | None,
        latency: float | None,
        queries: Any,
        sample: int,
        random_state: int,
    ) -> _Task:
        measure = get_metric(metric)
        target = check_real(recall, "recall", 0.0, 1.0, open_low=True)
        budget = None if memory is None else check_bytes(memory, "memory")
        if latency is not None:
            latency = check_real(latency, "latency", 0.0, 1e9, open_low=True)
        check_random_state(random_state)
        array = np.asarray(vectors)
        n = len(array) if array.ndim == 2 else 0
        if n > check_int(sample, "sample", 1000):
            picked = np.random.default_rng(random_state).permutation(n)[:sample]
            array = array[np.sort(picked)]
        base = check_rows(array, measure)
        k = check_int(k, "k", 1, len(base))
        most = _queries_wanted(target)
        source = "given"
        if queries is not None:
            asked = check_rows(queries, measure, "queries")
            if asked.shape[1] != base.shape[1]:
                raise ValueError(f"queries: expected {base.shape[1]} dimensions, got {asked.shape[1]}")
            if len(asked) > most:
                asked = asked[np.sort(np.random.default_rng(random_state).permutation(len(asked))[:most])]
        else:
            taken, kept = hold_out(len(base), most, k, random_state)
            if len(taken) < _LEAST_QUERIES:  # so small a set is scanned exactly; its own rows will do to time that
                asked, source = base[:most], "own rows"
            else:
                asked, base, source = base[taken], base[kept], "held-out rows"
        truth = Truth.find(base, asked.astype(np.float32, copy=False), k, measure)
        _, bound, _ = mean_interval(np.ones(len(asked)))
        # That nothing is missed, no sample can show; less than that it can, if a perfect run leaves room for errors.
        criterion = "bound" if target == 1 or bound >= 1 - (1 - target) / 2 else "estimate"
        return cls(truth, measure, target, k, budget, latency, n, source, criterion, random_state)

    def candidates(self) -> list[Recipe]:
        """The recipes to try when the caller names none."""
        base = self.truth.base
        return candidates(base, self.metric, rows=self.rows, memory=self.memory, scan_first=self.scan_first)

    @property
    def scan_first(self) -> bool:
        """Whether queries may be unlike those measured, and nobody asked for speed: then a scan is the safer choice."""
        return self.queries_from != "given" and self.latency is None

    @property
    def dim(self) -> int:
        return int(self.truth.base.shape[1])


def _queries_wanted(recall: float) -> int:
    """Enough that a perfect run's lower bound lies halfway between the target and 1; 1,000 to 2,000."""
    z = 1.96
    return int(min(2000, max(1000, ceil(2 * z * z / max(1 - recall, 1e-9)))))


def _check_recipe(recipe: Any) -> Recipe:
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipes: expected Recipe objects, got {recipe!r}")
    return recipe


# -- measuring ---------------------------------------------------------------------------------------------------------


def _measure(task: _Task, recipes: list[Recipe], progress: bool | None) -> list[Trial]:
    trials: dict[Recipe, Trial] = {}
    rows = len(task.truth.base)
    groups = {recipe.links for recipe in recipes}
    with Progress("tuning", total=rows * len(groups), unit="rows", enabled=progress) as bar:
        for recipe, index in _built(task, recipes, bar):
            trials[recipe] = _try(task, recipe, index)
    return [trials[recipe] for recipe in recipes]


def _built(task: _Task, recipes: list[Recipe], bar: Progress) -> Iterator[tuple[Recipe, Flat | Graph]]:
    """Every recipe with its index; a graph is built once for all that have its codes."""
    base, metric = task.truth.base, task.metric
    for group in dict.fromkeys(recipe.links for recipe in recipes):
        first: Flat | Graph | None = None
        before = bar.done
        for recipe in (recipe for recipe in recipes if recipe.links == group):
            if isinstance(first, Graph):
                codes = {"transform": first.transform, "codec": recipe.codec(), "rescore": recipe.rescorer()}
                yield recipe, first.with_codes(base, **codes)
            else:
                index = recipe.make(metric, task.random_state)
                index.build(base, progress=partial(_advance, bar, before))
                _advance(bar, before, len(base))
                first = index
                yield recipe, index


def _advance(bar: Progress, before: int, done: int) -> None:
    bar.update(before + done - bar.done)


def _try(task: _Task, recipe: Recipe, index: Flat | Graph) -> Trial:
    if recipe.exact:
        mean, low, high = 1.0, 1.0, 1.0
    else:
        curve = Curve(index, recipe, task.truth)
        width = curve.narrowest(task.recall, task.criterion)
        recipe = with_width(recipe, width)
        mean, low, high = curve.at(width)
    size, grown = index.memory(), task.rows / len(index)
    fixed = size.get("transform", 0)
    queries = task.truth.queries
    return Trial(
        recipe,
        mean,
        low,
        high,
        queries_per_second(index, recipe, queries, task.k),
        measure_latency(index, recipe, queries, task.k),
        ceil((size["total"] - fixed) * grown) + fixed,
        ceil(size["mapped"] * grown),
    )


# -- deciding ----------------------------------------------------------------------------------------------------------


def _fits(task: _Task, trial: Trial) -> bool:
    return task.memory is None or trial.memory <= task.memory


def _plan(task: _Task, trials: list[Trial]) -> Plan:
    """All that is known before the choice."""
    return Plan(
        recipe=trials[0].recipe,
        trials=trials,
        met=False,
        message="",
        recall=task.recall,
        k=task.k,
        memory=task.memory,
        latency=task.latency,
        metric=task.metric.name,
        criterion=task.criterion,
        rows=task.rows,
        dim=task.dim,
        measured_rows=len(task.truth.base),
        queries=len(task.truth.queries),
        queries_from=task.queries_from,
    )


def _grow(task: _Task, plan: Plan) -> Plan:
    """Widen the chosen search for the rows that were not measured, by its growth over the last factor of four."""
    chosen = next(t for t in plan.trials if t.recipe == plan.recipe)
    width = plan.recipe.beam if plan.recipe.kind == "graph" else plan.recipe.candidates
    if width is None:
        return replace(plan, message=f"{plan.message} {_sampled(plan)}")
    quarter = np.sort(
        np.random.default_rng(task.random_state).permutation(plan.measured_rows)[: plan.measured_rows // 4]
    )
    truth = Truth.find(np.ascontiguousarray(task.truth.base[quarter]), task.truth.queries, task.k, task.metric)
    index = plan.recipe.make(task.metric, task.random_state).build(truth.base)
    smaller = Curve(index, plan.recipe, truth).narrowest(min(task.recall, chosen.recall), plan.criterion)
    growth = min(1.0, max(0.0, log(width / smaller) / log(4)))
    wider = min(task.rows, ceil(width * (task.rows / plan.measured_rows) ** growth))
    return replace(
        plan,
        recipe=with_width(plan.recipe, wider),
        message=f"{plan.message} {_sampled(plan)} The width is raised from {width} to {wider} for all of them, by its "
        f"growth from {len(quarter):,} to {plan.measured_rows:,} rows.",
    )


def _sampled(plan: Plan) -> str:
    return (
        f"Measured on {plan.measured_rows:,} of {plan.rows:,} rows and not verified on all: speed and latency are "
        "those of the sample."
    )
