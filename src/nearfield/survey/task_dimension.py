"""Task dimension: how many numbers a head must learn to tell some labels, whatever the number of its parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real
from .collection import Collection
from .labels import Labels, labelled_part
from .measure import Measure, undefined
from .subspace_network import SubspaceNetwork

_FEWEST = 100
_HELD_OUT = 0.25
_Z = 1.96
# Doublings stop, and halvings go on, until the answer is known within this factor.
_FINE = 1.2
_SOURCE = "Li, Farkhoor, Liu & Yosinski (2018), Measuring the intrinsic dimension of objective landscapes, ICLR"


def task_dimension(
    vectors: Any,
    labels: Any,
    *,
    hidden: tuple[int, ...] = (100,),
    share: float = 0.9,
    on: str = "held-out",
    epochs: int = 40,
    repeats: int = 3,
    sample: int = 10_000,
    random_state: int = 0,
) -> Measure:
    """Task dimension: the smallest random subspace of a head's parameters in which it learns the labels nearly as well.

    A small value says that the labels lie open in this space, and that a head can be stored as a seed and so many
    numbers (:class:`SubspaceNetwork`). Choose it to compare tasks on one space, or one task on two spaces; accuracy
    alone says how well a task is learnt, not how much must be learnt for it. :func:`label_sharpness` is quicker, and
    trains nothing.

    Parameters
    ----------
    vectors : (n, d), used as they are.
    labels : n hashable values, one a row; None and NaN mean no label.
    hidden : units of the hidden layers; () is a linear head.
    share : which share of the whole head's accuracy must be reached; the source takes 0.9.
    on : "held-out" takes accuracy on a quarter of the rows, "training" on the rows that are learnt, for labels that
        mean nothing.
    epochs : passes over the rows; see :class:`SubspaceNetwork`.
    repeats : networks trained for each number of dimensions, with seeds of their own; more narrow the interval.
    sample : so many random rows at most are used.
    random_state : chooses the rows and all seeds.

    Returns
    -------
    Measure
        Value in dimensions, between 1 and the number of parameters: where the mean accuracy over the dimensions, tried
        in doublings and then between, crosses ``share`` of the whole head's. The interval is where the ends of its 95%
        interval cross; it covers the rows and, through the repeats, the seeds. ``parts``: ``parameters``,
        ``compression`` (parameters over value), ``accuracy`` (of the whole head), ``target``. ``arrays``: ``dims`` and
        ``accuracies``. The verdict is unknown: what is much depends on the task.

    Raises
    ------
    ValueError
        For NaN, a share outside (0, 1], and lengths that do not agree.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((600, 16)).astype(np.float32)
    >>> measure = task_dimension(x, x[:, 0] > 0, hidden=(), repeats=1)
    >>> bool(1 <= measure.value <= measure.parts["parameters"])
    True
    """
    name, title = "task_dimension", "Task dimension"
    check_real(share, "share", 0, 1, open_low=True)
    check_choice(on, "on", ("held-out", "training"))
    check_int(repeats, "repeats", 1)
    check_int(sample, "sample", _FEWEST)
    seed = check_random_state(random_state)
    space = Collection.of(vectors, "l2")
    known = Labels.of(labels, len(space))
    why = known.too_few(2)
    if why is not None:
        return undefined(name, title, why, source=_SOURCE)
    rng = np.random.default_rng([seed, 98])
    labelled = rng.permutation(np.flatnonzero(known.labelled))[:sample]
    if len(labelled) < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} labelled rows, and there are {len(labelled)}."
        return undefined(name, title, why, source=_SOURCE)
    part, codes = labelled_part(space, known, labelled)
    rows = np.asarray(part.vectors, np.float32)
    held = max(int(_HELD_OUT * len(rows)), 1) if on == "held-out" else 0
    learnt, asked = slice(held, None), slice(0, held) if held else slice(None)
    if len(np.unique(codes[learnt])) < 2:
        return undefined(name, title, "Unknown: nearly all rows have one label.", source=_SOURCE)

    def right(dim: int | None) -> tuple[np.ndarray, int]:
        """For each row, how often it is told rightly, the mean over the repeats; and the number of parameters."""
        told = np.zeros(len(codes[asked]))
        for repeat in range(repeats):
            net = SubspaceNetwork(dim, hidden=hidden, epochs=epochs, random_state=(seed * 1009 + repeat) % 2**31)
            net.fit(rows[learnt], codes[learnt])
            told += net.predict(rows[asked]) == codes[asked]
        return told / repeats, net.n_parameters_

    whole, parameters = right(None)
    found = {parameters: whole}

    def gap(dim: int) -> tuple[float, float]:
        """How far beyond the target, and the half width of its interval."""
        over = found[dim] - share * whole
        return float(over.mean()), _Z * float(over.std()) / math.sqrt(len(over))

    below, above = 1, parameters
    dim = 2
    while dim < parameters:
        found[dim] = right(dim)[0]
        value, around = gap(dim)
        if value < 0:
            below = dim
        elif above == parameters:
            above = dim
        if value - around > 0:
            break
        dim *= 2
    while above > _FINE * below and above > below + 1:
        middle = round(math.sqrt(below * above))
        found[middle] = right(middle)[0]
        below, above = (middle, above) if gap(middle)[0] < 0 else (below, middle)
    dims = np.array(sorted(found))
    gaps, widths = np.array([gap(int(dim)) for dim in dims]).T
    value, low, high = (_crossing(dims, gaps + side * widths) for side in (0, 1, -1))
    accuracy, target = float(whole.mean()), share * float(whole.mean())
    meaning = (
        f"A head of {parameters:,} parameters reaches {accuracy:.1%} on these labels; {value:,.0f} random directions "
        f"of them reach {share:.0%} of that, so it can be stored in {value / parameters:.1%} of its numbers."
    )
    return Measure(
        name,
        value,
        min(low, value),
        max(high, value),
        meaning,
        title=title,
        unit="dimensions",
        detail=f"Networks with hidden layers {tuple(hidden)}, {repeats} for each of {len(dims)} numbers of dimensions, "
        f"trained on {len(rows) - held:,} rows and asked on {held or len(rows):,} ({on}).{known.left_out(1)}",
        source=_SOURCE,
        parts={
            "parameters": parameters,
            "compression": parameters / value,
            "accuracy": accuracy,
            "target": target,
        },
        arrays={"dims": dims, "accuracies": np.array([float(found[int(dim)].mean()) for dim in dims])},
    )


def _crossing(dims: np.ndarray, gaps: np.ndarray) -> float:
    """Where the gap rises through zero for the first time, between two dimensions on a scale of logarithms."""
    over = np.flatnonzero(gaps >= 0)
    if not over.size:
        return float(dims[-1])
    first = int(over[0])
    if first == 0:
        return float(dims[0]) if dims[0] > 2 else 1.0
    rise = gaps[first] - gaps[first - 1]
    part = -gaps[first - 1] / rise if rise > 0 else 1.0
    return float(dims[first - 1] * (dims[first] / dims[first - 1]) ** part)
