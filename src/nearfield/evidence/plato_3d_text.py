"""Two spaces that agree in part: shared subspaces by canonical correlation, against maps of the whole spaces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..transform import PCA, CanonicalCorrelation, GapShift, Procrustes, RidgeMap
from . import glosses, pairs
from .claims import Claim, Finding, Paper, Setting, Verdict
from .pairs import Pair

PAPER = Paper(
    "plato_3d_text",
    "Escaping Plato's Cave: Towards the Alignment of 3D and Text Latent Spaces",
    "nearfield.transform.CanonicalCorrelation before nearfield.transform.RidgeMap; LSA and MiniLM stand for the two "
    "kinds of encoder.",
)
NAIVE = Claim("An affine map of the whole spaces, fitted to 300 pairs, finds less than a tenth of the partners (R@1).")
SUBSPACE = Claim("A shared subspace and an affine map within it find 1.5 times as many, at R@1 and at R@10.")
TUNED = Claim("They find more than a ridge map with its penalty tuned, or Procrustes, on the same pairs.")
NARROW = Claim("Well chosen subspaces are narrow: at some dimension below all, most partners are found.")
MORE = Claim("The advantage over the affine map is there at 200 pairs as at 1,000.")
MEANING = Claim(
    "The shared subspace holds the meaning and not the form: topics are read from it as well as from principal "
    "components of the same number, the length of a gloss worse."
)
CLAIMS = (NAIVE, SUBSPACE, TUNED, NARROW, MORE, MEANING)
WIDTHS = (10, 30, 60, 100, 150, 200)
PENALTIES = (None, 1.0, 3.0, 10.0)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    pair = pairs.glosses(setting.pick(5_000, 400), setting.pick(5_000, 500), lexical=True)
    sizes = setting.pick((200, 300, 1_000), (200, 300))
    tables = {size: _table(pair, size, setting) for size in sizes}
    table = tables[300]
    numbers = {"found": pairs.FOUND, "partners": {str(size): found for size, found in tables.items()}}

    whole, best = table["affine"], max((n for n in table if n.startswith("subspace")), key=lambda n: table[n][2])
    text = f"R@1 {whole[0]:.3f}, R@10 {whole[1]:.3f} among {len(pair.judged):,} glosses, mean of both directions."
    yield Finding(NAIVE, text, Verdict.of(whole[0] < 0.1, why="it finds more"), numbers)

    shared = table[best]
    times = [shared[place] / max(whole[place], 1e-9) for place in (0, 1)]
    text = f"{best}: R@1 {shared[0]:.3f}, R@10 {shared[1]:.3f}, {times[0]:.1f} and {times[1]:.1f} times as many."
    yield Finding(SUBSPACE, text, Verdict.of(min(times) >= 1.5, in_part=max(times) >= 1.5, why="at one depth only"))

    rows, won = [], {"ridge": [], "ridge, from rows to queries": [], "Procrustes": []}  # type: ignore[var-annotated]
    for size, found in tables.items():
        top = max((name for name in found if name not in won and name != "affine"), key=lambda name: found[name][2])
        rows.append(f"{size} pairs: {top} {found[top][2]:.3f}, " + ", ".join(f"{n} {found[n][2]:.3f}" for n in won))
        for name, wins in won.items():
            wins.append(found[top][2] > found[name][2])
    lost = " and ".join(
        f"{name} at {wins.count(False)} of {len(wins)} sizes" for name, wins in won.items() if not all(wins)
    )
    why = f"as many or more are found by {lost}"
    every = [win for wins in won.values() for win in wins]
    yield Finding(TUNED, "MRR, " + "; ".join(rows) + ".", Verdict.of(all(every), in_part=any(every), why=why))

    scores = {size: {w: found[f"subspace of {w}"][2] for w in WIDTHS} for size, found in tables.items()}
    text = "MRR by dimensions, " + "; ".join(
        f"{size} pairs: "
        + ", ".join(f"{w}: {score:.3f}" for w, score in found.items())
        + f", all, weighted: {tables[size]['all, weighted'][2]:.3f}"
        for size, found in scores.items()
    )
    inner = [max(found, key=lambda w: found[w]) < max(WIDTHS) for found in scores.values()]
    narrow = all(inner) and all(
        max(found.values()) >= tables[size]["all, weighted"][2] for size, found in scores.items()
    )
    why = "all directions, each weighted by its singular value, find as many or more"
    yield Finding(NARROW, text + ".", Verdict.of(narrow, in_part=any(inner), why=why))

    gains = {size: max(scores[size].values()) / max(tables[size]["affine"][2], 1e-9) for size in sizes}
    text = (
        "MRR of the best subspace over the affine map's: "
        + ", ".join(f"{g:.1f} at {s}" for s, g in gains.items())
        + "."
    )
    yield Finding(
        MORE, text, Verdict.of(min(gains.values()) >= 1.5, in_part=max(gains.values()) >= 1.5, why="it shrinks")
    )
    yield _meaning(pair, setting)


def _table(pair: Pair, size: int, setting: Setting) -> dict[str, tuple[float, ...]]:
    """Means over both directions."""
    found: dict[str, list[tuple[float, ...]]] = {}
    anchors, rows = pair.rest[:size], pair.judged
    asked = rows[: setting.pick(1_000, 200)]
    for sides in (pair, pair.turned()):
        first, second = (GapShift().fit(side[pair.rest]).transform(side) for side in (sides.first, sides.second))
        x, y = first[anchors], second[anchors]

        def keep(name: str, left: np.ndarray, right: np.ndarray) -> None:
            found.setdefault(name, []).append(pairs.partners(left, right))

        keep("affine", RidgeMap(0.0).fit(x, y).transform(first[asked]), second[rows])
        keep("Procrustes", Procrustes(center=False).fit(x, y).transform(first[asked]), second[rows])
        there = [pairs.partners(RidgeMap(a).fit(x, y).transform(first[asked]), second[rows]) for a in PENALTIES]
        back = [pairs.partners(first[asked], RidgeMap(a).fit(y, x).transform(second[rows])) for a in PENALTIES]
        found.setdefault("ridge", []).append(max(there, key=lambda scores: scores[2]))
        found.setdefault("ridge, from rows to queries", []).append(max(back, key=lambda scores: scores[2]))
        whole = CanonicalCorrelation().fit(x, y)
        keep("all, weighted", whole.transform(first[asked]), whole.transform_other(second[rows]))
        for width in WIDTHS:
            fitted = CanonicalCorrelation(min(width, size - 1), shrinkage=whole.shrinkage_, power=0.5).fit(x, y)
            affine = RidgeMap(0.0).fit(fitted.transform(x), fitted.transform_other(y))
            keep(
                f"subspace of {width}",
                affine.transform(fitted.transform(first[asked])),
                fitted.transform_other(second[rows]),
            )
    return {name: tuple(np.mean(scores, axis=0).tolist()) for name, scores in found.items()}


def _meaning(pair: Pair, setting: Setting) -> Finding:
    """Topic and length read by linear probes from MiniLM's coordinates in the shared subspace and elsewhere."""
    from sklearn.linear_model import LogisticRegression, Ridge

    kept = {name: values[pair.ids] for name, values in glosses.attributes().items()}
    learnt, tested = pair.rest, pair.judged
    width, size = 30, setting.pick(2_000, 300)
    whole = pair.turned()
    fitted = CanonicalCorrelation(width, power=0.0).fit(whole.first[learnt[:size]], whole.second[learnt[:size]])
    views = {"shared": fitted.transform(whole.first)}
    views["principal"] = PCA(width).fit(whole.first[learnt]).transform(whole.first)
    found = {}
    for name, view in views.items():
        view = (view - view[learnt].mean(axis=0)) / view[learnt].std(axis=0)
        topic = LogisticRegression(C=1.0, max_iter=200).fit(view[learnt], kept["topic"][learnt])
        size_of = Ridge(1.0).fit(view[learnt], np.log(kept["length"][learnt]))
        found[name] = (
            float(topic.score(view[tested], kept["topic"][tested])),
            float(size_of.score(view[tested], np.log(kept["length"][tested]))),
        )
    text = f"Of {width} dimensions of MiniLM: " + "; ".join(
        f"{name}: {topic:.1%} of topics right, R2 of the length {length:.3f}" for name, (topic, length) in found.items()
    )
    meaning = found["shared"][0] >= found["principal"][0] - 0.01
    form = found["shared"][1] < found["principal"][1] - 0.01
    why = "the length is read as well" if meaning else "topics are read worse"
    return Finding(MEANING, text + ".", Verdict.of(meaning and form, in_part=meaning or form, why=why), found)
