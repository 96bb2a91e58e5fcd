"""One thread of BLAS, for answers that must not depend on how many there are."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import ThreadpoolController

# Looking for the libraries of BLAS reads the process's memory map, a millisecond; a new one comes with a new module.
_found: tuple[int, ThreadpoolController] | None = None


def one_blas_thread() -> AbstractContextManager[Any]:
    """Products of matrices run on one thread within the ``with`` block: sums in the same order on every machine.

    Examples
    --------
    >>> import numpy as np
    >>> with one_blas_thread():
    ...     (np.ones((2, 3)) @ np.ones((3, 2))).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    global _found
    modules = len(sys.modules)
    if _found is None or _found[0] != modules:
        _found = modules, ThreadpoolController()
    limited: AbstractContextManager[Any] = _found[1].limit(limits=1, user_api="blas")
    return limited
