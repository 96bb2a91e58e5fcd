"""Fashion-MNIST with captions: two modalities of one thing, and a space of two towers that they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..datasets import load
from .material import minilm, unit

# Of each class: what it is called, and the vague word that it shares with others.
_NOUNS = (
    (("t-shirt", "tee", "short-sleeved top"), "top"),
    (("trousers", "pants", "slacks"), "garment"),
    (("pullover", "sweater", "jumper"), "top"),
    (("dress", "frock", "gown"), "garment"),
    (("coat", "jacket", "overcoat"), "top"),
    (("sandal", "open shoe", "flip-flop"), "footwear"),
    (("shirt", "blouse", "button-down"), "top"),
    (("sneaker", "trainer", "running shoe"), "footwear"),
    (("bag", "handbag", "purse"), "accessory"),
    (("ankle boot", "boot", "bootie"), "footwear"),
)
# Of Adam, in training the towers; and CLIP's temperature, at which the means stay 1.0 apart (0.2 at 0.07).
_RATE = 0.001
_TEMPERATURE = 0.01
_FORMS = ("a {} {}", "photo of a {} {}", "{} {} for sale", "this {} {} is new")


@dataclass(frozen=True)
class Captioned:
    """Pixels (n, 784) and MiniLM vectors of captions (n, 384), both of length one, the raw captions, and classes."""

    pixels: np.ndarray
    words: np.ndarray
    captions: list[str]
    labels: np.ndarray

    def part(self, rows: np.ndarray) -> Captioned:
        """Some of them."""
        return Captioned(self.pixels[rows], self.words[rows], [self.captions[row] for row in rows], self.labels[rows])


def load_captioned(rows: int, vague: float, wrong: float, seed: int = 0) -> Captioned:
    """Images whose captions name the class, or with a chance of ``vague`` its group, or with ``wrong`` a neighbour.

    The adjective is of the image: dark or bright, by its mean pixel, and small or large, by the pixels it covers.
    """
    images = load("fashion_mnist")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(images.train))[:rows])
    pixels, labels = images.train[chosen], images.train_labels[chosen]
    ink, cover = (pixels.sum(axis=1) / np.maximum((pixels > 0).sum(axis=1), 1)), (pixels > 0).mean(axis=1)
    bright, large = ink > np.median(ink), cover > np.median(cover)
    captions = []
    for row, label in enumerate(labels):
        words, group = _NOUNS[label]
        chance = rng.random()
        if chance < wrong:
            same = [names for names, other in _NOUNS if other == group and names != words] or [words]
            words = same[rng.integers(len(same))]
        noun = group if wrong <= chance < wrong + vague else words[rng.integers(len(words))]
        looks = ("bright" if bright[row] else "dark", "large" if large[row] else "small")[rng.integers(2)]
        captions.append(_FORMS[rng.integers(len(_FORMS))].format(looks, noun))
    different = sorted(set(captions))
    encoded = unit(minilm().encode(different, progress=False))
    places = {text: place for place, text in enumerate(different)}
    return Captioned(unit(pixels), encoded[[places[text] for text in captions]], captions, labels)


def two_towers(
    first: np.ndarray, second: np.ndarray, *, dim: int = 64, steps: int = 600, bias: float = 1.0, seed: int = 0
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """``(weights, bias)`` of two linear towers trained to tell partners in batches of 256 (InfoNCE).

    Each tower starts with a bias of its own, of length ``bias`` times its outputs', as the layers of a deep network
    leave one; what training leaves of it is the gap.
    """
    rng = np.random.default_rng(seed)
    towers = []
    for rows in (first, second):
        start = rng.standard_normal((rows.shape[1], dim)) / np.sqrt(dim)
        offset = rng.standard_normal(dim)
        towers += [start, bias * offset / np.linalg.norm(offset)]
    slopes = [(np.zeros_like(part), np.zeros_like(part)) for part in towers]
    for step in range(1, steps + 1):
        rows = rng.integers(0, len(first), 256)
        x, y = first[rows].astype(np.float64), second[rows].astype(np.float64)
        raw = [x @ towers[0] + towers[1], y @ towers[2] + towers[3]]
        lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in raw]
        one, other = (part / length for part, length in zip(raw, lengths, strict=True))
        scores = one @ other.T / _TEMPERATURE
        chances = [np.exp(s - s.max(axis=1, keepdims=True)) for s in (scores, scores.T)]
        pulls = [part / part.sum(axis=1, keepdims=True) - np.eye(len(rows)) for part in chances]
        both = (pulls[0] + pulls[1].T) / (2 * _TEMPERATURE * len(rows))
        grads = [both @ other, both.T @ one]
        grads = [
            (g - (g * u).sum(axis=1, keepdims=True) * u) / length
            for g, u, length in zip(grads, (one, other), lengths, strict=True)
        ]
        for place, slope in enumerate((x.T @ grads[0], grads[0].sum(axis=0), y.T @ grads[1], grads[1].sum(axis=0))):
            mean, square = slopes[place]
            mean *= 0.9
            mean += 0.1 * slope
            square *= 0.999
            square += 0.001 * slope**2
            towers[place] -= _RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return (towers[0], towers[1]), (towers[2], towers[3])


def through(tower: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Rows after a tower, of length one."""
    return unit(rows @ tower[0] + tower[1])
