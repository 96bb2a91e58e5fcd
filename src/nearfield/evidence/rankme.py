"""RankMe: the effective rank of trained encoders against a linear probe, and where the comparison stops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import spearmanr

from ..datasets import load
from ..survey import effective_rank
from ..transform import PCA
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import search_ndcg

PAPER = Paper(
    "rankme",
    "RankMe: Assessing the downstream performance of pretrained self-supervised representations by their rank",
    "nearfield.survey.effective_rank.",
)
ISOTROPIC = Claim("An isotropic cloud of rank k has effective rank k, within 1%.")
FEW = Claim("Some thousand rows give the effective rank of all of them within 2%.")
PROBE = Claim("Over 20 or more self-supervised encoders it follows linear-probe accuracy (Spearman >= 0.6).")
PICK = Claim("Picking the encoder of highest rank loses under 1 point of accuracy against picking by labels.")
KINDS = Claim("It compares runs of one method only: noise raises the rank of vectors and lowers what they are worth.")
CLAIMS = (ISOTROPIC, FEW, PROBE, PICK, KINDS)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    ranks = (1, 2, 5, 10, 20, 50, 100)
    found = {str(k): effective_rank(material.planted(k, setting.pick(20_000, 4_000), 128)).value for k in ranks}
    off = max(abs(value / int(k) - 1) for k, value in found.items())
    text = f"At most {off:.2%} off for ranks {ranks[0]} to {ranks[-1]} in 128 dimensions."
    yield Finding(ISOTROPIC, text, Verdict.of(off < 0.01, why="few rows make it too small"), found)

    images = load("fashion_mnist")
    part, rows = material.wordnet(setting.pick(None, 8_000), 10)[0], (4_000, 8_000, 16_000)
    whole = effective_rank(part, sample=None).value
    few = [effective_rank(part, sample=count).value / whole - 1 for count in rows]
    text = f"{whole:.1f} from all {len(part):,} WordNet vectors; from "
    text += ", ".join(f"{count:,} rows {error:+.1%}" for count, error in zip(rows, few, strict=True)) + "."
    yield Finding(FEW, text, Verdict.of(abs(few[0]) < 0.02, in_part=abs(few[-1]) < 0.02, why="not yet with 4,000"))

    settings, values, scores = [], [], []
    for name, features, probe in material.rotation_encoders(images, setting.quick):
        settings.append(name)
        values.append(effective_rank(features).value)
        scores.append(probe)
    trend = float(spearmanr(values, scores)[0])
    text = f"Spearman {trend:.2f} over {len(values)} encoders of Fashion-MNIST (128 units trained to tell rotations; "
    text += f"rate, weight decay and epochs vary): rank {min(values):.0f} to {max(values):.0f}, accuracy "
    text += f"{min(scores):.3f} to {max(scores):.3f}."
    verdict = Verdict.of(trend >= 0.6, in_part=trend >= 0.3, why="the relation is weaker")
    yield Finding(PROBE, text, verdict, {"settings": settings, "rank": values, "accuracy": scores})

    picked, best, middle = scores[int(np.argmax(values))], max(scores), float(np.median(scores))
    text = f"Picked by rank {picked:.4f}, by labels {best:.4f}, the median encoder {middle:.4f}."
    why = f"it loses {100 * (best - picked):.2f} points"
    yield Finding(PICK, text, Verdict.of(best - picked < 0.01, in_part=picked > middle, why=why))

    papers, models = material.encodings(setting.quick)
    documents, queries = models["MiniLM"]
    rng = np.random.default_rng(0)
    for level in (0.5, 1.0):
        noisy = (x + level * rng.standard_normal(x.shape) / x.shape[1] ** 0.5 for x in (documents, queries))
        models[f"MiniLM, noise {level}"] = tuple(x.astype(np.float32) for x in noisy)
    white = PCA(whiten=True).fit(documents)
    models["MiniLM, whitened"] = (white.transform(documents), white.transform(queries))
    judged = {name: (effective_rank(pair[0]).value, search_ndcg(papers, *pair)) for name, pair in models.items()}
    trend = float(spearmanr(*zip(*judged.values(), strict=True))[0])
    (clean, good), (rough, bad) = judged["MiniLM"], judged["MiniLM, noise 1.0"]
    text = f"With noise MiniLM's rank goes from {clean:.0f} to {rough:.0f}, nDCG@10 on SciFact from {good:.3f} to "
    text += f"{bad:.3f}; over {len(judged)} representations of different kinds Spearman is {trend:.2f}."
    yield Finding(KINDS, text, Verdict.of(rough > clean and bad < good, why="noise does not do that here"), judged)
