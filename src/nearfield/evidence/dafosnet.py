"""Few examples, unseen classes and another domain: prototypes with a learnt boundary against a plain distance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from ..decide import OpenSet, Prototypes
from .claims import Claim, Finding, Paper, Setting, Verdict
from .requests import requests

PAPER = Paper(
    "dafosnet",
    "Domain Adaptive Few-Shot Open-Set Learning",
    "nearfield.decide.OpenSet: the paper's decision (prototypes by domain, a boundary from pseudo-open samples) on "
    "frozen vectors, without its networks; the baseline is Prototypes with its distance as threshold.",
)
BOUNDARY = Claim(
    "Five classes, five examples each: a boundary from pseudo-open rows tells unseen classes 3 points better."
)
KNOWN = Claim("Answers to rows of the known classes get 3 points better.")
DOMAIN = Claim("Examples from one domain, rows from another: normalising each makes both 3 points better.")
INVERTED = Claim("So it does when the other domain is the negative of the images.")
RATE = Claim("At 5% both reject at most 10% of the rows of known classes, over all episodes.")
CLAIMS = (BOUNDARY, KNOWN, DOMAIN, INVERTED, RATE)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    digits = load_digits()
    pixels, labels = digits.data / 16, digits.target
    spaces = {"digits": (pixels, labels)}
    for name, found in requests(setting, 25, tests=1, outside=10).items():
        spaces[f"CLINC150 by {name}"] = (found.train.astype(float), np.unique(found.labels, return_inverse=True)[1])
    episodes = setting.pick(60, 3)
    home = {name: _episodes(x, x, y, episodes) for name, (x, y) in spaces.items()}
    for claim, at, what in ((BOUNDARY, 1, "area under the curve"), (KNOWN, 0, "accuracy")):
        gains = [100 * (table[1, at] - table[0, at]) for table in home.values()]
        text = f"{what.capitalize()} by boundary and by distance: " + "; ".join(
            f"{name} {table[1, at]:.3f} and {table[0, at]:.3f}" for name, table in home.items()
        )
        why = "it changes by " + ", ".join(
            f"{gain:+.1f} points ({name})" for gain, name in zip(gains, home, strict=True)
        )
        verdict = Verdict.of(min(gains) >= 3, in_part=max(gains) >= 1, why=why)
        text += f" (means of {episodes} episodes; five known and five unseen classes)."
        yield Finding(claim, text, verdict, {name: table.tolist() for name, table in home.items()})
    moved = {
        "paler": 0.35 * pixels + 0.5,
        "blurred": _blurred(pixels),
        "negative": 1 - pixels,
    }
    tables = {name: _episodes(pixels, other, labels, episodes) for name, other in moved.items()}
    for claim, names in ((DOMAIN, ("paler", "blurred")), (INVERTED, ("negative",))):
        text = "Digits; accuracy and area under the curve, as they are and adapted to the other domain: " + "; ".join(
            f"{name} {tables[name][0, 0]:.3f}, {tables[name][0, 1]:.3f} and {tables[name][2, 0]:.3f}, "
            f"{tables[name][2, 1]:.3f}"
            for name in names
        )
        gains = [100 * float((tables[name][2, :2] - tables[name][0, :2]).min()) for name in names]
        why = "the lesser of the two gains is " + ", ".join(
            f"{g:+.1f} ({name})" for g, name in zip(gains, names, strict=True)
        )
        verdict = Verdict.of(min(gains) >= 3, in_part=max(gains) >= 3, why=why)
        yield Finding(claim, text + ".", verdict, {name: tables[name].tolist() for name in names})
    rates = {name: (float(table[0, 2]), float(table[1, 2])) for name, table in home.items()}
    text = "Rejected by distance and by boundary: " + "; ".join(
        f"{n} {a:.1%} and {b:.1%}" for n, (a, b) in rates.items()
    )
    verdict = Verdict.of(max(map(max, rates.values())) <= 0.1, why="more are rejected")
    yield Finding(RATE, text + ".", verdict, rates)


def _episodes(x: np.ndarray, other: np.ndarray, y: np.ndarray, episodes: int) -> np.ndarray:
    """Mean accuracy, area and false rejections of Prototypes, of OpenSet, and of OpenSet adapted to the rows asked."""
    tables = []
    for seed in range(episodes):
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(y.max() + 1)[:10]
        known = chosen[:5]
        rows = rng.permutation(np.flatnonzero(np.isin(y, chosen)))
        shots = np.concatenate([rows[y[rows] == kind][:5] for kind in known])
        asked = np.setdiff1d(rows, shots)[:600]
        inside = np.isin(y[asked], known)
        plain = Prototypes(metric="l2", center=False).fit(x[shots], y[shots])
        learnt = OpenSet().fit(x[shots], y[shots])
        lines = [_line(plain, other[asked], y[asked], inside), _line(learnt, other[asked], y[asked], inside)]
        tables.append([*lines, _line(learnt.adapt(other[asked]), other[asked], y[asked], inside)])
    return np.asarray(np.mean(tables, axis=0))


def _line(
    model: Prototypes | OpenSet, rows: np.ndarray, y: np.ndarray, inside: np.ndarray
) -> tuple[float, float, float]:
    area = float(roc_auc_score(inside, model.support(rows, share=False)))
    return float(model.score(rows[inside], y[inside])), area, float(model.reject(rows[inside]).mean())


def _blurred(pixels: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(pixels.reshape(-1, 8, 8), (0, 1, 1)).reshape(len(pixels), -1)
