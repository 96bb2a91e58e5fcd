"""Task dimension: how many random directions of its parameters a network must move along to learn a task."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..datasets import load
from ..survey import Measure, SubspaceNetwork, task_dimension
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "intrinsic_dim_landscape",
    "Measuring the Intrinsic Dimension of Objective Landscapes",
    "nearfield.survey.task_dimension and SubspaceNetwork: perceptrons on scikit-learn's digits and Fashion-MNIST, "
    "linear heads on sentence vectors of CLINC150.",
)
FEW = Claim("On digits 90% of the accuracy takes at most 5% of the parameters of a perceptron.")
WIDTH = Claim("It changes less than threefold when the network gets ten times wider.")
RANDOM = Claim("To learn random labels by heart takes at least five times as many dimensions.")
STORED = Claim("A seed and the learnt point hold a head in less than a fiftieth of its numbers.")
HARDER = Claim("It orders tasks as their accuracies do: Fashion-MNIST takes more than digits.")
SPACES = Claim("Of two encoders, the one whose linear heads err less takes fewer dimensions for the same intents.")
CLAIMS = (FEW, WIDTH, RANDOM, STORED, HARDER, SPACES)
_UNITS = (20, 200, 2000)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows, kinds = (digits.data / 16).astype(np.float32), digits.target
    options: dict[str, Any] = {"repeats": setting.pick(5, 1), "sample": setting.pick(10_000, 300)}
    units = setting.pick(_UNITS, (20, 200))
    wide = {count: task_dimension(rows, kinds, hidden=(count,), **options) for count in units}
    usual = wide[200]
    share = usual.value / usual.parts["parameters"]
    verdict = Verdict.of(share <= 0.05, why=f"it takes {share:.1%}")
    yield Finding(FEW, _said(usual) + f", {share:.1%} of them.", verdict, _numbers(wide))

    ratios = [wide[b].value / wide[a].value for a, b in itertools.pairwise(units)]
    text = "; ".join(f"{count} hidden units: {_said(one)}" for count, one in wide.items())
    fine = [1 / 3 < ratio < 3 for ratio in ratios]
    why = f"it changes {max(ratios):.1f} times"
    yield Finding(WIDTH, text + ".", Verdict.of(all(fine), in_part=any(fine), why=why))

    few = {**options, "on": "training", "epochs": setting.pick(400, 5), "sample": setting.pick(1_000, 200)}
    drawn = np.random.default_rng(setting.random_state).integers(10, size=len(kinds))
    heart, real = (task_dimension(rows, labels, hidden=(200,), **few) for labels in (drawn, kinds))
    ratio = heart.value / real.value
    text = f"Of {few['sample']:,} digits, on the rows that are learnt: random labels {_said(heart)}; "
    text += f"their own {_said(real)}."
    yield Finding(RANDOM, text, Verdict.of(ratio >= 5, in_part=ratio >= 2, why=f"{ratio:.1f} times as many"))

    stored = usual.parts["compression"]
    order = np.random.default_rng(1).permutation(len(rows))
    seen, asked = order[len(rows) // 4 :], order[: len(rows) // 4]
    dim = int(np.ceil(usual.high))
    head = SubspaceNetwork(dim, hidden=(200,)).fit(rows[seen], kinds[seen])
    again = SubspaceNetwork(hidden=(200,)).fit(rows[seen], kinds[seen])
    right = [float(np.mean(one.predict(rows[asked]) == kinds[asked])) for one in (head, again)]
    text = (
        f"{usual.parts['parameters']:,.0f} parameters in {usual.value:.0f} numbers, {stored:.0f} times fewer; a head "
    )
    text += (
        f"of {dim} numbers ({head.n_parameters_ / dim:.0f} times fewer) is right on {right[0]:.1%} of other digits, "
    )
    text += f"the whole one on {right[1]:.1%}."
    yield Finding(STORED, text, Verdict.of(stored > 50, why=f"{stored:.0f} times fewer"))

    images = load("fashion_mnist")
    clothes = (images.train[:: setting.pick(6, 200), :: setting.pick(1, 16)] / np.float32(255)).astype(np.float32)
    labels = images.train_labels[:: setting.pick(6, 200)]
    harder = task_dimension(clothes, labels, hidden=(200,), **{**options, "repeats": setting.pick(2, 1)})
    text = f"Fashion-MNIST ({len(clothes):,} images): {_said(harder)}; digits: {_said(usual)}."
    yield Finding(HARDER, text, Verdict.of(harder.value > usual.value, why="it takes fewer"), _numbers({200: harder}))

    heads = _heads(setting)
    text = "; ".join(f"{name}: {_said(one)}" for name, one in heads.items()) + f", for {setting.pick(20, 4)} intents."
    few_errors = sorted(heads, key=lambda name: -heads[name].parts["accuracy"])
    fewest = sorted(heads, key=lambda name: heads[name].value)
    apart = heads[fewest[0]].high < heads[fewest[1]].low
    why = "the intervals overlap" if few_errors == fewest else "the other one does"
    yield Finding(SPACES, text, Verdict.of(few_errors == fewest and apart, in_part=few_errors == fewest, why=why))


def _heads(setting: Setting) -> dict[str, Measure]:
    from ..encode import WordLlama

    requests = load("clinc150").train
    intents = sorted(set(requests.intents))[:: len(set(requests.intents)) // setting.pick(20, 4)]
    intents = intents[: setting.pick(20, 4)]
    some = [(text, kind) for text, kind in zip(requests.texts, requests.intents, strict=True) if kind in intents]
    texts, kinds = [text for text, _ in some], [kind for _, kind in some]
    made = {"MiniLM": material.minilm(), "WordLlama": WordLlama()}
    return {
        name: task_dimension(encoder.encode(texts, progress=False), kinds, hidden=(), repeats=setting.pick(5, 1))
        for name, encoder in made.items()
    }


def _said(one: Measure) -> str:
    text = f"{one.value:.0f} dimensions [{one.low:.0f}, {one.high:.0f}] of {one.parts['parameters']:,.0f}"
    return f"{text} (accuracy of the whole {one.parts['accuracy']:.1%})"


def _numbers(wide: dict[int, Measure]) -> dict[str, dict[str, list[float]]]:
    return {str(units): {key: found.tolist() for key, found in one.arrays.items()} for units, one in wide.items()}
