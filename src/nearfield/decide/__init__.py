"""From distances to decisions: calibrated relevance, a cut-off whose error rate is stated, and classes from texts."""
"""From distances to decisions: calibrated relevance, a cut-off of stated error, and classes from few labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .judge import Judge as Judge
    from .naive_bayes import NaiveBayes as NaiveBayes
    from .prototypes import Prototypes as Prototypes
    from .rate import Rate as Rate
    from .texts import class_texts as class_texts
    from .zero_shot import Terms as Terms
    from .zero_shot import ZeroShotClassifier as ZeroShotClassifier

__all__ = ["Judge", "Rate", "Terms", "ZeroShotClassifier", "class_texts"]
__all__ = ["Judge", "NaiveBayes", "Prototypes", "Rate"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Judge": ".judge",
        "Rate": ".rate",
        "Terms": ".zero_shot",
        "ZeroShotClassifier": ".zero_shot",
        "class_texts": ".texts",
        "NaiveBayes": ".naive_bayes",
        "Prototypes": ".prototypes",
        "Rate": ".rate",
    },
)
