"""Classes without labels from domains with different shares of them, against clusters of what looks alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neural_network import MLPClassifier

from ..datasets import load
from ..decide import LatentLabelShift
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "latent_label_shift",
    "Unsupervised Learning under Latent Label Shift",
    "nearfield.decide.LatentLabelShift with a network of 64 hidden units as discriminator; domains drawn by Dirichlet "
    "shares (0.5). Accuracy is that of the best matching of found to true classes.",
)
ALIKE = Claim("It finds classes better than k-means and Gaussian mixtures on the same vectors, by 5 points.")
LOUD = Claim("Where something that looks alike is not the class, it keeps its accuracy within 5 points; k-means fails.")
SHARES = Claim("How often each class occurs in each domain is found to 0.1, on average.")
KNOWN = Claim("Knowing a row's domain makes the answer better.")
FRESH = Claim("Rows that it was not fitted on are answered as well as those it was, within 2 points.")
CLAIMS = (ALIKE, LOUD, SHARES, KNOWN, FRESH)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    images, digits = load("fashion_mnist"), load_digits()
    pixels = images.train[: setting.pick(40_000, 6_000)] / 255
    labels = images.train_labels[: len(pixels)]
    spaces = {
        "4 kinds of clothes": (pixels, labels, range(4), 10, setting.pick(600, 100)),
        "10 kinds of clothes": (pixels, labels, range(10), 15, setting.pick(600, 60)),
        "5 digits": (digits.data / 16, digits.target, range(5), 8, setting.pick(50, 40)),
    }
    if setting.quick:
        del spaces["10 kinds of clothes"]
    draws = setting.pick(3, 1)
    plain = {
        name: np.mean([_one(*space, 0.0, seed) for seed in range(draws)], axis=0) for name, space in spaces.items()
    }
    loud = {name: np.mean([_one(*space, 3.0, seed) for seed in range(draws)], axis=0) for name, space in spaces.items()}
    numbers = {"plain": {n: v.tolist() for n, v in plain.items()}, "loud": {n: v.tolist() for n, v in loud.items()}}
    text = f"Against k-means and mixtures (mean of {draws} draws): " + "; ".join(
        f"{name} {v[0]:.1%}, {v[1]:.1%}, {v[2]:.1%}" for name, v in plain.items()
    )
    good = [v[0] >= max(v[1], v[2]) + 0.05 for v in plain.values()]
    why = "only for " + ", ".join(name for name, ok in zip(plain, good, strict=True) if ok) if any(good) else "nowhere"
    yield Finding(ALIKE, text + ".", Verdict.of(all(good), in_part=any(good), why=why), numbers)
    text = "One of four colours, drawn at random and three times as loud as the image, beside each: " + "; ".join(
        f"{name} {v[0]:.1%} (without it {plain[name][0]:.1%}), k-means {v[1]:.1%}" for name, v in loud.items()
    )
    good = [v[0] >= plain[name][0] - 0.05 and v[1] < v[0] - 0.1 for name, v in loud.items()]
    why = "not for " + ", ".join(name for name, ok in zip(loud, good, strict=True) if not ok)
    yield Finding(LOUD, text + ".", Verdict.of(all(good), in_part=any(good), why=why))
    off = {name: float(v[4]) for name, v in plain.items()}
    text = "Off by " + "; ".join(f"{gap:.3f} ({name})" for name, gap in off.items()) + "."
    verdict = Verdict.of(max(off.values()) <= 0.1, in_part=min(off.values()) <= 0.1, why="not everywhere")
    yield Finding(SHARES, text, verdict, off)
    gains = {name: float(v[3] - v[0]) for name, v in plain.items()}
    text = "By " + "; ".join(f"{100 * gain:+.1f} points ({name})" for name, gain in gains.items()) + "."
    why = "the discriminator leaves rows in more doubt than they are, and the shares then decide too much"
    yield Finding(KNOWN, text, Verdict.of(min(gains.values()) > 0, in_part=max(gains.values()) > 0, why=why))

    lost = {name: float(v[0] - v[5]) for name, v in plain.items()}
    text = (
        "Worse by "
        + "; ".join(f"{100 * gap:+.1f} points ({name})" for name, gap in lost.items())
        + " on a fifth apart."
    )
    verdict = Verdict.of(max(lost.values()) <= 0.02, in_part=min(lost.values()) <= 0.02, why="not everywhere")
    yield Finding(FRESH, text, verdict, lost)


def _one(
    x: np.ndarray, y: np.ndarray, kinds: range, count: int, per_domain: int, loud: float, seed: int
) -> tuple[float, ...]:
    """Accuracy of ours, k-means, a mixture and ours with known domains; error of the shares; ours on other rows."""
    rng = np.random.default_rng(seed)
    domains, rows, shares = _domains(y, kinds, count, per_domain, rng)
    vectors = PCA(min(40, x.shape[1]), random_state=0).fit_transform(x[rows])
    if loud:
        length = float(np.sqrt(np.square(vectors).sum(axis=1).mean()))
        vectors = np.concatenate([vectors, loud * length * np.eye(4)[rng.integers(0, 4, len(rows))]], axis=1)
    apart = rng.random(len(rows)) < 0.2
    fresh, fresh_truth = vectors[apart], y[rows][apart]
    vectors, domains, truth, k = vectors[~apart], domains[~apart], y[rows][~apart], len(kinds)
    model = LatentLabelShift(k, discriminator=MLPClassifier((64,), max_iter=20, random_state=seed))
    found = model.fit(vectors, domains).predict(vectors)
    alike = KMeans(k, n_init=5, random_state=seed).fit_predict(vectors)
    mixed = GaussianMixture(k, covariance_type="diag", random_state=seed).fit_predict(vectors)
    known = _matched(model.predict(vectors, domains), truth, k)[0]
    right, order = _matched(found, truth, k)
    off = float(np.abs(model.shares_[:, order] - shares).mean())
    new = float((order[fresh_truth] == model.predict(fresh)).mean())
    return right, _matched(alike, truth, k)[0], _matched(mixed, truth, k)[0], known, off, new


def _domains(
    y: np.ndarray, kinds: range, count: int, per_domain: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(domain, row)`` of what was drawn, each row at most once, and the shares; fewer where rows end."""
    shares = rng.dirichlet(np.full(len(kinds), 0.5), count)
    pools = {kind: list(rng.permutation(np.flatnonzero(y == kind))) for kind in kinds}
    domains, rows = [], []
    for domain, share in enumerate(shares):
        for kind, wanted in zip(kinds, rng.multinomial(per_domain, share), strict=True):
            taken = [pools[kind].pop() for _ in range(min(int(wanted), len(pools[kind])))]
            rows += taken
            domains += [domain] * len(taken)
    return np.array(domains), np.array(rows), shares


def _matched(found: np.ndarray, truth: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Accuracy under the best matching, and which found class stands for each true one."""
    table = np.zeros((k, k))
    np.add.at(table, (found, truth), 1)
    first, second = linear_sum_assignment(-table)
    return float(table[first, second].sum() / len(found)), first[np.argsort(second)]
