"""Distances to decisions: calibrated relevance, a cut-off of stated error, classes from few labels or texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .class_subspaces import ClassSubspaces as ClassSubspaces
    from .conformal import ConformalCut as ConformalCut
    from .conformal import conformal_cut as conformal_cut
    from .cuts import cut_at_count as cut_at_count
    from .cuts import cut_at_distance as cut_at_distance
    from .cuts import cut_at_jump as cut_at_jump
    from .description_selection import DescriptionSelection as DescriptionSelection
    from .exemplars import ExemplarMemory as ExemplarMemory
    from .frechet import FrechetClassifier as FrechetClassifier
    from .frechet import frechet_mean as frechet_mean
    from .frechet import next_class as next_class
    from .frechet import predictable as predictable
    from .frechet import tree_distances as tree_distances
    from .fusion import Fusion as Fusion
    from .fusion_report import FusionReport as FusionReport
    from .fusion_report import compare_fusion as compare_fusion
    from .judge import Judge as Judge
    from .label_shift import LatentLabelShift as LatentLabelShift
    from .label_vectors import LabelVectors as LabelVectors
    from .linear_probe import LinearProbe as LinearProbe
    from .linking import EntityLinker as EntityLinker
    from .naive_bayes import NaiveBayes as NaiveBayes
    from .open_set import OpenSet as OpenSet
    from .open_vocabulary import OpenVocabulary as OpenVocabulary
    from .open_vocabulary import names_in as names_in
    from .propagation import PrototypePropagation as PrototypePropagation
    from .prototypes import Prototypes as Prototypes
    from .query_calibration import QueryCalibrator as QueryCalibrator
    from .query_calibration import labels_from_clicks as labels_from_clicks
    from .query_judge import QueryJudge as QueryJudge
    from .rank_fusion import normalized_sum as normalized_sum
    from .rank_fusion import reciprocal_rank_fusion as reciprocal_rank_fusion
    from .rate import Rate as Rate
    from .sentence_sets import SentenceSetClassifier as SentenceSetClassifier
    from .texts import class_texts as class_texts
    from .token_moments import TokenMoments as TokenMoments
    from .views import Views as Views
    from .zero_shot import Terms as Terms
    from .zero_shot import ZeroShotClassifier as ZeroShotClassifier

__all__ = [
    "ClassSubspaces",
    "ConformalCut",
    "DescriptionSelection",
    "EntityLinker",
    "ExemplarMemory",
    "FrechetClassifier",
    "Fusion",
    "FusionReport",
    "Judge",
    "LabelVectors",
    "LatentLabelShift",
    "LinearProbe",
    "NaiveBayes",
    "OpenSet",
    "OpenVocabulary",
    "PrototypePropagation",
    "Prototypes",
    "QueryCalibrator",
    "QueryJudge",
    "Rate",
    "SentenceSetClassifier",
    "Terms",
    "TokenMoments",
    "Views",
    "ZeroShotClassifier",
    "class_texts",
    "compare_fusion",
    "conformal_cut",
    "cut_at_count",
    "cut_at_distance",
    "cut_at_jump",
    "frechet_mean",
    "labels_from_clicks",
    "names_in",
    "next_class",
    "normalized_sum",
    "predictable",
    "reciprocal_rank_fusion",
    "tree_distances",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ClassSubspaces": ".class_subspaces",
        "ConformalCut": ".conformal",
        "DescriptionSelection": ".description_selection",
        "EntityLinker": ".linking",
        "ExemplarMemory": ".exemplars",
        "FrechetClassifier": ".frechet",
        "Fusion": ".fusion",
        "FusionReport": ".fusion_report",
        "Judge": ".judge",
        "LabelVectors": ".label_vectors",
        "LatentLabelShift": ".label_shift",
        "LinearProbe": ".linear_probe",
        "NaiveBayes": ".naive_bayes",
        "OpenSet": ".open_set",
        "OpenVocabulary": ".open_vocabulary",
        "PrototypePropagation": ".propagation",
        "Prototypes": ".prototypes",
        "QueryCalibrator": ".query_calibration",
        "QueryJudge": ".query_judge",
        "Rate": ".rate",
        "SentenceSetClassifier": ".sentence_sets",
        "Terms": ".zero_shot",
        "TokenMoments": ".token_moments",
        "Views": ".views",
        "ZeroShotClassifier": ".zero_shot",
        "class_texts": ".texts",
        "compare_fusion": ".fusion_report",
        "conformal_cut": ".conformal",
        "cut_at_count": ".cuts",
        "cut_at_distance": ".cuts",
        "cut_at_jump": ".cuts",
        "frechet_mean": ".frechet",
        "labels_from_clicks": ".query_calibration",
        "names_in": ".open_vocabulary",
        "next_class": ".frechet",
        "normalized_sum": ".rank_fusion",
        "predictable": ".frechet",
        "reciprocal_rank_fusion": ".rank_fusion",
        "tree_distances": ".frechet",
    },
)
