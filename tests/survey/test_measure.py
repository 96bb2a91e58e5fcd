import json
import math

import numpy as np
import pytest

from nearfield.survey import Measure
from nearfield.survey.measure import format_number, undefined


def test_refuses_a_value_outside_its_interval():
    with pytest.raises(ValueError, match="expected low <= value <= high"):
        Measure("m", 2.0, 0.0, 1.0, "")


def test_refuses_an_unknown_verdict():
    with pytest.raises(ValueError, match="verdict"):
        Measure("m", 0.5, 0.0, 1.0, "", verdict="splendid")


def test_undefined_is_nan_and_says_why():
    measure = undefined("m", "M", "Unknown: too few rows.")
    assert math.isnan(measure.value)
    assert not measure.known
    assert str(measure) == "M: unknown. Unknown: too few rows."
    assert measure.text() == measure.interval_text() == "-"


def test_to_dict_is_json_without_nan():
    measure = Measure("m", 0.5, 0.4, 0.6, "fine", parts={"a": math.nan, "b": 3}, arrays={"x": np.arange(3.0)})
    text = json.dumps(measure.to_dict(arrays=True), allow_nan=False)
    assert json.loads(text)["parts"] == {"a": None, "b": 3}
    assert json.loads(text)["arrays"] == {"x": [0.0, 1.0, 2.0]}
    assert "arrays" not in measure.to_dict()
    json.dumps(undefined("m", "M", "no").to_dict(), allow_nan=False)


def test_arrays_do_not_take_part_in_equality():
    assert Measure("m", 1, 1, 1, "", arrays={"x": np.zeros(2)}) == Measure("m", 1, 1, 1, "")


@pytest.mark.parametrize(
    ("value", "unit", "step", "text"),
    [
        (17.94, "", None, "17.9"),
        (1234567.0, "", None, "1,234,567"),
        (0.0321, "share", None, "3.21%"),
        (0.0, "share", None, "0%"),
        (313.12, "", 0.6, "313.1"),
        (0.0000186, "", None, "0.000019"),
        (-0.0001, "", None, "-0.0001"),
        (math.nan, "", None, "-"),
    ],
)
def test_numbers_as_people_read_them(value, unit, step, text):
    assert format_number(value, unit, step) == text


def test_one_direction_is_singular():
    assert Measure("m", 1.0, 1.0, 2.0, "", unit="directions").text() == "1 direction"
    assert Measure("m", 1.0, 1.0, 2.0, "", unit="share").text() == "100%"
