"""Mean and cross-covariances of token vectors beside the mean alone, under the same linear classifier."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import LogisticRegression

from ..datasets import load
from ..decide import TokenMoments
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "moment_probing",
    "Tuning Pre-trained Model via Moment Probing",
    "nearfield.decide.TokenMoments before scikit-learn's logistic regression; principal components stand for the "
    "trained convolutions, and the backbone is not touched.",
)
IMAGES = Claim("Patches of images: 1.5 points above the mean of the patches, with 2,000 labels.")
TEXTS = Claim("Token states of a text encoder: 1.5 points above the mean that it was trained for.")
SECOND = Claim("Classes with equal means and different covariances: the mean is at chance, the moments reach 90%.")
CROSS = Claim("Cross-covariances between heads alone do as well, within a point.")
ORDER = Claim("The order of the tokens changes nothing (1e-6).")
CLAIMS = (IMAGES, TEXTS, SECOND, CROSS, ORDER)
_WEIGHTS = (0.3, 1.0)
_PENALTIES = (10.0, 100.0)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    warnings.simplefilter("ignore")  # some fits end at the limit of steps, for both kinds of features alike
    images, count, tested = load("fashion_mnist"), setting.pick(2_000, 200), setting.pick(2_000, 200)
    train, test = _patches(images.train[:count]), _patches(images.test[:tested])
    y, truth = images.train_labels[:count], images.test_labels[:tested]
    plain = _probe([part.mean(axis=1) for part in (train, test)], y, truth)
    both = _best(train, y, test, truth, heads=4, width=9)
    across = _best(train, y, test, truth, heads=4, width=9, within=False)
    text = f"{both:.1%} against {plain:.1%} ({train.shape[1]} patches of 6 x 6 pixels an image, 10 classes)."
    gain = both - plain
    yield Finding(IMAGES, text, Verdict.of(gain >= 0.015, in_part=gain > 0, why=f"{100 * gain:.1f} points"))
    near = across >= both - 0.01
    text = f"{across:.1%} against {both:.1%} with the covariances within heads, on the same patches."
    yield Finding(CROSS, text, Verdict.of(near, in_part=across > plain, why="more than the mean, less than both"))

    sets, kinds = _alike(setting.pick(1_000, 200), 0)
    unseen, asked = _alike(1_000, 1)
    chance = _probe([part.mean(axis=1) for part in (sets, unseen)], kinds, asked)
    found = _best(sets, kinds, unseen, asked, heads=4, width=4)
    text = f"{found:.1%} against {chance:.1%} by the mean (two classes, 32 tokens of 16 dimensions)."
    yield Finding(SECOND, text, Verdict.of(found >= 0.9 and chance < 0.6, in_part=found > 0.75, why="less than 90%"))
    moments = TokenMoments(4, 9).fit(train)
    turned = np.random.default_rng(0).permutation(train.shape[1])
    change = float(np.abs(moments.transform(test[:, turned]) - moments.transform(test)).max())
    text = f"The largest change of a feature is {change:.1e}."
    yield Finding(ORDER, text, Verdict.of(change <= 1e-6, why="it is larger"))

    states, intents, others, wanted = _states(setting)
    mean = _probe([np.stack([tokens.mean(axis=0) for tokens in part]) for part in (states, others)], intents, wanted)
    both = _best(states, intents, others, wanted, heads=4, width=8)
    text = (
        f"{both:.1%} against {mean:.1%} ({len(states):,} requests of {len(np.unique(intents))} intents to learn from, "
    )
    text += f"{len(others):,} to answer; MiniLM was trained for the mean)."
    gain = both - mean
    verdict = Verdict.of(gain >= 0.015, in_part=gain >= 0.005, why=f"{100 * gain:+.1f} points: the mean has it all")
    yield Finding(TEXTS, text, verdict)


def _best(train: list | np.ndarray, y: np.ndarray, test: list | np.ndarray, truth: np.ndarray, **options: int) -> float:
    """With the weight and the penalty that serve a fifth of the training sets best."""
    made = []
    for weight in _WEIGHTS:
        moments = TokenMoments(weight=weight, **options).fit(train)  # type: ignore[arg-type]
        made.append([moments.transform(part) for part in (train, test)])
    return _probe(made[int(np.argmax([_held_out(part[0], y)[0] for part in made]))], y, truth)


def _probe(parts: list[np.ndarray], y: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of logistic regression whose penalty was chosen on a fifth of the training rows."""
    penalty = _held_out(parts[0], y)[1]
    return _accuracy(parts[0], y, parts[1], truth, penalty)


def _held_out(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    apart = np.arange(len(x)) % 5 == 0
    return max((_accuracy(x[~apart], y[~apart], x[apart], y[apart], penalty), penalty) for penalty in _PENALTIES)


def _accuracy(x: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray, penalty: float) -> float:
    middle = x.mean(axis=0)
    size = float(np.sqrt(np.square(x - middle).sum(axis=1).mean()))
    model = LogisticRegression(C=penalty, tol=1e-5, max_iter=100).fit((x - middle) / size, y)
    return float(model.score((test - middle) / size, truth))


def _patches(rows: np.ndarray, size: int = 6, step: int = 3) -> np.ndarray:
    windows = sliding_window_view(rows.reshape(-1, 28, 28) / 255, (size, size), axis=(1, 2))[:, ::step, ::step]
    return windows.reshape(len(rows), -1, size * size).astype(np.float32)


def _alike(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sets of Gaussian tokens, all with mean zero; the class is which of two covariances they have."""
    mixing = np.random.default_rng(7).standard_normal((2, 16, 16)) / 4
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    tokens = rng.standard_normal((count, 32, 16))
    return np.einsum("nti,nij->ntj", tokens, mixing[y]).astype(np.float32), y


def _states(setting: Setting) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray], np.ndarray]:
    """Token states of requests of every third intent."""
    encoder, found = material.minilm(), load("clinc150")
    parts = []
    for part, each in ((found.train, setting.pick(40, 4)), (found.test, setting.pick(20, 4))):
        intents = np.array(part.intents)
        kinds = np.unique(intents)[:: setting.pick(3, 30)]
        rows = np.concatenate([np.flatnonzero(intents == kind)[:each] for kind in kinds])
        parts += [encoder.encode_tokens([part.texts[row] for row in rows], progress=False), intents[rows]]
    return parts[0], parts[1], parts[2], parts[3]
