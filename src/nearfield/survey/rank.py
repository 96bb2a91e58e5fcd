"""How many directions the vectors really use: effective rank (RankMe) and participation ratio, from the spectrum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..common.interval import t_quantile
from .collection import Collection
from .measure import Measure, undefined
from .row_sampling import sample_rows

ROWS = 50_000
FEWEST = 10
_EPSILON = 1e-7
_Z = 1.96
# Parts of the rows whose moments are kept apart, an even number; fewer where a matrix is large.
_GROUPS, _GROUPS_WIDE, _WIDE = 10, 4, 2048
_RANKME = "Garrido, Balestriero, Najman & LeCun (2023), RankMe, ICML, eq. 1, epsilon 1e-7"
_PARTICIPATION = "Gao et al. (2017), bioRxiv 214262; trace of the squared covariance without bias as a U-statistic"


@dataclass(frozen=True)
class Spectrum:
    """The second moments of sampled rows, shared by the measures that rest on the spectrum.

    With fewer rows than dimensions, ``rows`` are coordinates in a basis of their own span, which keeps all inner
    products, and with them every spectrum, at a cost that does not grow with the cube of the dimensions. ``basis``
    (d, n) then leads back to the dimensions; else it is None.
    """

    rows: np.ndarray
    dim: int
    total: int
    metric: str
    basis: np.ndarray | None = None
    center: np.ndarray | None = None  # the mean, where rows stand for more than themselves

    @classmethod
    def of(
        cls,
        vectors: Any,
        sample: int | None,
        random_state: int,
        metric: str | None = None,
        sampling: str = "uniform",
    ) -> Spectrum:
        """Take ``sample`` rows (at least eight times the dimensions) of the collection as search sees them.

        By "length" rows are drawn in proportion to their squared length and scaled so that second moments about zero
        are right; what is measured about the mean is then right for :attr:`covariance` only.
        """
        if isinstance(vectors, Spectrum):
            return vectors
        space = Collection.of(vectors, metric)
        chosen: np.ndarray | slice = slice(None)
        check_random_state(random_state)
        if sample is not None:
            check_int(sample, "sample", 2)
            sample = max(sample, 8 * space.dim)
            if sample < len(space) and sampling == "length" and space.norms.max() > 0:
                return cls._by_length(space, sample, random_state)
            if sample < len(space):
                rng = np.random.default_rng([random_state, 40])
                chosen = np.sort(rng.choice(len(space), sample, replace=False))
        rows = space.take(chosen)
        basis = None
        if len(rows) < space.dim:
            basis, inside = np.linalg.qr(rows.T.astype(np.float64))
            rows = inside.T
        return cls(rows, space.dim, len(space), space.metric, basis)

    @property
    def unit_length(self) -> bool:
        """Whether the rows were brought to length one."""
        return self.metric == "cosine"

    @classmethod
    def _by_length(cls, space: Collection, sample: int, random_state: int) -> Spectrum:
        drawn = sample_rows(space, sample, kind="length", random_state=random_state)
        # Scores of rows at length one say nothing, so this is for rows as they are given.
        rows = space.take(drawn.rows).astype(np.float64)
        center = (drawn.scale**2) @ rows / len(space)
        rows *= (drawn.scale * math.sqrt(len(rows) / len(space)))[:, None]
        return cls(rows, space.dim, len(space), space.metric, center=center)

    @cached_property
    def groups(self) -> list[Moments]:
        """Moments of equal parts of the rows (which are in the caller's order, so they are dealt out in turn)."""
        count = _GROUPS if self.dim <= _WIDE else _GROUPS_WIDE
        return [Moments.of(self.rows[start::count]) for start in range(count)]

    @cached_property
    def halves(self) -> tuple[Moments, Moments]:
        """Moments of the even and of the odd rows."""
        return Moments.sum(self.groups[0::2]), Moments.sum(self.groups[1::2])

    def without_a_group(self) -> list[Moments]:
        """The moments with each of the groups left out in turn: replicates for a delete-a-group jackknife."""
        whole = Moments.sum(self.groups)
        return [Moments(whole.gram - g.gram, whole.total - g.total, whole.count - g.count) for g in self.groups]

    def jackknife(self, statistic: Callable[[Moments], float]) -> float:
        """Half the 95% interval of a statistic of the moments (delete-a-group jackknife); NaN when it cannot be had."""
        values = np.array([statistic(part) for part in self.without_a_group() if part.count > 1])
        groups = len(values)
        if groups < len(self.groups) or not np.isfinite(values).all():
            return math.nan
        error = math.sqrt((groups - 1) / groups * float(np.square(values - values.mean()).sum()))
        return t_quantile(groups - 1) * error

    @cached_property
    def mean(self) -> np.ndarray:
        if self.center is not None:
            return self.center
        return np.asarray(self.rows.mean(axis=0, dtype=np.float64))

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance (d, d) about the mean."""
        count = len(self.rows)
        both = self.halves[0].gram + self.halves[1].gram
        return (both - count * np.outer(self.mean, self.mean)) / max(count - 1, 1)

    @cached_property
    def variances(self) -> np.ndarray:
        """Variances along the principal directions, largest first."""
        return np.maximum(np.linalg.eigvalsh(self.covariance)[::-1], 0.0)

    def forms(self, matrix: np.ndarray, center: np.ndarray | None = None) -> np.ndarray:
        """``x' A x`` for every row."""
        found = np.empty(len(self.rows))
        for low in range(0, len(found), 8192):
            block = self.rows[low : low + 8192].astype(np.float64)
            if center is not None:
                block -= center
            found[low : low + 8192] = np.einsum("ij,ij->i", block @ matrix, block)
        return found

    def dimensions_for(self, share: float) -> int:
        """How many principal directions hold ``share`` of the variance."""
        cumulative = self.variances.cumsum()
        if cumulative[-1] <= 0:
            return 0
        return int(np.searchsorted(cumulative, share * cumulative[-1] * (1 - 1e-12)) + 1)

    @property
    def scope(self) -> str:
        count = len(self.rows)
        rows = f"{count:,} rows" if count == self.total else f"{count:,} sampled rows of {self.total:,}"
        rows += ", the longer the likelier" if self.center is not None else ""
        return f"{rows} at length one" if self.unit_length else rows


@dataclass(frozen=True)
class Moments:
    """Sums over some rows: of their outer products, of the rows, and how many there are."""

    gram: np.ndarray
    total: np.ndarray
    count: int

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Of these rows, in float64."""
        return cls(_gram(rows), rows.sum(axis=0, dtype=np.float64), len(rows))

    @classmethod
    def sum(cls, parts: Sequence[Moments]) -> Moments:
        """Of all the rows of ``parts``."""
        gram, total = parts[0].gram.copy(), parts[0].total.copy()
        for part in parts[1:]:
            gram += part.gram
            total += part.total
        return cls(gram, total, sum(part.count for part in parts))

    @property
    def second(self) -> np.ndarray:
        """Mean outer product, about zero."""
        return self.gram / self.count

    @property
    def covariance(self) -> np.ndarray:
        """Covariance about the mean."""
        return (self.gram - np.outer(self.total, self.total / self.count)) / max(self.count - 1, 1)


def effective_rank(
    vectors: Any,
    *,
    sample: int | None = ROWS,
    sampling: str = "auto",
    random_state: int = 0,
    epsilon: float = _EPSILON,
) -> Measure:
    """Effective rank (RankMe): over how many directions the vectors spread, as the exponential of an entropy.

    ``exp(-sum p_k log p_k)`` with ``p_k = sigma_k / sum sigma + epsilon`` over the singular values of the matrix of
    vectors, not centred. Choose it to compare encoders without labels; choose :func:`participation_ratio` when a few
    strong directions should count for more, intrinsic dimension when the data may be curved.

    Parameters
    ----------
    vectors : (n, d), used as they are given (``survey(metric="cosine")`` gives them at length one).
    sample : rows used at most (never fewer than 8 d when there are as many); the paper uses 25,600. None: all.
    sampling : "uniform", or "length", where a row's chance is in proportion to its squared length and its weight makes
        up for it: a uniform sample misses the few long rows that can decide a spectrum. "auto": by length when
        squared lengths differ so much that the rows count for fewer than half as many equal ones.
    random_state : chooses the sample.
    epsilon : the paper's constant for float32.

    Returns
    -------
    Measure
        The value is the paper's number for the rows used. Few rows make it too small (it cannot exceed the number of
        rows), so the interval's upper end adds the bias found by comparing halves with the whole; the rest of the
        interval is analytic, from the influence of each row on the eigenvalues. ``arrays``: ``singular_values``
        and ``variances`` (about the mean). ``parts``: ``dimensions_95`` and ``dimensions_99``: principal directions
        that hold so much of the variance.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((4000, 5)) @ np.eye(5, 40)
    >>> round(effective_rank(x.astype(np.float32)).value, 1)
    5.0
    """
    title = "Effective rank"
    check_choice(sampling, "sampling", ("auto", "uniform", "length"))
    if sampling == "auto" and not isinstance(vectors, Spectrum):
        vectors = Collection.of(vectors)
        sampling = "length" if uneven(vectors) else "uniform"
    spectrum = Spectrum.of(vectors, sample, random_state, sampling=sampling)
    count, dim = len(spectrum.rows), spectrum.dim
    if count < 2:
        return undefined("effective_rank", title, "Unknown: needs at least 2 rows, and there is 1.", source=_RANKME)
    even, odd = (half.gram for half in spectrum.halves)
    whole = (even + odd) / count
    if not np.trace(whole) > 0:
        return undefined("effective_rank", title, "Unknown: every row is zero.", source=_RANKME)
    levels, directions = np.linalg.eigh(whole)
    levels = _clean(levels)
    value, slopes = _rankme(levels, epsilon)
    influence = spectrum.forms((directions * slopes) @ directions.T)
    error = float(influence.std(ddof=1)) / math.sqrt(count)
    bias = 0.0
    if count >= 4:
        parts = [(even, (count + 1) // 2), (odd, count // 2)]
        half = [_rankme(_clean(np.linalg.eigvalsh(g / c))[-min(c, dim) :], epsilon)[0] for g, c in parts]
        bias = max(value - sum(half) / 2, 0.0)
    # Halving doubles the bias to first order; the quarter on top is for the orders above.
    high = float(dim) if count < dim else min(value + 1.25 * bias + _Z * error, dim + 1e-3 * dim)
    share = value / dim
    p95, p99 = spectrum.dimensions_for(0.95), spectrum.dimensions_for(0.99)
    if share >= 0.5:
        verdict, tail = "good", "the dimensions are well used"
    elif share >= 0.15:
        verdict, tail = "fair", "there is room to compress"
    else:
        verdict, tail = "poor", "most dimensions carry little, which wastes memory"
    meaning = f"The vectors spread over about {value:.0f} of {dim} directions: {tail}"
    if p95 == 0:
        verdict, meaning = "poor", "All rows are equal, so every search result is a tie"
    elif p95 < dim:
        meaning += f"; {p95} principal dimensions hold 95% of the variance and {p99} hold 99%"
    warning = " There are fewer rows than dimensions, so the upper end is open." if count < dim else ""
    return Measure(
        "effective_rank",
        value,
        max(min(value - _Z * error, value), 1.0 if value >= 1 else 0.0),
        max(high, value),
        meaning + ".",
        title=title,
        unit="directions",
        verdict=verdict,
        detail=f"From {spectrum.scope}. The interval is analytic (influence of each row on the eigenvalues) and is "
        f"widened upward by {1.25 * bias:.2g} for the finite number of rows, measured on two halves.{warning}",
        source=_RANKME,
        parts={"dimensions": dim, "share_of_dimensions": share, "dimensions_95": p95, "dimensions_99": p99},
        arrays={"singular_values": np.sqrt(levels[::-1] * count), "variances": spectrum.variances},
    )


def uneven(space: Collection) -> bool:
    """Whether squared lengths, as search sees them, differ so much that few long rows can decide a spectrum."""
    if space.metric == "cosine" or not space.norms.max() > 0:
        return False
    squares = (space.norms / space.norms.max()) ** 2
    return bool(squares.sum() ** 2 < 0.5 * len(squares) * np.square(squares).sum())


def participation_ratio(vectors: Any, *, sample: int | None = ROWS, random_state: int = 0) -> Measure:
    """Participation ratio: how many directions share the variance, (sum of variances)^2 / sum of squared variances.

    It counts strong directions more than :func:`effective_rank` and is centred, so a common offset does not enter.

    Parameters
    ----------
    vectors : (n, d), used as they are given.
    sample : rows used at most (never fewer than 8 d when there are as many). None: all.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        Estimated without the bias of the plain formula (which is below the truth by about its square over n), so it
        is right even with fewer rows than dimensions. The interval is analytic.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((4000, 2)) * [3, 1]  # (9 + 1)^2 / (81 + 1)
    >>> round(participation_ratio(x.astype(np.float32)).value, 1)
    1.2
    """
    title = "Participation ratio"
    spectrum = Spectrum.of(vectors, sample, random_state)
    found = shared_variance(spectrum)
    if found is None:
        return undefined("participation_ratio", title, why_no_variance(spectrum), source=_PARTICIPATION)
    value, error = found
    dim = spectrum.dim
    low, high = max(value - _Z * error, 1.0), min(value + _Z * error, float(dim))
    share = value / dim
    return Measure(
        "participation_ratio",
        value,
        min(low, value),
        max(high, value),
        f"The variance is shared as if by {value:.0f} equal direction{'s' if round(value) != 1 else ''} of {dim}"
        + (": no few directions dominate." if share >= 0.3 else ": the strongest directions decide most distances."),
        title=title,
        unit="directions",
        verdict="good" if share >= 0.3 else "fair" if share >= 0.05 else "poor",
        detail=f"From {spectrum.scope}, about their mean. The interval is analytic (influence of each row).",
        source=_PARTICIPATION,
        parts={"dimensions": dim},
        arrays={"variances": spectrum.variances},
    )


def shared_variance(spectrum: Spectrum) -> tuple[float, float] | None:
    """The participation ratio without bias, in [1, d], and its standard error; None when there is no variance."""
    count, dim = len(spectrum.rows), spectrum.dim
    if count < FEWEST:
        return None
    covariance = spectrum.covariance
    center = spectrum.mean
    centred = spectrum.rows - center
    squares = np.einsum("ij,ij->i", centred, centred) * (count / (count - 1))
    # Rows that are equal up to rounding have no variance to share.
    if squares.mean() <= 1e-12 * float(center @ center):
        return None
    trace = float(squares.mean())
    # Sums over pairs of different rows: no row meets itself, which is where the plain formula's bias comes from.
    pairs = count * (count - 1)
    trace_squared = (squares.sum() ** 2 - (squares**2).sum()) / pairs
    around = (count - 1) / count * squares  # squared lengths about the sample mean, without the correction
    square_trace = (float((covariance**2).sum()) * (count - 1) ** 2 - float((around**2).sum())) / pairs
    # Centring at the sample mean leaves every pair a little opposed; its square would count as shared variance.
    square_trace -= (float(around.sum()) / pairs) ** 2
    if square_trace <= 0:
        return float(dim), float(dim)
    value = float(np.clip(trace_squared / square_trace, 1.0, dim))
    # Each row's form with the others only: with few rows, its own share of the covariance would drown the rest.
    others = ((count - 1) * spectrum.forms(covariance, center) - around**2) / (count - 1)
    influence = 2 * trace / square_trace * squares - 2 * (trace / square_trace) ** 2 * others
    first, second = float(influence.var(ddof=1)) / count, (2 * value / count) ** 2
    return value, math.sqrt(first + second)


def why_no_variance(spectrum: Spectrum) -> str:
    """The sentence for a spectrum without a participation ratio."""
    count = len(spectrum.rows)
    if count < FEWEST:
        return f"Unknown: needs at least {FEWEST} rows, and there {'is' if count == 1 else 'are'} {count}."
    return "Unknown: all rows are equal, so there is no variance."


def _gram(rows: np.ndarray) -> np.ndarray:
    """Sum of the outer products of the rows, in float64."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for low in range(0, len(rows), 8192):
        block = rows[low : low + 8192].astype(np.float64)
        total += block.T @ block
    return total


def _clean(levels: np.ndarray) -> np.ndarray:
    """Eigenvalues, rising, with what is only rounding set to zero."""
    return np.where(levels > levels[-1] * len(levels) * 1e-15, levels, 0.0)


def _rankme(levels: np.ndarray, epsilon: float) -> tuple[float, np.ndarray]:
    """The effective rank from eigenvalues of the second moment, and its derivative by each of them."""
    sigma = np.sqrt(levels)
    total = sigma.sum()
    p = sigma / total + epsilon
    value = math.exp(-float(p @ np.log(p)))
    # d value / d p_k = -value (log p_k + 1); p_k = sigma_k / total, sigma_k = sqrt(level_k).
    by_p = -value * (np.log(p) + 1)
    by_sigma = (by_p - float(by_p @ sigma) / total) / total
    with np.errstate(divide="ignore"):
        by_level = np.where(sigma > 0, by_sigma / (2 * np.where(sigma > 0, sigma, 1.0)), 0.0)
    return value, by_level
