"""What every room stands on: errors, argument checks, the door to disk, the array container, progress, the registry."""

from .errors import CorruptFileError, FilterError, FormatVersionError, MissingExtraError, StoreLockedError
from .progress import Progress

__all__ = [
    "CorruptFileError",
    "FilterError",
    "FormatVersionError",
    "MissingExtraError",
    "Progress",
    "StoreLockedError",
]
