"""K-subspaces and the denoiser of that mixture: when subspaces are found, and what knowing them cleans on images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from sklearn.datasets import load_digits

from ..datasets import load
from ..transform import KSubspaces
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "diffusion_subspace",
    "Diffusion Models Learn Low-Dimensional Distributions via Subspace Clustering",
    "nearfield.transform.KSubspaces and its denoise(); no diffusion model is trained.",
)
JUMP = Claim("Subspaces are found once a cluster has about as many rows as dimensions, and not with half of them.")
LINEAR = Claim("The rows that are needed grow in proportion to the dimensions of the subspaces.")
AMBIENT = Claim("The rows that are needed do not grow with the dimensions the subspaces lie in.")
LOSS = Claim(
    "Where K-subspaces loses less, the denoiser's loss on noisy rows is smaller too: the two order fits alike."
)
CLASSES = Claim("On images, subspaces of the classes clean better than one PCA that keeps as many numbers a row.")
PARAMETERS = Claim("They still do against one PCA of as many parameters in all.")
CLAIMS = (JUMP, LINEAR, AMBIENT, LOSS, CLASSES, PARAMETERS)
_NOISE = 0.3
_FOUND = 0.95


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    dims = setting.pick((3, 6, 12), (3, 6))
    trials = setting.pick(5, 1)
    ratios = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
    curves = {dim: {ratio: _recovered(dim, ratio, 48, trials) for ratio in ratios} for dim in dims}
    text = " ".join(
        f"{dim} dimensions: {', '.join(f'{curve[r]:.2f}' for r in ratios)}." for dim, curve in curves.items()
    )
    text = f"Share of the spans found with {', '.join(f'{ratio:g}' for ratio in ratios)} rows a dimension. {text}"
    needed = {dim: next((r for r in ratios if curve[r] >= _FOUND), np.inf) for dim, curve in curves.items()}
    jump = all(curve[0.5] < 0.8 and curve[1.0] >= _FOUND for curve in curves.values())
    later = all(curve[0.5] < 0.8 and curve[8.0] >= _FOUND for curve in curves.values())
    why = "it takes " + ", ".join(f"{needed[dim]:g}" for dim in dims) + " rows a dimension"
    yield Finding(JUMP, text, Verdict.of(jump, in_part=later, why=why), {"curves": curves})

    grown = np.polyfit(np.log(dims), np.log([needed[dim] * dim for dim in dims]), 1)[0]
    found, true = _losses(dims[-1], 2.0, 48, trials)
    text = f"Rows a dimension until {_FOUND} of the spans are found: "
    text += (
        ", ".join(f"{needed[dim]:g} with {dim}" for dim in dims) + f", so that rows grow with the power {grown:.2f}. "
    )
    text += (
        f"With {dims[-1]} dimensions and 2 rows a dimension the search ends at a loss of {found:.1f}, where the true "
    )
    text += f"subspaces have {true:.1f}."
    why = "rows grow faster; it is the search from 30 beginnings that fails, where the true subspaces fit better"
    yield Finding(LINEAR, text, Verdict.of(bool(grown <= 1.2), in_part=found > true + 0.1, why=why), {})

    ambients = setting.pick((24, 48, 96, 192), (24, 48))
    wide = {ambient: _recovered(dims[1], 4.0, ambient, trials) for ambient in ambients}
    text = f"With {dims[1]} dimensions and 4 rows a dimension, in {', '.join(map(str, ambients))} dimensions "
    text += ", ".join(f"{share:.2f}" for share in wide.values()) + " of the spans are found."
    good = wide[ambients[-1]] >= wide[ambients[0]] - 0.05
    yield Finding(AMBIENT, text, Verdict.of(good, why="more are needed in wider spaces"), {"ambient": wide})

    agree = _agreement(setting.pick(12, 4))
    text = f"Rank correlation of both losses over {agree[1]} fits, stopped after 0 to 100 steps: {agree[0]:.2f}."
    yield Finding(LOSS, text, Verdict.of(agree[0] >= 0.9, in_part=agree[0] >= 0.6, why="only roughly"), {})

    errors = {name: _cleaned(rows, labels, test, setting) for name, (rows, labels, test) in _sets(setting).items()}
    text = " ".join(
        f"{name}, of a mean square of {one['noise']:.3f}, with {_list(one['ranks'])} numbers a row: "
        f"{_list(one['classes'])} left by class, {_list(one['found'])} by clusters found, {_list(one['pca'])} by PCA."
        for name, one in errors.items()
    )
    better = [bool(c < p) for one in errors.values() for c, p in zip(one["classes"], one["pca"], strict=True)]
    why = f"better in {sum(better)} of {len(better)} cases"
    yield Finding(CLASSES, text, Verdict.of(all(better), in_part=any(better), why=why), {"errors": errors})

    text = " ".join(
        f"{name}: {_list(one['classes'])} by class, {_list(one['wide'])} by PCA of {_list(one['directions'])} "
        f"directions; the best PCA of any size leaves {one['best']:.4f}."
        for name, one in errors.items()
    )
    better = [bool(c < p) for one in errors.values() for c, p in zip(one["classes"], one["wide"], strict=True)]
    why = f"better in {sum(better)} of {len(better)} cases; few directions of a class miss what a wide PCA keeps"
    yield Finding(PARAMETERS, text, Verdict.of(all(better), in_part=any(better), why=why))


def _union(dim: int, rows: int, ambient: int, rng: np.random.Generator, groups: int = 3) -> tuple[np.ndarray, ...]:
    """``(rows, subspace of each, bases)`` of a union of random subspaces."""
    bases = np.stack([np.linalg.qr(rng.standard_normal((ambient, dim)))[0].T for _ in range(groups)])
    drawn = np.concatenate([rng.standard_normal((rows, dim)) @ basis for basis in bases])
    return drawn, np.repeat(np.arange(groups), rows), bases


def _recovered(dim: int, ratio: float, ambient: int, trials: int) -> float:
    """Share of the true spans that the fitted ones hold, by the best matching; the mean over samples."""
    shares = []
    for fitted, bases, _, _ in _fits(dim, ratio, ambient, trials):
        held = (np.einsum("kid,ljd->klij", bases, fitted.components_) ** 2).sum(axis=(2, 3)) / dim
        shares.append(held[linear_sum_assignment(-held)].mean())
    return float(np.mean(shares))


def _losses(dim: int, ratio: float, ambient: int, trials: int) -> tuple[float, float]:
    """The clustering loss where the search ended, and with every row in its true group; means over samples."""
    pairs = [
        (fitted.inertia_, KSubspaces(3, dim, max_iter=0).fit(rows, assignment=labels).inertia_)
        for fitted, _, rows, labels in _fits(dim, ratio, ambient, trials)
    ]
    found, true = np.mean(pairs, axis=0)
    return float(found), float(true)


def _fits(dim: int, ratio: float, ambient: int, trials: int) -> Iterator[tuple[KSubspaces, Any, Any, Any]]:
    for seed in range(trials):
        rng = np.random.default_rng([seed, dim, ambient])
        rows, labels, bases = _union(dim, max(1, round(ratio * dim)), ambient, rng)
        yield KSubspaces(3, n_components=dim, n_init=30, random_state=seed).fit(rows), bases, rows, labels


def _agreement(fits: int) -> tuple[float, int]:
    """Rank correlation of the clustering loss and of the denoiser's over fits that begin at random and stop early."""
    rng = np.random.default_rng(0)
    rows, _, _ = _union(4, 60, 24, rng, groups=4)
    noisy = rows + _NOISE * rng.standard_normal(rows.shape)
    losses = []
    for seed in range(fits):
        begun = np.random.default_rng(seed).integers(0, 4, len(rows))
        for steps in (0, 1, 2, 4, 8, 100):
            fitted = KSubspaces(4, n_components=4, max_iter=steps).fit(rows, assignment=begun)
            losses.append((fitted.inertia_, ((fitted.denoise(noisy, _NOISE) - rows) ** 2).mean()))
    return float(spearmanr(*zip(*losses, strict=True))[0]), len(losses)


def _sets(setting: Setting) -> dict[str, tuple[np.ndarray, ...]]:
    """``name -> (rows, labels, test rows)``, pixels from 0 to 1."""
    clothes, digits = load("fashion_mnist"), load_digits()
    pixels, order = np.asarray(digits.data) / 16, np.random.default_rng(0).permutation(len(digits.data))
    cut = len(order) * 2 // 3
    rows, asked = setting.pick(10_000, 500), setting.pick(2_000, 100)
    images = (clothes.train[:rows] / 255, clothes.train_labels[:rows], clothes.test[:asked] / 255)
    return {
        "digits": (pixels[order[:cut]], digits.target[order[:cut]], pixels[order[cut:]]),
        "Fashion-MNIST": images,
    }


def _cleaned(rows: np.ndarray, labels: np.ndarray, test: np.ndarray, setting: Setting) -> dict[str, Any]:
    """Mean square error left on ``test`` with noise, by each way; every one shrinks as its own model says."""
    noisy = test + _NOISE * np.random.default_rng(0).standard_normal(test.shape)
    ranks = (2, 4, 8) if rows.shape[1] < 100 else setting.pick((5, 20, 40), (5,))

    def left(cleaned: np.ndarray) -> float:
        return float(((cleaned - test) ** 2).mean())

    def by(subspaces: int, rank: int, assignment: np.ndarray | None = None) -> float:
        steps = 0 if assignment is not None else setting.pick(20, 5)
        model = KSubspaces(
            subspaces, rank, affine=True, n_init=setting.pick(1 if rows.shape[1] > 100 else 5, 1), max_iter=steps
        )
        return left(model.fit(rows, assignment=assignment).denoise(noisy, _NOISE))

    # Ten subspaces have ten means and ten bases: a PCA of as many parameters has all the vectors but one as directions.
    directions = [min(10 * (rank + 1) - 1, rows.shape[1]) for rank in ranks]
    single = {count: by(1, count) for count in sorted({*ranks, *directions, rows.shape[1] // 2})}
    return {
        "noise": left(noisy),
        "ranks": list(ranks),
        "classes": [by(10, rank, labels) for rank in ranks],
        "found": [by(10, rank) for rank in ranks],
        "pca": [single[rank] for rank in ranks],
        "wide": [single[count] for count in directions],
        "directions": directions,
        "best": min(single.values()),
    }


def _list(values: list[Any]) -> str:
    return ", ".join(f"{value:.4f}" if isinstance(value, float) else str(value) for value in values)
