"""Every codec of the room, for the suite that all of them pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nearfield.quantize import (
    CentroidQuantizer,
    Codec,
    Float16,
    Float32,
    LowRankQuantizer,
    ProductQuantizer,
    RecurrentBinary,
    ResidualQuantizer,
    RotatedQuantizer,
    ScalarQuantizer,
    TwoLevelQuantizer,
    VarianceQuantizer,
)

CODECS: dict[str, Callable[[], Codec]] = {
    "Float32": Float32,
    "Float16": Float16,
    "ScalarQuantizer(8)": lambda: ScalarQuantizer(8),
    "ScalarQuantizer(4)": lambda: ScalarQuantizer(4),
    "TwoLevelQuantizer(4)": TwoLevelQuantizer,
    "RotatedQuantizer(1)": lambda: RotatedQuantizer(1, random_state=3),
    "RotatedQuantizer(2)": lambda: RotatedQuantizer(2),
    "RotatedQuantizer(4)": lambda: RotatedQuantizer(4),
    "RotatedQuantizer(8)": lambda: RotatedQuantizer(8),
    "RecurrentBinary(1)": lambda: RecurrentBinary(1),
    "RecurrentBinary(2)": lambda: RecurrentBinary(2),
    "RecurrentBinary(4)": lambda: RecurrentBinary(4),
    "VarianceQuantizer(7)": lambda: VarianceQuantizer(7),
    "CentroidQuantizer(2, 2)": lambda: CentroidQuantizer(2.0, 2),
    "LowRankQuantizer(400)": lambda: LowRankQuantizer(400),
    "ProductQuantizer(5)": lambda: ProductQuantizer(5),
    "ResidualQuantizer(2, 3)": lambda: ResidualQuantizer(2, 3),
    "ResidualQuantizer(4, 8, linear)": lambda: ResidualQuantizer(4, 8, books="linear"),
}


@pytest.fixture(params=CODECS)
def make_codec(request: pytest.FixtureRequest) -> Callable[[], Codec]:
    return CODECS[request.param]


@pytest.fixture
def every_codec() -> list[Callable[[], Codec]]:
    return list(CODECS.values())
