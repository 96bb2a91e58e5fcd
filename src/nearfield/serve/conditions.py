"""Conditions of a search as a client sends them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..store import Condition


def sent(where: Any) -> Any:
    """``where`` as JSON, of one query or of a list of them; a test of one's own stays where its function is.

    Examples
    --------
    >>> sent("year > 2020"), sent(Condition("year > 2020", ids=["a"]))
    ('year > 2020', {'where': 'year > 2020', 'ids': ['a']})
    """
    if isinstance(where, list | tuple | np.ndarray):
        return [sent(one) for one in where]
    if not isinstance(where, Condition):
        return where
    if where.test is not None:
        raise TypeError("where: a test is a function, which is not sent; filter what comes back, or use an attribute")
    return where.where if where.ids is None else {"where": where.where, "ids": where.ids.to_list()}
