"""What judged questions tell of a move to another model, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(judged: Mapping[str, Any]) -> str:
    """Quality by both models, alone and together, and a warning where the new one is worse.

    Examples
    --------
    >>> among = {"old": 0.652, "new": 0.512, "questions": 300, "better": "old"}
    >>> said = {"weight": 0.1, "questions": 300, "old": 0.652, "new": 0.48, "both": 0.655, "among": among}
    >>> told(said).split("; ")[0]
    'judged questions (300): old 0.652, new 0.480 as far as it has come, both 0.655 at weight 0.1'
    >>> worse(said)
    'warning: judged questions say that the new model is worse: old 0.652, new 0.512 (300, by encoded items alone)'
    """
    if judged["old"] is None:
        return f"{judged['questions']:,} judged questions, not asked yet: the old model answers alone"
    old, new, both = (f"{judged[name]:.3f}" for name in ("old", "new", "both"))
    text = f"judged questions ({judged['questions']:,}): old {old}, new {new} as far as it has come, both {both}"
    text += f" at weight {judged['weight']:g}"
    warning = worse(judged)
    return f"{text}; {warning}" if warning else text


def worse(judged: Mapping[str, Any]) -> str:
    """The warning, empty where there is none."""
    among = judged["among"]
    if among is None or among["better"] != "old":
        return ""
    return (
        f"warning: judged questions say that the new model is worse: old {among['old']:.3f}, new {among['new']:.3f} "
        f"({among['questions']:,}, by encoded items alone)"
    )


def unasked(questions: int) -> dict[str, Any]:
    """What is known of so many judged questions before they are asked: nothing, so the old model is believed alone."""
    nothing = dict.fromkeys(("old", "new", "both", "among"))
    return {"weight": 0.0, "questions": questions, **nothing, "done": 0, "learnt": 0, "since": 0}
