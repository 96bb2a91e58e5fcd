"""The choice between trials, and the sentence that says how it came out."""

from __future__ import annotations

from dataclasses import replace

from .plan import Plan, Trial, format_bytes


def choose(plan: Plan) -> Plan:
    """The plan with its choice made: ``recipe``, ``met`` and ``message`` set.

    The choice is between finalists, which alone were timed on all rows measured: the fastest that meets all demands.
    Where none is certain to reach the recall but the mean of some does, the fastest of those, and the criterion becomes
    "estimate". Where nothing meets all, the closest.
    """
    finalists = [trial for trial in plan.trials if trial.timed]
    good = [trial for trial in finalists if not plan.shortfalls(trial)]
    if not good and plan.criterion == "bound":
        loose = replace(plan, criterion="estimate")
        good = [trial for trial in finalists if not loose.shortfalls(trial)]
        if good:
            plan = loose
    if good:
        best = max(good, key=_speed)
        return replace(plan, recipe=best.recipe, met=True, message=_success(plan, best))
    best = _closest(plan)
    return replace(plan, recipe=best.recipe, met=False, message=_failure(plan, best))


def _closest(plan: Plan) -> Trial:
    """Within both budgets the best recall; where there is none, the least excess."""
    finalists = [trial for trial in plan.trials if trial.timed]
    within = [t for t in finalists if not {"memory", "latency"} & set(plan.shortfalls(t))]
    if within:
        return max(within, key=lambda t: (t.recall, _speed(t)))
    return min(finalists, key=lambda t: ("recall" in plan.shortfalls(t), _excess(plan, t)))


def _speed(trial: Trial) -> float:
    return trial.queries_per_second or 0.0


def _success(plan: Plan, best: Trial) -> str:
    text = f"Fastest that meets recall {plan.recall:g}: {best.recipe} ({_figures(plan, best)})."
    if best.recipe.exact:
        return text + (" A set this small is scanned exactly; nothing else was tried." * (len(plan.trials) == 1))
    if best.recall_low >= plan.recall:
        return text + " The lower end of its 95% interval meets the target."
    return text + (
        f" Its mean meets the target, the lower end of its 95% interval ({best.recall_low:.4f}) does not: "
        f"{plan.queries:,} queries leave that much open."
    )


def _failure(plan: Plan, best: Trial) -> str:
    budgets = []
    if plan.memory is not None:
        budgets.append(f"{format_bytes(plan.memory)} of memory")
    if plan.latency is not None:
        budgets.append(f"{plan.latency:g} ms")
    asked = f"recall {plan.recall:g}" + (f" within {' and '.join(budgets)}" if budgets else "")
    text = f"Cannot be met ({asked}); the closest is {best.recipe} ({_figures(plan, best)})"
    enough = [trial for trial in plan.trials if "recall" not in plan.shortfalls(trial)]
    if enough and best not in enough:
        least = min(enough, key=lambda t: _excess(plan, t))
        text += f"; that recall takes {least.recipe} ({_figures(plan, least)})"
    return text + "."


def _excess(plan: Plan, trial: Trial) -> float:
    """By what factor a trial oversteps the budgets; 1 within both."""
    over = 1.0
    if plan.memory is not None:
        over *= max(1.0, trial.memory / plan.memory)
    if plan.latency is not None and trial.latency is not None:
        over *= max(1.0, trial.latency / plan.latency)
    return over


def _figures(plan: Plan, trial: Trial) -> str:
    text = f"recall {trial.recall:.4f}, {format_bytes(trial.memory)}"
    if trial.latency is not None:
        return text + f", p95 {trial.latency:.3g} ms"
    return text + f", on a sample of {trial.rows:,} rows"
