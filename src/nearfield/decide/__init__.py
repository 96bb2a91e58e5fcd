"""From distances to decisions: calibrated relevance, a cut-off whose error rate is stated, and classes from texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .judge import Judge as Judge
    from .rate import Rate as Rate
    from .texts import class_texts as class_texts
    from .zero_shot import Terms as Terms
    from .zero_shot import ZeroShotClassifier as ZeroShotClassifier

__all__ = ["Judge", "Rate", "Terms", "ZeroShotClassifier", "class_texts"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Judge": ".judge",
        "Rate": ".rate",
        "Terms": ".zero_shot",
        "ZeroShotClassifier": ".zero_shot",
        "class_texts": ".texts",
    },
)
