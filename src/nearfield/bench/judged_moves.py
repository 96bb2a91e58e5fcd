"""A move with judged questions: never below the old model, by how many of them, and what it gains.

The sample queries are the judged questions; others are scored. At each share of encoded items the answers by both
models are held against the old model's, query by query, with a bootstrap interval. What fewer questions would have
chosen is told by random draws of them: every weight's answers are there anyway.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .upgrade import Task

K = 10
COUNTS = (20, 50, 100, 200)
DRAWS = 40
_RESAMPLES = 2000


def measure(
    task: Task,
    *,
    pairs: int,
    step: float,
    shares: Sequence[float],
    counts: Sequence[int] = COUNTS,
) -> dict[str, Any]:
    """One move from nothing encoded to the end, with all sample queries judged."""
    from ..store import Store

    assert task.each is not None and task.relevant is not None
    count = len(task.old)
    some = np.sort(np.random.default_rng(1).permutation(count)[:pairs])
    with tempfile.TemporaryDirectory() as folder, Store.create(Path(folder) / "a.nf", task.old.shape[1]) as store:
        store.add(list(range(count)), task.old)
        old = task.each(np.array(store.search(task.old_queries, K).ids, np.int64))
        upgrade = store.upgrade(
            pairs=(task.old[some], task.new[some]),
            queries=task.new_samples,
            old_queries=task.old_samples,
            relevant=task.relevant,
        )
        points = []
        for share in shares:
            while upgrade.done < round(share * count):
                wanted = min(max(1, round(step * count)), round(share * count) - upgrade.done)
                chosen = upgrade.next(wanted)
                upgrade.put(chosen, task.new[np.array(chosen, np.int64)])
                if upgrade.relearn_due:
                    upgrade.relearn()
            points.append({"share": upgrade.done / count, **_point(store, upgrade, task, old, counts)})
        said = str(upgrade)
        upgrade.finish()
        new = task.each(np.array(store.search(task.new_queries, K).ids, np.int64))
        report = store.verify()
        if not report.ok:
            raise RuntimeError(f"{task.name}: {report}")
    return {
        "name": task.name,
        "measure": task.measure,
        "questions": len(task.relevant),
        "scored": len(old),
        "old": float(old.mean()),
        "new": float(new.mean()),
        "points": points,
        "said": said,
    }


def _point(store: Any, upgrade: Any, task: Task, old: np.ndarray, counts: Sequence[int]) -> dict[str, Any]:
    """What stands at one share: by the store's weight, by every other, and by what fewer questions would choose."""
    from ..store import weighing
    from ..store.fusing import nearest_both
    from ..store.mixture import Mixture
    from ..store.next_space import ENCODED_WEIGHT

    assert task.each is not None
    fused = task.each(np.array(store.search(task.new_queries, K, old_queries=task.old_queries).ids, np.int64))
    view, judged, relevant, taught = upgrade._questions()
    more = []
    for weight in weighing.WEIGHTS:
        hits = nearest_both(view, task.new_queries, task.old_queries, K, mixture=Mixture.of(view.next.meta, weight))
        ids: list[Any] = view.gather_ids(hits.parts.ravel(), hits.rows.ravel())
        more.append(task.each(np.array(ids, np.int64).reshape(hits.keys.shape)) - old)
    found = weighing.measure(view, judged, relevant, taught)
    rng = np.random.default_rng(0)
    fewer = {}
    for number in [size for size in counts if size < len(relevant)]:
        gains = []
        for _ in range(DRAWS):
            rows = np.sort(rng.permutation(len(relevant))[:number])
            gains.append(float(more[weighing.choose(found.gains[rows], found.groups[rows])].mean()))
        fewer[str(number)] = gains
    best = found.gains.mean(axis=0).argmax()
    less = found.gains[:, [best]] - found.gains
    near = less.mean(axis=0) <= less.std(axis=0) / np.sqrt(len(less))
    return {
        "weight": upgrade.weight,
        "judged": upgrade.judged,
        "both": float(fused.mean()),
        "more": float((fused - old).mean()),
        "interval": _interval(fused - old),
        "alike": float(old.mean() + more[weighing.WEIGHTS.index(ENCODED_WEIGHT)].mean()),
        "weights": [float(old.mean() + gain.mean()) for gain in more],
        "one_error": float(more[int(np.flatnonzero(near)[0])].mean()),
        "fewer": fewer,
    }


def _interval(values: np.ndarray) -> list[float]:
    """Of the mean, 95%, by the bootstrap over queries."""
    drawn = np.random.default_rng(0).multinomial(len(values), np.full(len(values), 1 / len(values)), _RESAMPLES)
    return [float(end) for end in np.quantile(drawn @ values / len(values), (0.025, 0.975))]


def _share_of_gain(move: dict[str, Any], share: float = 0.2) -> str:
    """Which part of what the new model gains over the old one a share of encoded items brings; empty without gain."""
    whole = move["new"] - move["old"]
    if whole <= 0:
        return ""
    here = min(move["points"], key=lambda point: abs(point["share"] - share))
    low, high = (end / whole for end in here["interval"])
    part = f"{here['more'] / whole:.2f} [{low:.2f}, {high:.2f}]"
    return f" By {100 * share:.0f}% it has {part} of what the new model alone gains over the old one."


def markdown(moves: Sequence[dict[str, Any]]) -> list[str]:
    """The figures as lines of Markdown."""
    lines = [
        "## Judged questions: how far each model is believed",
        "",
        "The sample queries are judged and no longer say what is encoded first. *Judged*: both models, at the weight "
        "that they choose; *alike*: the same moment at the usual weight of 0.7. *More*: judged over the old model "
        "alone, by the scored queries, with a bootstrap interval of 95%. *One error*: at the least weight within one "
        f"standard error of the best instead. Fewer questions: {DRAWS} draws of them at each share.",
        "",
    ]
    for move in moves:
        points = move["points"]
        head = [f"{100 * point['share']:.0f}%" for point in points]
        rows = {
            "judged": [f"{point['both']:.3f}" for point in points],
            "alike": [f"{point['alike']:.3f}" for point in points],
            "weight": [f"{point['weight']:.1f}" for point in points],
            "more": [
                f"{point['more']:+.3f} [{point['interval'][0]:+.3f}, {point['interval'][1]:+.3f}]" for point in points
            ],
            "one error": [f"{point['one_error']:+.3f}" for point in points],
        }
        lines += [
            f"### {move['name']}, {move['measure']}",
            "",
            f"{move['questions']:,} judged questions, {move['scored']:,} others scored. Old model alone "
            f"{move['old']:.3f}, new model alone {move['new']:.3f}.",
            "",
            "| | " + " | ".join(head) + " |",
            "| --- |" + " ---: |" * len(head),
            *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()),
            "",
        ]
        least = min(points, key=lambda point: point["more"])
        low, high = least["interval"]
        lines += [
            f"The least over the old model: {least['more']:+.3f} [{low:+.3f}, {high:+.3f}], at "
            f"{100 * least['share']:.0f}%." + _share_of_gain(move),
            "",
            "| questions | share of draws over 0.005 below the old model | least of all | mean over all shares |",
            "| ---: | ---: | ---: | ---: |",
        ]
        for number in points[0]["fewer"]:
            gains = np.array([point["fewer"][number] for point in points])
            below = float((gains < -0.005).mean())
            lines.append(f"| {number} | {below:.2f} | {gains.min():+.3f} | {gains.mean():+.3f} |")
        every = np.array([point["more"] for point in points])
        below = float((every < -0.005).mean())
        lines.append(f"| {move['questions']} | {below:.2f} | {every.min():+.3f} | {every.mean():+.3f} |")
        lines += ["", f"At the end it says: {move['said']}.", ""]
    return lines
