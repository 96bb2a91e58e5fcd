"""From distances to decisions: calibrated relevance, a cut-off of stated error, and classes from few labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .exemplars import ExemplarMemory as ExemplarMemory
    from .frechet import FrechetClassifier as FrechetClassifier
    from .frechet import frechet_mean as frechet_mean
    from .frechet import next_class as next_class
    from .frechet import predictable as predictable
    from .frechet import tree_distances as tree_distances
    from .judge import Judge as Judge
    from .label_shift import LatentLabelShift as LatentLabelShift
    from .linear_probe import LinearProbe as LinearProbe
    from .naive_bayes import NaiveBayes as NaiveBayes
    from .open_set import OpenSet as OpenSet
    from .prototypes import Prototypes as Prototypes
    from .rate import Rate as Rate
    from .token_moments import TokenMoments as TokenMoments

__all__ = [
    "ExemplarMemory",
    "FrechetClassifier",
    "Judge",
    "LatentLabelShift",
    "LinearProbe",
    "NaiveBayes",
    "OpenSet",
    "Prototypes",
    "Rate",
    "TokenMoments",
    "frechet_mean",
    "next_class",
    "predictable",
    "tree_distances",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExemplarMemory": ".exemplars",
        "FrechetClassifier": ".frechet",
        "Judge": ".judge",
        "LatentLabelShift": ".label_shift",
        "LinearProbe": ".linear_probe",
        "NaiveBayes": ".naive_bayes",
        "OpenSet": ".open_set",
        "Prototypes": ".prototypes",
        "Rate": ".rate",
        "TokenMoments": ".token_moments",
        "frechet_mean": ".frechet",
        "next_class": ".frechet",
        "predictable": ".frechet",
        "tree_distances": ".frechet",
    },
)
