"""Budget and target in, plan out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, log
from typing import Any

from ..common.progress import Progress
from ..index import IVF, Flat, Graph
from ..metric import Metric
from .candidates import EXACT, last_resort
from .choose import choose
from .halving import rungs, survivors
from .measure import Curve, bytes_read, queries_per_second
from .measure import latency as measure_latency
from .measure import memory as measure_memory
from .pareto import front
from .plan import Plan, Trial
from .recipe import Recipe
from .survival import sift
from .task import Task
from .truth import Truth

# Finalists are measured at these recalls too, for the front.
_POINTS = (0.9, 0.95, 0.99)


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
    share_queries: bool = True,
    random_state: int = 0,
    progress: bool | None = None,
) -> Plan:
    """Find the fastest way to search ``vectors`` at a given recall within given budgets, by trying.

    Candidates are measured on queries whose exact answer is known, on growing samples of the rows; those that do well
    are built on the whole and timed. The beam of each is the narrowest that meets the target. Choose it over setting
    parameters by hand whenever recall matters: the same beam can mean a recall of 0.98 on one set and 0.80 on another,
    or on queries from elsewhere.

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
    share_queries : whether builds may be given those of ``queries`` that are not measured, which are then kept as
        ``plan.sample_queries``: at least 500 beyond the 1,000 to 2,000 that recall is measured on. They take far
        queries' neighbours together; see :meth:`Graph.build <nearfield.index.Graph.build>`. False where the index
        will be built without them.
    random_state : seed of the rows held out, of the sample and of the builds. All but the timings, and the choice
        between recipes that rests on them, depends on it and the vectors alone.
    progress : None shows a bar on a terminal; True or False decides.

    Returns
    -------
    Plan : ``plan.build(vectors)`` is the index, searched with ``plan.recipe.search_settings()``.
        ``plan.met`` is False when nothing meets all demands; the recipe is then the closest.

    Raises
    ------
    ValueError, TypeError : a parameter is not what is allowed; NaN, zero rows under cosine, wrong dimensions.

    Notes
    -----
    Interrupting changes nothing. Candidates with the same codes share one graph, which is the one each would build.
    Samples of a sixteenth and a quarter of the rows (4,000 at least) each keep the better half, by bytes read a query,
    and the best of each class of memory: successive halving (Jamieson and Talwalkar, AISTATS 2016) with the rows as
    the budget. Departures: the classes, and a rank free of the machine, so that the same candidates survive anywhere.
    Candidates whose codes are forecast to miss the target are not built; see :class:`Forecast`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> plan = tune(rng.standard_normal((2000, 32), np.float32), recall=0.9, memory="80kB")
    >>> plan.met, plan.recipe.bits
    (True, 4)
    """
    task = Task.check(vectors, metric, recall, k, memory, latency, queries, sample, random_state, share_queries)
    asked = task.candidates() if recipes is None else [_check_recipe(recipe) for recipe in recipes]
    if not asked:
        raise ValueError("recipes: expected at least one Recipe, got none")
    if task.shared is None and any(recipe.queries for recipe in asked):
        raise ValueError(
            "queries: expected some to build with (500 beyond the 1,000 to 2,000 that are measured, and share_queries) "
            f"for {next(str(recipe) for recipe in asked if recipe.queries)!r}"
        )
    kept, dropped = sift(task, list(dict.fromkeys(asked)))
    race = _Race(task, progress, free=recipes is None)
    race.run(kept)
    plan = Plan(
        recipe=kept[0],
        trials=list(race.trials.values()),
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
        dropped=dropped,
        sample_queries=task.shared,
        pareto=front([t for t in race.trials.values() if t.timed] + race.points),
    )
    plan = choose(plan)
    return _grow(race, plan) if plan.sampled else plan


def _check_recipe(recipe: Any) -> Recipe:
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipes: expected Recipe objects, got {recipe!r}")
    return recipe


# -- measuring ---------------------------------------------------------------------------------------------------------


@dataclass
class _Race:
    """Candidates on growing samples.

    Attributes
    ----------
    free : whether recipes may be tried that were not asked for.
    trials : of each candidate the one on the most rows, in the order of the candidates.
    widths : of each candidate, what met the target on so many rows.
    points : of finalists, at the recalls of the front.
    """

    task: Task
    progress: bool | None
    free: bool = True
    trials: dict[Recipe, Trial] = field(default_factory=dict)
    widths: dict[Recipe, dict[int, int]] = field(default_factory=dict)
    points: list[Trial] = field(default_factory=list)

    def run(self, recipes: list[Recipe]) -> None:
        """Measure ``recipes``, and where the choice is free and no graph of them fits the memory, the leanest too."""
        task, alive = self.task, recipes
        whole = len(task.truth.base)
        sizes = rungs(whole, task.k, len(recipes))
        for size, following in zip(sizes, [*sizes[1:], None], strict=True):
            truth = task.sample(size)
            self._measure(truth, alive)
            # Where there are graphs to choose from, one has to fit; else anything.
            wanted = [recipe for recipe in alive if recipe.kind == "graph"] or alive
            if self.free and size == sizes[0] and not any(self._fits(recipe) for recipe in wanted):
                extra = last_resort(task.truth.base, task.metric, alive)
                self._measure(truth, extra)
                alive = alive + extra
            if following is not None:
                trials = [self.trials[recipe] for recipe in alive]
                stay = survivors(trials, task.recall, task.criterion, task.memory, last=following == whole)
                alive = [recipe for recipe, trial in zip(alive, trials, strict=True) if trial in stay]
                # Scanned without a build, and the one recipe that is sure of its recall.
                if EXACT in self.trials and EXACT not in alive and self._fits(EXACT):
                    alive.insert(0, EXACT)
        if not any(self._meets(recipe) for recipe in alive):
            # What did well on samples fell short on the whole: those left behind that read more may not.
            left = [recipe for recipe in self.trials if recipe not in alive and self._fits(recipe)]
            trials = [self.trials[recipe] for recipe in left]
            stay = survivors(trials, task.recall, task.criterion, task.memory, last=True) if left else []
            again = [recipe for recipe, trial in zip(left, trials, strict=True) if trial in stay]
            self._measure(task.truth, [recipe for recipe in again if self._meets(recipe)])

    def _fits(self, recipe: Recipe) -> bool:
        return self.task.memory is None or self.trials[recipe].memory <= self.task.memory

    def _meets(self, recipe: Recipe) -> bool:
        return self.trials[recipe].recall >= self.task.recall

    def _measure(self, truth: Truth, recipes: list[Recipe]) -> None:
        rows, total = len(truth.base), len(truth.base) * len({recipe.links for recipe in recipes})
        with Progress(f"tuning on {rows:,} rows", total=total, unit="rows", enabled=self.progress) as bar:
            for recipe, index in self._built(truth, recipes, bar):
                self.trials[recipe] = self._try(truth, recipe, index)

    def _built(self, truth: Truth, recipes: list[Recipe], bar: Progress) -> Iterator[tuple[Recipe, Flat | Graph | IVF]]:
        """Every recipe with its index; a graph is built once for all that have its links."""
        base, metric = truth.base, self.task.metric
        for group in dict.fromkeys(recipe.links for recipe in recipes):
            first: Flat | Graph | IVF | None = None
            rescore: int | str | None = None
            before = bar.done
            for recipe in (recipe for recipe in recipes if recipe.links == group):
                if isinstance(first, Graph):
                    if recipe.rescore != rescore:
                        rescore = recipe.rescore
                        codes = {"transform": first.transform, "codec": recipe.codec(), "rescore": recipe.rescorer()}
                        first = first.with_codes(base, **codes, queries=self.task.sample_for(recipe))
                else:
                    first, rescore = recipe.make(metric, self.task.random_state), recipe.rescore
                    sample = self.task.sample_for(recipe)
                    first.build(base, queries=sample, progress=partial(_advance, bar, before))
                    _advance(bar, before, len(base))
                yield recipe, first

    def _try(self, truth: Truth, recipe: Recipe, index: Flat | Graph | IVF) -> Trial:
        task, rows = self.task, len(index)
        final = rows == len(task.truth.base)
        if recipe.exact:
            return self._trial(index, recipe, (1.0, 1.0, 1.0), final)
        curve, trial = self._at_target(truth, recipe, index, final)
        if not final:
            return trial
        best = (trial, curve)
        if self.free and recipe.slack is True:
            # Slack pays on most sets, not on all: the same walk without it costs no build.
            plain = replace(recipe, slack=None)
            other, self.trials[plain] = self._at_target(truth, plain, index, final, guess=self.widths[recipe][rows])
            best = max(best, (self.trials[plain], other), key=lambda pair: pair[0].queries_per_second or 0.0)
        chosen, curve = best
        width = chosen.recipe.width
        widths = [curve.narrowest(goal, task.criterion, guess=width) for goal in _POINTS if goal != task.recall]
        for at in dict.fromkeys(w for w in widths if w != width):
            self.points.append(self._trial(index, curve.recipe.with_width(at, task.k), curve.at(at), final))
        return trial

    def _at_target(
        self, truth: Truth, recipe: Recipe, index: Flat | Graph | IVF, final: bool, guess: int | None = None
    ) -> tuple[Curve, Trial]:
        """The trial of the narrowest search that meets the target, and the curve it is on."""
        task = self.task
        curve = Curve(index, recipe, truth)
        seen = self.widths.setdefault(recipe, {})
        width = curve.narrowest(task.recall, task.criterion, guess=seen[max(seen)] if seen else guess)
        seen[len(index)] = width
        return curve, self._trial(index, recipe.with_width(width, task.k), curve.at(width), final)

    def _trial(
        self, index: Flat | Graph | IVF, recipe: Recipe, found: tuple[float, float, float], timed: bool
    ) -> Trial:
        task, queries = self.task, self.task.truth.queries
        resident, mapped = measure_memory(index, recipe, task.rows)
        return Trial(
            recipe,
            *found,
            queries_per_second(index, recipe, queries, task.k) if timed else None,
            measure_latency(index, recipe, queries, task.k) if timed else None,
            resident,
            mapped,
            len(index),
            bytes_read(index, recipe, queries, task.k, task.rows),
        )


def _advance(bar: Progress, before: int, done: int) -> None:
    bar.update(before + done - bar.done)


# -- deciding ----------------------------------------------------------------------------------------------------------


def _grow(race: _Race, plan: Plan) -> Plan:
    """Widen the chosen search for the rows that were not measured, by its growth over the last factor of four or so."""
    width = plan.recipe.width
    if width is None:
        return replace(plan, message=f"{plan.message} {_sampled(plan)}")
    task, whole = race.task, plan.measured_rows
    recipe, chosen = next((r, t) for r, t in race.trials.items() if t.recipe == plan.recipe)
    seen = {rows: found for rows, found in race.widths[recipe].items() if rows < whole}
    if not seen:
        truth = task.sample(whole // 4)
        index = recipe.make(task.metric, task.random_state).build(truth.base, queries=task.sample_for(recipe))
        goal = min(task.recall, chosen.recall)
        seen[len(truth.base)] = Curve(index, recipe, truth).narrowest(goal, plan.criterion, guess=width)
    rows = max(seen)
    growth = min(1.0, max(0.0, log(width / seen[rows]) / log(whole / rows)))
    wider = min(task.rows, ceil(width * (task.rows / whole) ** growth))
    return replace(
        plan,
        recipe=plan.recipe.with_width(wider, task.k),
        message=f"{plan.message} {_sampled(plan)} The width is raised from {width} to {wider} for all of them, by its "
        f"growth from {rows:,} to {whole:,} rows.",
    )


def _sampled(plan: Plan) -> str:
    return (
        f"Measured on {plan.measured_rows:,} of {plan.rows:,} rows and not verified on all: speed and latency are "
        "those of the sample."
    )
