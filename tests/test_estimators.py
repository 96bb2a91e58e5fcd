"""Public estimators keep scikit-learn's rules, as its own checks see them."""

from __future__ import annotations

import inspect

import pytest

from nearfield.common.registry import public_objects

# The checks set n_components to 1 on random rows, and this estimator is there to refuse that.
REFUSED = dict.fromkeys(
    (
        "check_dont_overwrite_parameters",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit2d_predict1d",
    ),
    "truncating random rows to one coordinate is refused",
)


def estimators() -> list[type]:
    from sklearn.base import BaseEstimator

    return [thing for thing in public_objects().values() if inspect.isclass(thing) and issubclass(thing, BaseEstimator)]


def test_there_are_some() -> None:
    assert "PCA" in {estimator.__name__ for estimator in estimators()}


@pytest.mark.parametrize("estimator", estimators(), ids=lambda estimator: estimator.__name__)
def test_scikit_learns_checks(estimator: type) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    refused = REFUSED if estimator.__name__ == "Truncation" else {}
    results = check_estimator(estimator(), expected_failed_checks=refused, on_fail=None, on_skip=None)
    failed = [result for result in results if result["status"] not in ("passed", "xfail", "skipped")]
    assert not failed, "\n".join(f"{result['check_name']}: {result['exception']!r}" for result in failed)
    assert len(results) > 20
