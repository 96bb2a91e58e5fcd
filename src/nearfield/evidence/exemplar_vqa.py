"""A classifier of half of the intents, with a memory that holds examples of the other half."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from ..decide import ExemplarMemory, NaiveBayes
from ..quantize import RotatedQuantizer
from .claims import Claim, Finding, Paper, Setting, Verdict
from .requests import requests

PAPER = Paper(
    "exemplar_vqa",
    "From Known to the Unknown: Transferring Knowledge to Answer Questions about Novel Visual and Semantic Concepts",
    "nearfield.decide.ExemplarMemory: what joins, the memory of exemplars with a compact code beside a trained model; "
    "no images, no attention. 75 intents of CLINC150 are trained, 75 remembered.",
)
UNSEEN = Claim("Classes that were never trained, 0% right without the memory, are at least 50% right with it.")
SEEN = Claim("Trained classes lose less than a point, against the same classifier without the other classes.")
AGAIN = Claim("Training again on all examples is no more than a point better, over all classes.")
FEW = Claim("With one example for each new class most of them are answered.")
CODE = Claim("A code of one bit a dimension keeps 95% of what the exact examples gain on the new classes.")
CLAIMS = (UNSEEN, SEEN, AGAIN, FEW, CODE)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    rows = {}
    for name, found in requests(setting, 20, outside=10).items():
        old = np.isin(found.labels, np.unique(found.labels)[::2])
        asked = np.isin(found.truth, np.unique(found.labels)[::2])
        x, y = found.train, found.labels
        first = np.concatenate([np.flatnonzero(y == kind)[:1] for kind in np.unique(y[~old])])

        def right(model: Any, test: Any = found, asked: Any = asked) -> list[float]:
            return [float(model.score(test.test[part], test.truth[part])) for part in (asked, ~asked)]

        for kind in ("naive Bayes", "logistic regression")[: setting.pick(2, 1)]:

            def base(kind: str = kind) -> Any:
                return NaiveBayes() if kind == "naive Bayes" else LogisticRegression(C=10, tol=1e-5, max_iter=100)

            model = ExemplarMemory(base()).fit(x[old], y[old])
            coded = ExemplarMemory(base(), codec=RotatedQuantizer(1)).fit(x[old], y[old])
            line = {"alone": right(model)}
            line["one"] = right(model.remember(x[first], y[first]))
            rest = ~old & ~np.isin(np.arange(len(y)), first)
            line["memory"] = right(model.remember(x[rest], y[rest]))
            line["code"] = right(coded.remember(x[~old], y[~old]))
            line["again"] = right(base().fit(x, y))
            rows[f"{name}, {kind}"] = line

    def shown(what: str, place: int) -> str:
        return "; ".join(f"{name} {line[what][place]:.1%}" for name, line in rows.items()) + "."

    least = min(line["memory"][1] for line in rows.values())
    yield Finding(UNSEEN, "With 20 examples each: " + shown("memory", 1), Verdict.of(least >= 0.5, why="less"), rows)
    lost = {name: line["alone"][0] - line["memory"][0] for name, line in rows.items()}
    unavoidable = {name: line["alone"][0] - line["again"][0] for name, line in rows.items()}
    text = "Points lost, and in brackets by training again with the new classes: " + "; ".join(
        f"{name} {100 * lost[name]:.1f} ({100 * unavoidable[name]:.1f})" for name in rows
    )
    why = "twice as many classes can be mistaken for each other, however they are learnt"
    verdict = Verdict.of(max(lost.values()) < 0.01, in_part=min(lost.values()) < 0.01, why=why)
    yield Finding(SEEN, text + ".", verdict, lost)
    behind = {name: float(np.mean(line["again"]) - np.mean(line["memory"])) for name, line in rows.items()}
    text = "Ahead of the memory by " + "; ".join(f"{100 * gap:+.1f} points ({name})" for name, gap in behind.items())
    verdict = Verdict.of(max(behind.values()) <= 0.01, in_part=min(behind.values()) <= 0.01, why="it is by more")
    yield Finding(AGAIN, text + ".", verdict, behind)
    least = min(line["one"][1] for line in rows.values())
    yield Finding(FEW, shown("one", 1), Verdict.of(least >= 0.5, in_part=least >= 0.3, why="fewer than half"))
    kept = {name: line["code"][1] / line["memory"][1] for name, line in rows.items()}
    sizes = {dim: RotatedQuantizer(1).fit(np.eye(dim, dtype=np.float32)).bytes_per_vector for dim in (256, 384)}
    text = "; ".join(f"{name} {share:.1%}" for name, share in kept.items()) + " (a row of "
    text += " and of ".join(f"{dim} dimensions in {size} bytes for {4 * dim}" for dim, size in sizes.items()) + ")."
    yield Finding(CODE, text, Verdict.of(min(kept.values()) >= 0.95, why="less"), kept)
