"""Convergent learning: do nets of different seeds, and encoders of different makers, learn the same features?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from ..datasets import FashionMNIST, load
from ..survey import (
    Pair,
    canonical_correlation,
    feature_groups,
    matched_features,
    predicted_features,
)
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "convergent_learning",
    "Convergent Learning: Do different neural networks learn the same representations?",
    "nearfield.survey.matched_features, predicted_features and feature_groups, on one hidden layer of small nets and "
    "on text encoders; the paper's nets are convolutional.",
)
COPY = Claim("A copy with its units reordered is matched perfectly, every unit with itself.")
TURNED = Claim("A rotated copy has no matches one to one (below 0.5), yet all units together rebuild each (over 0.99).")
SEEDS = Claim("Units of two nets that differ by their seeds correlate, matched one to one, far more than by chance.")
SOME = Claim("Some units are learnt by both nets, others by one: a tenth of the matches above 0.8, a tenth below 0.5.")
SPARSE = Claim(
    "A few units of one net (16 of 128) tell of a unit of the other nearly what all tell (90%), one does not."
)
SUBSPACES = Claim("Groups of units span what their partner group does, more than random groups do (by a tenth).")
ENCODERS = Claim("Two text encoders of different makers share what they say, but no single coordinates.")
CLAIMS = (COPY, TURNED, SEEDS, SOME, SPARSE, SUBSPACES, ENCODERS)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    images = load("fashion_mnist")
    one, other = (_hidden(images, seed, setting) for seed in (0, 1))
    rng = np.random.default_rng(0)
    order = rng.permutation(one.shape[1])
    reordered = Pair.of(one, one[:, order], metric="l2")
    found = matched_features(reordered, signed=True)
    own = float((order[found.arrays["match_second"]] == found.arrays["match_first"]).mean())
    text = f"Mean correlation {found.value:.4f}; {own:.1%} of {len(found.arrays['match_first'])} units with themselves."
    yield Finding(COPY, text, Verdict.of(found.value > 0.9999 and own == 1, why="some are matched with others"))

    turned = np.linalg.qr(rng.standard_normal((one.shape[1], one.shape[1])))[0]
    standard = ((one - one.mean(0)) / np.maximum(one.std(0), 1e-6)).astype(np.float32)
    pair = Pair.of(standard, (standard @ turned).astype(np.float32), metric="l2")
    alone, few = matched_features(pair), predicted_features(pair)
    groups, whole = feature_groups(pair), canonical_correlation(pair, variance=1.0)
    text = f"One to one {alone.value:.2f}; rebuilt from 16 units {few.value:.1%}, from all {few.parts['all']:.1%}; "
    text += f"canonical correlation {whole.value:.1%}; in groups {groups.value:.1%} (random groups "
    text += f"{groups.parts['random_groups']:.1%}): a free rotation leaves no groups."
    low, high = alone.value < 0.5, few.parts["all"] > 0.99
    yield Finding(
        TURNED,
        text,
        Verdict.of(
            low and high, in_part=high, why="units of a net follow the same few directions, and so do rotated ones"
        ),
    )

    pair = Pair.of(one, other, metric="l2")
    nets, few, groups = matched_features(pair, signed=True), predicted_features(pair), feature_groups(pair)
    matches, chance = nets.arrays["correlations"], nets.parts["by_chance"]
    text = f"{nets.value:.3f} ({nets.low:.3f} to {nets.high:.3f}) over {len(matches)} units, with shuffled images "
    text += f"{chance:.3f}; when a unit may serve several {nets.parts['best']:.3f} (hidden layers of "
    text += f"128 units, those that fire on 1% of {len(one):,} Fashion-MNIST images they were not trained on)."
    clear = nets.low > 0.4 and abs(chance) < 0.05
    why = "it is above chance, by less than 0.4"
    yield Finding(SEEDS, text, Verdict.of(clear, in_part=nets.low > chance + 0.1, why=why), dict(nets.parts))

    above, below = float((matches > 0.8).mean()), float((matches < 0.5).mean())
    text = f"{above:.0%} of the matches above 0.8, {below:.0%} below 0.5; from {matches[0]:.2f} to {matches[-1]:.2f}."
    fine = above >= 0.1, below >= 0.1
    why = f"{below:.0%} are without a partner" if fine[0] else "few units have a close partner"
    yield Finding(SOME, text, Verdict.of(all(fine), in_part=any(fine), why=why), {"correlations": matches.tolist()})

    curve = dict(zip(few.arrays["terms"].tolist(), few.arrays["explained"].tolist(), strict=True))
    text = "Rebuilt from " + ", ".join(f"{terms}: {told:.1%}" for terms, told in curve.items()) + " (units: share)."
    most, one_only = few.value >= 0.9 * few.parts["all"], few.parts["one"] < 0.9 * few.parts["all"]
    why = "sixteen tell less" if one_only else "one unit tells as much"
    yield Finding(SPARSE, text, Verdict.of(most and one_only, in_part=one_only, why=why), curve)

    whole = canonical_correlation(pair)
    gain = groups.value - groups.parts["random_groups"]
    text = (
        f"In {int(groups.parts['groups'])} groups {groups.value:.1%} ({groups.low:.1%} to {groups.high:.1%}), random "
    )
    text += f"groups of the same sizes {groups.parts['random_groups']:.1%}, all units {groups.parts['all']:.1%}; "
    text += f"the mean square of the one-to-one correlations is {np.square(matches).mean():.1%}."
    yield Finding(
        SUBSPACES, text, Verdict.of(gain >= 0.1, in_part=gain > 0.03, why=f"by {gain:.2f}"), dict(groups.parts)
    )

    _, models = material.encodings(quick=True)
    pair = Pair.of(models["WordLlama"][0], models["MiniLM"][0])
    nets, few, whole = matched_features(pair), predicted_features(pair), canonical_correlation(pair)
    text = f"WordLlama and MiniLM on SciFact: one to one {nets.value:.2f} (with shuffled rows "
    text += f"{nets.parts['by_chance']:.2f}), rebuilt from 16 coordinates {few.value:.1%}, from all "
    text += f"{few.parts['all']:.1%}, canonical correlation {whole.value:.1%}."
    verdict = Verdict.of(nets.value < 0.3 and few.parts["all"] > 0.3, in_part=nets.value < 0.3, why="little is shared")
    yield Finding(ENCODERS, text, verdict)


def _hidden(images: FashionMNIST, seed: int, setting: Setting) -> np.ndarray:
    """What the hidden units of a small net answer to images it was not trained on; units that hardly fire left out."""
    from sklearn.neural_network import MLPClassifier

    seen, units = setting.pick(10_000, 1_000), setting.pick(128, 32)
    net = MLPClassifier((units,), max_iter=setting.pick(15, 5), batch_size=128, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the epochs are the setting, not a failure to converge
        net.fit(images.train[:seen] / 255, images.train_labels[:seen])
    unseen = images.test[: setting.pick(10_000, 2_000)] / 255
    answers = np.maximum(unseen @ net.coefs_[0] + net.intercepts_[0], 0).astype(np.float32)
    return answers[:, (answers > 0).mean(axis=0) > 0.01]
