"""Codecs: how a vector is kept in fewer bytes, and how near a query is to what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .centroid import CentroidQuantizer as CentroidQuantizer
    from .codec import Codec as Codec
    from .codec import codec_from_dict as codec_from_dict
    from .floats import Float16 as Float16
    from .floats import Float32 as Float32
    from .loss import CodecLoss as CodecLoss
    from .loss import codec_loss as codec_loss
    from .lowrank import LowRankQuantizer as LowRankQuantizer
    from .recurrent import RecurrentBinary as RecurrentBinary
    from .residual import ProductQuantizer as ProductQuantizer
    from .residual import ResidualQuantizer as ResidualQuantizer
    from .rotated import RotatedQuantizer as RotatedQuantizer
    from .scalar import ScalarQuantizer as ScalarQuantizer
    from .two_level import TwoLevelQuantizer as TwoLevelQuantizer
    from .variance import VarianceQuantizer as VarianceQuantizer

__all__ = [
    "CentroidQuantizer",
    "Codec",
    "CodecLoss",
    "Float16",
    "Float32",
    "LowRankQuantizer",
    "ProductQuantizer",
    "RecurrentBinary",
    "ResidualQuantizer",
    "RotatedQuantizer",
    "ScalarQuantizer",
    "TwoLevelQuantizer",
    "VarianceQuantizer",
    "codec_from_dict",
    "codec_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CentroidQuantizer": ".centroid",
        "Codec": ".codec",
        "CodecLoss": ".loss",
        "Float16": ".floats",
        "Float32": ".floats",
        "LowRankQuantizer": ".lowrank",
        "ProductQuantizer": ".residual",
        "RecurrentBinary": ".recurrent",
        "ResidualQuantizer": ".residual",
        "RotatedQuantizer": ".rotated",
        "ScalarQuantizer": ".scalar",
        "TwoLevelQuantizer": ".two_level",
        "VarianceQuantizer": ".variance",
        "codec_from_dict": ".codec",
        "codec_loss": ".loss",
    },
)
