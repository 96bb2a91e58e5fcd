"""Distances to decisions: calibrated relevance, a cut-off of stated error, classes from few labels or texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .fusion import Fusion as Fusion
    from .fusion_report import FusionReport as FusionReport
    from .fusion_report import compare_fusion as compare_fusion
    from .judge import Judge as Judge
    from .rank_fusion import normalized_sum as normalized_sum
    from .rank_fusion import reciprocal_rank_fusion as reciprocal_rank_fusion
    from .description_selection import DescriptionSelection as DescriptionSelection
    from .judge import Judge as Judge
    from .label_vectors import LabelVectors as LabelVectors
    from .frechet import FrechetClassifier as FrechetClassifier
    from .frechet import frechet_mean as frechet_mean
    from .frechet import next_class as next_class
    from .frechet import predictable as predictable
    from .frechet import tree_distances as tree_distances
    from .judge import Judge as Judge
    from .linear_probe import LinearProbe as LinearProbe
    from .naive_bayes import NaiveBayes as NaiveBayes
    from .open_set import OpenSet as OpenSet
    from .prototypes import Prototypes as Prototypes
    from .conformal import ConformalCut as ConformalCut
    from .conformal import conformal_cut as conformal_cut
    from .cuts import cut_at_count as cut_at_count
    from .cuts import cut_at_distance as cut_at_distance
    from .cuts import cut_at_jump as cut_at_jump
    from .judge import Judge as Judge
    from .query_calibration import QueryCalibrator as QueryCalibrator
    from .query_calibration import labels_from_clicks as labels_from_clicks
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
    from .token_moments import TokenMoments as TokenMoments

__all__ = [
    "Fusion",
    "FusionReport",
    "Judge",
    "Rate",
    "compare_fusion",
    "normalized_sum",
    "reciprocal_rank_fusion",
    "FrechetClassifier",
    "Judge",
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
    "ConformalCut",
    "Judge",
    "QueryCalibrator",
    "Rate",
    "conformal_cut",
    "cut_at_count",
    "cut_at_distance",
    "cut_at_jump",
    "labels_from_clicks",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Fusion": ".fusion",
        "FusionReport": ".fusion_report",
        "Judge": ".judge",
        "Rate": ".rate",
        "compare_fusion": ".fusion_report",
        "normalized_sum": ".rank_fusion",
        "reciprocal_rank_fusion": ".rank_fusion",
        "DescriptionSelection": ".description_selection",
        "Judge": ".judge",
        "LabelVectors": ".label_vectors",
        "FrechetClassifier": ".frechet",
        "Judge": ".judge",
        "LinearProbe": ".linear_probe",
        "NaiveBayes": ".naive_bayes",
        "OpenSet": ".open_set",
        "Prototypes": ".prototypes",
        "Rate": ".rate",
        "Terms": ".zero_shot",
        "ZeroShotClassifier": ".zero_shot",
        "class_texts": ".texts",
        "TokenMoments": ".token_moments",
        "frechet_mean": ".frechet",
        "next_class": ".frechet",
        "predictable": ".frechet",
        "tree_distances": ".frechet",
        "ConformalCut": ".conformal",
        "Judge": ".judge",
        "QueryCalibrator": ".query_calibration",
        "Rate": ".rate",
        "conformal_cut": ".conformal",
        "cut_at_count": ".cuts",
        "cut_at_distance": ".cuts",
        "cut_at_jump": ".cuts",
        "labels_from_clicks": ".query_calibration",
    },
)
