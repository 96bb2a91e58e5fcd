"""What a store learnt from its items and from labelled queries, fitted again: after it changed, or has moved.

Each is one transaction of its own. What cannot be fitted any more (too few items, too few labelled queries whose
answers are left) stays as it was, and is said in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..common.decoding import decoding
from . import judging, query_judging
from .crossing import Crossing, Recoding
from .segment import logger
from .snapshot import View

if TYPE_CHECKING:
    from .handle import Handle

Fit = tuple[str, Callable[[], None]]


def learnt(store: Handle, view: View, crossing: Crossing | Recoding | None = None) -> list[Fit]:
    """What there is, by name, and how it is fitted again: to the items there are when that is called.

    ``crossing`` takes the labelled queries to the space that the store is moved to, or encodes them again.
    """
    fits = [_judge(store, view, crossing), _fusion(store, view, crossing)]
    return [(name, fit) for name, fit in zip(("judge", "fusion"), fits, strict=True) if fit is not None]


def run(store: Handle, fits: list[Fit]) -> list[str]:
    """The names of those that could be fitted."""
    done = []
    for name, fit in fits:
        try:
            fit()
        except ValueError as error:
            logger.warning("%s: the %s could not be fitted again: %s", store.path, name, error)
        else:
            done.append(name)
    return done


def stale(store: Handle, view: View) -> list[Fit]:
    """Of what there is, that which knows another store: more than a fifth of it has changed since."""
    known = {name: view.meta.get(name) for name in ("judge", "fusion")}
    old = [name for name, said in known.items() if said and "items" in said and judging.freshness(said, view)["stale"]]
    return [fit for fit in learnt(store, view) if fit[0] in old] if old else []


def _judge(store: Handle, view: View, crossing: Crossing | Recoding | None) -> Callable[[], None] | None:
    from ..decide import QueryJudge

    stored, old = view.meta.get("judge"), view.judge
    if stored is None or old is None:
        return None
    maintenance = store._writing()[1]
    if isinstance(old, QueryJudge):
        labelled = query_judging.Labelled.of(stored.get("fit") or {}, view.shape, store.path)
        if crossing is not None:
            labelled = labelled.crossed(crossing, instead=old.unanswerable_ == "hidden")

        def learn() -> None:
            judge = _afresh(old)
            query_judging.fit_and_publish(judge, maintenance, store._shape, labelled)
            if judge.mapped_ and not old.mapped_:
                _warn(store, "judge")
            elif judge.unanswerable_ != old.unanswerable_:
                text = "%s: max_false was about %s queries without an answer, and is about %s ones now"
                logger.warning(text, store.path, old.unanswerable_, judge.unanswerable_)

        return learn
    how = judging.fit_of(stored, view.shape, store.path)
    if crossing is not None:
        how = how.crossed(crossing)
    return lambda: judging.fit_and_publish(_afresh(old), maintenance, store._shape, how)


def _warn(store: Handle, name: str) -> None:
    logger.warning(
        "%s: the %s promises no rates any more, and max_false is refused: its labelled queries were mapped to the new "
        "model's space; fit it again with queries of the new model, or call refit(encoder) where their texts are kept",
        store.path,
        name,
    )


def _afresh(judge: Any) -> Any:
    """A judge of the same settings, not fitted yet."""
    return type(judge)(**judge.to_dict()["params"])


def _fusion(store: Handle, view: View, crossing: Crossing | Recoding | None) -> Callable[[], None] | None:
    from .text_search import Judgements, fit_fusion

    stored = view.meta.get("fusion")
    if stored is None or "fit" not in stored:
        return None
    with decoding(store.path, "the judged queries of the fusion"):
        judged = Judgements.of(stored["fit"], view.shape)
    before = judged.mapped
    if crossing is not None:
        judged = judged.crossed(crossing)

    def fit() -> None:
        fit_fusion(store._reader, judged)
        if judged.mapped and not before:
            _warn(store, "fusion")

    return fit
