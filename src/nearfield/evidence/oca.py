"""An orthogonal layer with extra dimensions: new queries answered from an old gallery, and nothing of the new lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..common.ndcg import ndcg
from ..datasets import load
from ..transform import OrthogonalExtension, RidgeMap
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, first_right

PAPER = Paper(
    "oca",
    "Backward-Compatible Aligned Representations via an Orthogonal Transformation Layer",
    "nearfield.transform.OrthogonalExtension, fitted in closed form to frozen encoders; the paper trains them with it.",
)
EXACT = Claim("The layer is orthogonal to 1e-6, and scores among new vectors stay the same to 1e-5.")
CROSS = Claim("New queries against the old gallery are answered better than old queries were (R@1, Fashion-MNIST).")
CHAIN = Claim("That stays so over a chain of three upgrades, for every later model against every earlier gallery.")
LINEAR = Claim("A plain linear map to the old space answers the old gallery but loses accuracy among new vectors.")
CHANCE = Claim("Without alignment new queries find in the old gallery what chance finds (10%, within 5 points).")
EXTRA = Claim("Extra dimensions answer the old gallery at least 2 points better than turning without them.")
TEXT = Claim("For text too: WordLlama to MiniLM on SciFact, new queries on old vectors above the old model's nDCG@10.")
CLAIMS = (EXACT, CROSS, CHAIN, EXTRA, LINEAR, CHANCE, TEXT)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    images = load("fashion_mnist")
    models = list(material.growing_encoders(images, setting.quick))
    half = len(models[0][2]) // 2
    labels = images.test_labels[: 2 * half]
    spaces: list[tuple[np.ndarray, np.ndarray]] = []
    worst_turn = worst_score = 0.0
    for _, known, unseen in models:
        if not spaces:
            spaces.append((known, unseen))
            continue
        layer = OrthogonalExtension().fit(known, spaces[-1][0])
        whole = layer.rotation_
        worst_turn = max(worst_turn, float(np.abs(whole.T @ whole - np.eye(len(whole))).max()))
        turned = layer.transform(known), layer.transform(unseen)
        before, after = (material.unit(rows[rows.any(axis=1)][:500]) for rows in (unseen, turned[1]))
        worst_score = max(worst_score, float(np.abs(before @ before.T - after @ after.T).max()))
        spaces.append(turned)
    text = f"Over three layers the largest entry of Q'Q - I is {worst_turn:.1e}, the largest change of a cosine "
    text += f"{worst_score:.1e}."
    yield Finding(EXACT, text, Verdict.of(worst_turn <= 1e-6 and worst_score <= 1e-5, why="it is larger"))

    def right(query: np.ndarray, gallery: np.ndarray) -> float:
        width = min(query.shape[1], gallery.shape[1])
        return first_right(query[:half, :width], labels[:half], gallery[half:, :width], labels[half:])

    own = [right(space, space) for _, space in spaces]
    cross = {(new, old): right(spaces[new][1], spaces[old][1]) for new in range(4) for old in range(new)}
    step = [cross[new, new - 1] - own[new - 1] for new in (1, 2, 3)]
    shown = ", ".join(f"{cross[new, new - 1]:.3f} against {own[new - 1]:.3f}" for new in (1, 2, 3))
    text = f"Encoders of 4, 6, 8 and 10 classes, R@1 among all ten: {shown} (new queries, then old ones, on the same "
    text += f"old gallery); new among new {', '.join(f'{value:.3f}' for value in own[1:])}."
    why = (
        f"better in {sum(gain > 0 for gain in step)} of 3; both encoders are frozen here, the paper trains the new one "
    )
    why += "towards the old"
    yield Finding(CROSS, text, Verdict.of(min(step) > 0, in_part=max(step) > 0, why=why), {"own": own})

    gains = {f"{new + 1} on {old + 1}": value - own[old] for (new, old), value in cross.items()}
    text = "Gain over the old model's own R@1, model on gallery: "
    text += ", ".join(f"{name} {gain:+.3f}" for name, gain in gains.items()) + "."
    better = sum(gain > 0 for gain in gains.values())
    yield Finding(CHAIN, text, Verdict.of(better == 6, in_part=better >= 3, why=f"in {better} of 6 pairs"), gains)

    def step_by(extra: int | None) -> list[float]:
        layers = [OrthogonalExtension(extra=extra).fit(models[new][1], models[new - 1][1]) for new in (1, 2, 3)]
        return [right(layer.transform(models[n + 1][2]), models[n][2]) for n, layer in enumerate(layers)]

    free, firm = step_by(None), step_by(0)
    shown = ", ".join(f"{wide:.3f} against {narrow:.3f}" for wide, narrow in zip(free, firm, strict=True))
    text = f"Each model on the gallery before it, with 64 extra dimensions and with none: {shown}."
    most = min(wide - narrow for wide, narrow in zip(free, firm, strict=True))
    yield Finding(EXTRA, text, Verdict.of(most >= 0.02, why="the gain is smaller"), {"with": free, "without": firm})

    linear = RidgeMap().fit(models[3][1], models[0][1]).transform(models[3][2])
    kept, old = right(linear, linear), right(linear, models[0][2])
    text = f"Model 4 mapped to the space of model 1 by ridge: among itself {kept:.3f} instead of {own[3]:.3f}, on the "
    text += f"gallery of model 1 {old:.3f} (the layer {cross[3, 0]:.3f})."
    yield Finding(LINEAR, text, Verdict.of(own[3] - kept > 0.01, why="it loses less than a point"))

    blind = [right(models[new][2], models[old][2]) for new, old in cross]
    text = f"R@1 of the raw vectors across models: {min(blind):.3f} to {max(blind):.3f}."
    verdict = Verdict.of(max(blind) <= 0.15, in_part=float(np.mean(blind)) <= 0.15, why="some pairs find more")
    yield Finding(CHANCE, text, verdict, {"unaligned": blind})

    papers, encoded = material.encodings(quick=True)
    (old_rows, old_asked), (new_rows, new_asked) = encoded["WordLlama"], encoded["MiniLM"]
    seen = np.random.default_rng(0).permutation(len(new_rows))[:1_000]
    layer = OrthogonalExtension().fit(new_rows[seen], old_rows[seen])
    part = layer.transform(new_asked)[:, : layer.n_old_]
    narrow = OrthogonalExtension(extra=0).fit(new_rows[seen], old_rows[seen])
    pairs: dict[str, Any] = {
        "old": (old_rows, old_asked),
        "new": (new_rows, new_asked),
        "new queries": (old_rows, np.ascontiguousarray(part)),
        "without extra dimensions": (old_rows, narrow.transform(new_asked)[:, : narrow.n_old_].copy()),
    }
    scores = {
        name: ndcg(exact(*pair).rows, papers.document_ids, papers.query_ids, papers.judgements)
        for name, pair in pairs.items()
    }
    text = "nDCG@10 from 1,000 pairs: " + ", ".join(f"{name} {score:.3f}" for name, score in scores.items()) + "."
    why = "the two encoders differ in kind, and a turning of frozen vectors cannot bridge that"
    yield Finding(TEXT, text, Verdict.of(scores["new queries"] > scores["old"], why=why), scores)
