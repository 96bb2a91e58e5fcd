"""Public estimators keep scikit-learn's rules, as its own checks see them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from nearfield.common.registry import public_objects

# These choose a parameter by pairs held out unless it is given, and then cannot be fitted in parts; what is checked of
# that runs with it given, below.
IN_PARTS = dict.fromkeys(
    (
        "check_estimators_partial_fit_n_features",
        "check_fit_score_takes_y",
        "check_n_features_in_after_fitting",
        "check_dataframe_column_names_consistency",
    ),
    "partial_fit wants a parameter",
)
REFUSED = {
    # The checks set n_components to 1 on random rows, and this estimator is there to refuse that.
    "Truncation": dict.fromkeys(
        (
            "check_dont_overwrite_parameters",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_fit2d_predict1d",
        ),
        "truncating random rows to one coordinate is refused",
    ),
    "CanonicalCorrelation": IN_PARTS,
    "LowRankMap": IN_PARTS,
}
GIVEN = {"CanonicalCorrelation": {"shrinkage": 0.1}, "LowRankMap": {"rank": 1}}


def estimators() -> list[type]:
    from sklearn.base import BaseEstimator

    return [thing for thing in public_objects().values() if inspect.isclass(thing) and issubclass(thing, BaseEstimator)]


def test_there_are_some() -> None:
    assert "PCA" in {estimator.__name__ for estimator in estimators()}


@pytest.mark.parametrize("estimator", estimators(), ids=lambda estimator: estimator.__name__)
def test_scikit_learns_checks(estimator: type) -> None:
    check(estimator(), REFUSED.get(estimator.__name__, {}))


@pytest.mark.parametrize("name", GIVEN)
def test_scikit_learns_checks_with_what_parts_want(name: str) -> None:
    (estimator,) = (one for one in estimators() if one.__name__ == name)
    check(estimator(**GIVEN[name]), {})


def check(estimator: Any, refused: dict[str, str]) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(estimator, expected_failed_checks=refused, on_fail=None, on_skip=None)
    failed = [result for result in results if result["status"] not in ("passed", "xfail", "skipped")]
    assert not failed, "\n".join(f"{result['check_name']}: {result['exception']!r}" for result in failed)
    assert len(results) > 20
