"""Sensitivity sampling: how well a small sample of rows keeps l_p norms, and where a uniform one does as well."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..survey import RowSample, effective_rank, row_sensitivities, sample_rows
from ..transform import PCA
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "lp_sensitivity",
    "Sharper Bounds for l_p Sensitivity Sampling",
    "nearfield.survey.sample_rows and row_sensitivities; the survey draws rows by length for the effective rank where "
    "lengths are uneven.",
)
NORMS = Claim(
    "A sample of S^(2/p) log d rows (p below 2) or S^(2 - 2/p) log d rows (above), S the total sensitivity, keeps "
    "||Ax||_p within 20% for random and adversarial x, where a few heavy rows matter."
)
UNIFORM = Claim("A uniform sample of the same size has at least three times the worst error on that matrix.")
PLAIN = Claim("On rows without heavy ones a uniform sample is as good: its worst error is at most 1.5 times as large.")
ROOT = Claim("For p below 2 root leverage scores, one pass over the rows, do as well as sensitivities.")
SPECTRUM = Claim(
    "In the survey: drawn by length, a sample gives the effective rank of rows of uneven length within 5%, a uniform "
    "one is at least three times as far off; on rows of one length there is no difference."
)
CLAIMS = (NORMS, UNIFORM, PLAIN, ROOT, SPECTRUM)
_POWERS = (1.0, 1.5, 3.0)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base = material.wordnet(setting.pick(30_000, 8_000), 10)[0]
    plain = PCA(setting.pick(24, 8), center=False).fit(base).transform(base)
    heavy = _with_heavy_rows(plain)
    worst: dict[str, dict[str, float]] = {}
    sizes = {}
    for p in _POWERS:
        for name, rows in (("heavy", heavy), ("plain", plain)):
            scores = row_sensitivities(rows, p)
            total, dim = float(scores.sum()), rows.shape[1]
            size = int(min(total ** (2 / p if p < 2 else 2 - 2 / p) * np.log(dim), len(rows)))
            key = f"{name}, p = {p:g}"
            sizes[key] = size
            seeds = range(setting.pick(3, 1))
            drawn = {
                "sensitivities": [sample_rows(rows, size, p=p, random_state=seed) for seed in seeds],
                "twice": [sample_rows(rows, 2 * size, p=p, random_state=seed) for seed in seeds],
                "uniform": [_uniform(len(rows), size, p, seed) for seed in seeds],
            }
            if p < 2:
                drawn["root leverage"] = [
                    sample_rows(rows, size, p=p, kind="root_leverage", random_state=seed) for seed in seeds
                ]
            adversary = np.argsort(-scores)[:30]
            worst[key] = {
                kind: float(np.mean([_worst(rows, one, p, adversary) for one in samples]))
                for kind, samples in drawn.items()
            }
    hard = {key: found for key, found in worst.items() if key.startswith("heavy")}
    easy = {key: found for key, found in worst.items() if key.startswith("plain")}
    text = "Worst relative error over random and adversarial x, mean of the draws: "
    text += "; ".join(
        f"p = {key[11:]}: {f['sensitivities']:.3f} with {sizes[key]:,} rows (twice: {f['twice']:.3f})"
        for key, f in hard.items()
    )
    text += f" of {len(heavy):,} glosses in {heavy.shape[1]} dimensions, forty of them heavy."
    within = [found["sensitivities"] < 0.2 for found in hard.values()]
    numbers = {"worst": worst, "rows": sizes}
    why = "not for " + ", ".join(key[7:] for key, fine in zip(hard, within, strict=True) if not fine)
    yield Finding(NORMS, text, Verdict.of(all(within), in_part=any(within), why=why), numbers)

    times = {key: found["uniform"] / found["sensitivities"] for key, found in hard.items()}
    text = "; ".join(f"{key[7:]}: {hard[key]['uniform']:.2f}, {ratio:.0f} times" for key, ratio in times.items()) + "."
    enough = [ratio >= 3 for ratio in times.values()]
    yield Finding(UNIFORM, text, Verdict.of(all(enough), in_part=any(enough), why="the heavy rows were often drawn"))

    times = {key: found["uniform"] / found["sensitivities"] for key, found in easy.items()}
    text = "; ".join(
        f"{key[7:]}: uniform {easy[key]['uniform']:.3f}, sensitivities {easy[key]['sensitivities']:.3f}" for key in easy
    )
    most, least = max(times.values()), min(times.values())
    yield Finding(PLAIN, text + ".", Verdict.of(most <= 1.5, in_part=least <= 1.5, why="for some p it is worse"), times)

    times = {key: f["root leverage"] / f["sensitivities"] for key, f in worst.items() if "root leverage" in f}
    text = "Worst error over that of sensitivities: " + "; ".join(f"{key}: {t:.2f}" for key, t in times.items()) + "."
    fine = [ratio <= 1.25 for ratio in times.values()]
    yield Finding(ROOT, text, Verdict.of(all(fine), in_part=any(fine), why="worse for some"), times)

    off = {name: _ranks(rows, setting) for name, rows in (("uneven", _uneven(base)), ("one length", base))}
    text = "; ".join(
        f"{name}: by length {by['length']:.1%} off, uniform {by['uniform']:.1%}" for name, by in off.items()
    )
    text += f" ({len(base):,} glosses, 384 dimensions, one in a thousand made 30 times as long; 3,072 drawn)."
    ratio = off["uneven"]["uniform"] / off["uneven"]["length"]
    why = f"a uniform one is {ratio:.1f} times as far off: few rows alone cost {off['one length']['uniform']:.1%}"
    won = off["uneven"]["length"] < 0.05 and ratio >= 3
    same = abs(off["one length"]["length"] - off["one length"]["uniform"]) < 0.01
    yield Finding(SPECTRUM, text, Verdict.of(won and same, in_part=won or same, why=why), off)


def _with_heavy_rows(plain: np.ndarray) -> np.ndarray:
    """Forty rows moved into eight directions of their own, of very different lengths."""
    rng = np.random.default_rng(1)
    made = np.hstack([plain, np.zeros((len(plain), 8), np.float32)])
    rows = rng.permutation(len(plain))[:40]
    made[rows] = 0
    lengths = np.exp(rng.normal(2, 1, 40)) * np.linalg.norm(plain, axis=1).mean()
    made[rows, plain.shape[1] + np.arange(40) % 8] = lengths
    return made


def _uneven(base: np.ndarray) -> np.ndarray:
    made = base.copy()
    made[np.random.default_rng(2).permutation(len(base))[: len(base) // 1000]] *= 30
    return made


def _uniform(count: int, size: int, p: float, seed: int) -> RowSample:
    rows, chances = np.random.default_rng(seed).permutation(count)[:size], np.full(size, size / count)
    return RowSample(rows, chances, chances ** (-1 / p), 1.0)


def _worst(rows: np.ndarray, drawn: RowSample, p: float, adversary: np.ndarray) -> float:
    """The largest relative error of ||Ax||_p: random x, x turned to the heaviest rows, and a few steps uphill."""
    a = rows.astype(np.float64)
    sample = a[drawn.rows] * drawn.scale[:, None]
    whiten = np.linalg.pinv(a.T @ a)
    start = np.random.default_rng(3).standard_normal((a.shape[1], 20))
    x = np.hstack([start, whiten @ a[adversary].T, np.linalg.eigh(sample.T @ sample)[1]])
    worst = 0.0
    for _ in range(6):
        whole, part = a @ x, sample @ x
        sums = (np.abs(whole) ** p).sum(0), (np.abs(part) ** p).sum(0)
        error = (sums[1] / sums[0]) ** (1 / p) - 1
        worst = max(worst, float(np.abs(error).max()))
        slope = sample.T @ (np.sign(part) * np.abs(part) ** (p - 1)) / np.maximum(sums[1], 1e-300)
        slope -= a.T @ (np.sign(whole) * np.abs(whole) ** (p - 1)) / sums[0]
        step = whiten @ slope * np.sign(error)
        x = x / np.linalg.norm(a @ x, axis=0) + 0.3 * step / np.maximum(np.linalg.norm(a @ step, axis=0), 1e-300)
    return worst


def _ranks(rows: np.ndarray, setting: Setting) -> dict[str, float]:
    truth, size = effective_rank(rows, sample=None).value, max(len(rows) // 10, 8 * rows.shape[1])
    off: dict[str, list[float]] = {"length": [], "uniform": []}
    for kind, seed in itertools.product(off, range(setting.pick(3, 1))):
        found = effective_rank(rows, sample=size, sampling=kind, random_state=seed).value
        off[kind].append(abs(found / truth - 1))
    return {kind: float(np.mean(errors)) for kind, errors in off.items()}
