"""Noise for training: rows made rough, so that what is learnt from them bears what it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_random_state, check_real
from .estimator import FLOATS
from .moments import Moments


def perturb(
    X: Any, scale: float = 0.08, *, differences: Any = None, copies: int = 1, random_state: int = 0
) -> np.ndarray:
    """Rows of length one with Gaussian noise added and brought to length one again: (copies * n, d).

    Train a head on them when it is to be used on another modality, of which there is nothing to train on: a boundary
    that leaves room for noise leaves room for a gap. Only for training; rows to be judged stay as they are. With rows
    of the other modality at hand :class:`GapShift` is the first try: between words and pixels of a contrastive space it
    gained 8 points of accuracy, the best noise 2, and where there was no gap that noise cost 20.

    Parameters
    ----------
    X : (n, d) rows, none of them zero; they are brought to length one first.
    scale : standard deviation of the noise in each coordinate, from 0. Its length is ``scale * sqrt(d)``: 0.08 in 768
        dimensions, the paper's, is 2.2 times a row's own, and in 256 dimensions 0.14 is the same. Choose it on rows of
        the other modality if a few are labelled: too little leaves the gap, too much leaves nothing.
    differences : (m, d) rows of the other modality less their partners among unit rows like ``X``; noise with their
        mean and covariance is added too, which puts it where the modalities differ. From a few hundred pairs on.
    copies : how many rough rows to make of each row; they come block after block.

    Notes
    -----
    Source: Gu, Clark and Kembhavi, I can't believe there's no images! Learning visual tasks using only language
    supervision (ICCV 2023), section 3.2 and, for ``differences``, their structured noise. There the noise is drawn
    anew in every epoch; ``copies`` stands for that.

    Examples
    --------
    >>> X = np.eye(3, dtype=np.float32)
    >>> rough = perturb(X, 0.1, copies=2)
    >>> rough.shape, rough.dtype, bool((rough[:3] * X).sum(axis=1).min() > 0.9)
    ((6, 3), dtype('float32'), True)
    """
    X = check_array(X, dtype=FLOATS, input_name="X")
    check_real(scale, "scale", 0.0, np.inf, open_high=True)
    check_int(copies, "copies", 1)
    rng = np.random.default_rng(check_random_state(random_state))
    rows = _unit(np.asarray(X, np.float64))
    rough = np.tile(rows, (copies, 1))
    if differences is not None:
        differences = check_array(differences, dtype=FLOATS, ensure_min_samples=2, input_name="differences")
        if differences.shape[1] != X.shape[1]:
            raise ValueError(f"differences: expected {X.shape[1]} dimensions, as X has, got {differences.shape[1]}")
        moments = Moments(X.shape[1]).add(differences)
        with one_blas_thread():
            values, vectors = np.linalg.eigh(moments.scatter / (moments.count - 1))
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            rough += moments.mean + rng.standard_normal(rough.shape) @ root.T
    if scale:
        rough += scale * rng.standard_normal(rough.shape)
    return _unit(rough).astype(np.float64 if X.dtype == np.float64 else np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"X: expected rows that are not zero, got zeros in row {int(np.argmin(lengths))}")
    return rows / lengths
