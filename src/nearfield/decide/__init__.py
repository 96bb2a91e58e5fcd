"""Distances to decisions: calibrated relevance, a cut-off of stated error, classes from few labels or texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .description_selection import DescriptionSelection as DescriptionSelection
    from .frechet import FrechetClassifier as FrechetClassifier
    from .frechet import frechet_mean as frechet_mean
    from .frechet import next_class as next_class
    from .frechet import predictable as predictable
    from .frechet import tree_distances as tree_distances
    from .judge import Judge as Judge
    from .label_vectors import LabelVectors as LabelVectors
    from .linear_probe import LinearProbe as LinearProbe
    from .naive_bayes import NaiveBayes as NaiveBayes
    from .open_set import OpenSet as OpenSet
    from .open_vocabulary import OpenVocabulary as OpenVocabulary
    from .open_vocabulary import names_in as names_in
    from .prototypes import Prototypes as Prototypes
    from .rate import Rate as Rate
    from .sentence_sets import SentenceSetClassifier as SentenceSetClassifier
    from .texts import class_texts as class_texts
    from .token_moments import TokenMoments as TokenMoments
    from .zero_shot import Terms as Terms
    from .zero_shot import ZeroShotClassifier as ZeroShotClassifier

__all__ = [
    "DescriptionSelection",
    "FrechetClassifier",
    "Judge",
    "LabelVectors",
    "LinearProbe",
    "NaiveBayes",
    "OpenSet",
    "OpenVocabulary",
    "Prototypes",
    "Rate",
    "SentenceSetClassifier",
    "Terms",
    "TokenMoments",
    "ZeroShotClassifier",
    "class_texts",
    "frechet_mean",
    "names_in",
    "next_class",
    "predictable",
    "tree_distances",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DescriptionSelection": ".description_selection",
        "FrechetClassifier": ".frechet",
        "Judge": ".judge",
        "LabelVectors": ".label_vectors",
        "LinearProbe": ".linear_probe",
        "NaiveBayes": ".naive_bayes",
        "OpenSet": ".open_set",
        "OpenVocabulary": ".open_vocabulary",
        "Prototypes": ".prototypes",
        "Rate": ".rate",
        "SentenceSetClassifier": ".sentence_sets",
        "Terms": ".zero_shot",
        "TokenMoments": ".token_moments",
        "ZeroShotClassifier": ".zero_shot",
        "class_texts": ".texts",
        "frechet_mean": ".frechet",
        "names_in": ".open_vocabulary",
        "next_class": ".frechet",
        "predictable": ".frechet",
        "tree_distances": ".frechet",
    },
)
