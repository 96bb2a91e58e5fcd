"""Classes at fixed corners of a simplex: features of encoders trained apart that can be compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..datasets import load
from ..transform import SimplexMap, simplex_vertices
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import first_right

PAPER = Paper(
    "stationary_simplex",
    "Stationary Representations: Optimally Approximating Compatibility and Implications for Improved Model "
    "Replacements",
    "nearfield.transform.SimplexMap on frozen features; the paper trains the network below the fixed classifier.",
)
GEOMETRY = Claim("Any two of K prototypes have the cosine -1/(K-1), to 1e-12, for K from 2 to 1,000.")
ABOVE = Claim("New queries on the old gallery beat the old model on its own, in at least 80% of update pairs.")
BELOW = Claim("New queries on the old gallery stay below the new model on its own, in at least 80% of update pairs.")
FREE = Claim("Of freely trained classifiers new queries find in the old gallery what chance finds (10%, within 5).")
COST = Claim("Fixing the prototypes costs at most one point of the new model's own R@1.")
SPARE = Claim("Sixteen corners kept free for classes to come cost at most one point of R@1 on average.")
CLAIMS = (GEOMETRY, ABOVE, BELOW, FREE, COST, SPARE)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    worst = 0.0
    for count in (2, 3, 10, 100, 1_000):
        corners = simplex_vertices(count)
        cosines = corners @ corners.T
        worst = max(worst, float(np.abs(cosines - np.where(np.eye(count), 1.0, -1 / (count - 1))).max()))
    yield Finding(GEOMETRY, f"Largest error {worst:.1e}.", Verdict.of(worst <= 1e-12, why="it is larger"))

    images = load("fashion_mnist")
    models = list(material.growing_encoders(images, setting.quick))
    half = len(models[0][2]) // 2
    labels = images.test_labels[: 2 * half]

    def right(query: np.ndarray, gallery: np.ndarray, classes: int = 10) -> float:
        asked, there = labels[:half] < classes, labels[half:] < classes
        return first_right(query[:half][asked], labels[:half][asked], gallery[half:][there], labels[half:][there])

    spaces: list[np.ndarray] = []
    wide: list[np.ndarray] = []
    for number, (classes, known, unseen) in enumerate(models):
        seen = images.train_labels[: round((0.25, 0.5, 0.75, 1.0)[number] * len(known))]
        member = np.flatnonzero(seen < classes)
        for vertices, into in ((10, spaces), (26, wide)):
            head = SimplexMap(vertices, classes=range(classes)).fit(known[member], seen[member])
            into.append(head.transform(unseen))
    own = [right(space, space) for space in spaces]
    cross = {(new, old): right(spaces[new], spaces[old]) for new in range(4) for old in range(new)}
    shown = ", ".join(f"{new + 1} on {old + 1} {value:.3f}" for (new, old), value in cross.items())
    text = "Encoders of 4, 6, 8 and 10 classes, R@1 among all ten: on their own "
    text += f"{', '.join(f'{value:.3f}' for value in own)}; new on old: {shown}."
    above = [value > own[old] for (_, old), value in cross.items()]
    gained = {
        (new, old): right(spaces[new], spaces[old], models[old][0]) - right(spaces[old], spaces[old], models[old][0])
        for new, old in cross
    }
    text += " Among the classes the old model knew, the gain over its own: "
    text += ", ".join(f"{new + 1} on {old + 1} {gain:+.3f}" for (new, old), gain in gained.items()) + "."
    below = [value < own[new] for (new, _), value in cross.items()]
    numbers = {"own": own, "cross": {f"{new + 1} on {old + 1}": value for (new, old), value in cross.items()}}
    better = sum(gain > 0 for gain in gained.values())
    why = (
        f"in {sum(above)} of 6 pairs with classes that the old model never saw in its gallery, in {better} of 6 among "
    )
    why += "the classes it knew: a head on frozen features, no network is trained onto the corners"
    yield Finding(ABOVE, text, Verdict.of(sum(above) >= 5, in_part=better >= 3, why=why), numbers)
    share = float(np.mean(below))
    text = f"Below the new model on its own in {sum(below)} of 6 pairs."
    yield Finding(BELOW, text, Verdict.of(share >= 0.8, in_part=share >= 0.5, why=f"in {sum(below)} of 6"))

    blind = [right(models[new][2], models[old][2]) for new, old in cross]
    text = f"R@1 of their hidden layers across models: {min(blind):.3f} to {max(blind):.3f}."
    verdict = Verdict.of(max(blind) <= 0.15, in_part=float(np.mean(blind)) <= 0.15, why="some pairs find more")
    yield Finding(FREE, text, verdict, {"free": blind})

    free = [right(features, features) for _, _, features in models]
    text = "On their own, fixed and free: " + ", ".join(f"{a:.3f} and {b:.3f}" for a, b in zip(own, free, strict=True))
    cost = [b - a for a, b in zip(own, free, strict=True)]
    why = f"up to {100 * max(cost):.1f} points, where many classes were not seen yet"
    yield Finding(COST, text + ".", Verdict.of(max(cost) <= 0.01, in_part=cost[-1] <= 0.01, why=why), {"cost": cost})

    spare = [right(space, space) for space in wide] + [right(wide[new], wide[old]) for new, old in cross]
    loss = float(np.mean([*own, *cross.values()]) - np.mean(spare))
    text = f"Mean R@1 of all pairs {np.mean(spare):.3f} with 26 corners, {loss:+.3f} less than with 10."
    yield Finding(SPARE, text, Verdict.of(loss <= 0.01, why="it costs more"), {"spare": spare})
