"""Distances to decisions: calibrated relevance, a cut-off of stated error, classes from few labels or texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .description_selection import DescriptionSelection as DescriptionSelection
    from .judge import Judge as Judge
    from .label_vectors import LabelVectors as LabelVectors
    from .naive_bayes import NaiveBayes as NaiveBayes
    from .prototypes import Prototypes as Prototypes
    from .rate import Rate as Rate
    from .texts import class_texts as class_texts
    from .zero_shot import Terms as Terms
    from .zero_shot import ZeroShotClassifier as ZeroShotClassifier

__all__ = [
    "DescriptionSelection",
    "Judge",
    "LabelVectors",
    "NaiveBayes",
    "Prototypes",
    "Rate",
    "Terms",
    "ZeroShotClassifier",
    "class_texts",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DescriptionSelection": ".description_selection",
        "Judge": ".judge",
        "LabelVectors": ".label_vectors",
        "NaiveBayes": ".naive_bayes",
        "Prototypes": ".prototypes",
        "Rate": ".rate",
        "Terms": ".zero_shot",
        "ZeroShotClassifier": ".zero_shot",
        "class_texts": ".texts",
    },
)
