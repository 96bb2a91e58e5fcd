"""Codecs: how a vector is kept in fewer bytes, and how near a query is to what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .codec import Codec as Codec
    from .codec import codec_from_dict as codec_from_dict
    from .floats import Float16 as Float16
    from .floats import Float32 as Float32
    from .recurrent import RecurrentBinary as RecurrentBinary
    from .rotated import RotatedQuantizer as RotatedQuantizer
    from .scalar import ScalarQuantizer as ScalarQuantizer

__all__ = ["Codec", "Float16", "Float32", "RecurrentBinary", "RotatedQuantizer", "ScalarQuantizer", "codec_from_dict"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Codec": ".codec",
        "Float16": ".floats",
        "Float32": ".floats",
        "RecurrentBinary": ".recurrent",
        "RotatedQuantizer": ".rotated",
        "ScalarQuantizer": ".scalar",
        "codec_from_dict": ".codec",
    },
)
