"""The durable collection: one directory with a catalogue (SQLite) and immutable segment files.

What is promised is in ``docs/guarantees.md``, the files are described in ``docs/format.md``. From the bottom up:
``catalogue`` commits, ``segment`` and ``pending`` hold rows, ``snapshot`` shows one committed moment, ``search`` asks
it, ``writing`` and ``maintenance`` change it, ``store`` is the door.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .collections import Collections as Collections
    from .conditions import Condition as Condition
    from .filters import Filter as Filter
    from .hits import Batch as Batch
    from .hits import Hit as Hit
    from .hits import Hits as Hits
    from .hits import Item as Item
    from .reclaiming import Reclaimable as Reclaimable
    from .sizing import Estimate as Estimate
    from .sizing import estimate as estimate
    from .store import Store as Store
    from .upgrade import Upgrade as Upgrade
    from .verify import VerifyReport as VerifyReport

__all__ = [
    "Batch",
    "Collections",
    "Condition",
    "Estimate",
    "Filter",
    "Hit",
    "Hits",
    "Item",
    "Reclaimable",
    "Store",
    "Upgrade",
    "VerifyReport",
    "estimate",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Batch": ".hits",
        "Collections": ".collections",
        "Condition": ".conditions",
        "Estimate": ".sizing",
        "Filter": ".filters",
        "Hit": ".hits",
        "Hits": ".hits",
        "Item": ".hits",
        "Reclaimable": ".reclaiming",
        "Store": ".store",
        "Upgrade": ".upgrade",
        "VerifyReport": ".verify",
        "estimate": ".sizing",
    },
)
