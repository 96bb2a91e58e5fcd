"""From distances to decisions: calibrated relevance, a cut-off of stated error, and classes from few labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .judge import Judge as Judge
    from .linear_probe import LinearProbe as LinearProbe
    from .naive_bayes import NaiveBayes as NaiveBayes
    from .prototypes import Prototypes as Prototypes
    from .rate import Rate as Rate

__all__ = ["Judge", "LinearProbe", "NaiveBayes", "Prototypes", "Rate"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Judge": ".judge",
        "LinearProbe": ".linear_probe",
        "NaiveBayes": ".naive_bayes",
        "Prototypes": ".prototypes",
        "Rate": ".rate",
    },
)
