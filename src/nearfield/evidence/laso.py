"""Label-set arithmetic on requests that hold several intents, with intents that were never seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier

from ..datasets import load
from ..transform import LabelSets
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact

PAPER = Paper(
    "laso",
    "LaSO: Label-Set Operations networks for multi-label few-shot learning",
    "nearfield.transform.LabelSets, linear and in closed form where the paper trains networks; MiniLM on CLINC150.",
)
BOTH = Claim("What two items share, as a query, finds unseen labels better by 10 points than adding the two.")
EITHER = Claim("The union of their labels, as a query, finds unseen labels better by 10 points than adding the two.")
ONLY = Claim("What one has and the other has not finds unseen labels better by 10 points than subtracting the two.")
ORDER = Claim("Union and intersection do not depend on the order of the two items, within 1%.")
READ = Claim("A classifier of the unseen labels reads the result off the vectors better by 10 points of mAP.")
SHOT = Claim("Vectors made from one example a label raise the mAP of a classifier of unseen labels by 2 points.")
CLAIMS = (BOTH, EITHER, ONLY, ORDER, READ, SHOT)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    rng = np.random.default_rng(setting.random_state)
    labels = rng.permutation(150)
    (seen, has), (unseen, target) = (
        _composites(part, count, families, rng)
        for part, count, families in (
            (labels[:100], setting.pick(2500, 200), 100),
            (labels[100:148], setting.pick(2000, 200), 24),
        )
    )
    sets = LabelSets().fit(seen, has)
    pairs = _pairs(target, setting.pick(500, 30), rng)
    first, second = unseen[pairs[:, 0]], unseen[pairs[:, 1]]
    plain: dict[str, list[np.ndarray]] = {
        "intersection": [first + second, np.minimum(first, second), first * second],
        "union": [first + second, np.maximum(first, second)],
        "difference": [first - second, np.maximum(first - second, 0)],
    }
    made = {"intersection": sets.intersection, "union": sets.union, "difference": sets.difference}
    rest = np.setdiff1d(np.arange(len(unseen)), pairs)
    judge = _classifier(unseen[rest], target[rest])
    read = {}
    for claim, name in ((BOTH, "intersection"), (EITHER, "union"), (ONLY, "difference")):
        wanted = _operate(name, target[pairs[:, 0]], target[pairs[:, 1]])
        some = wanted.any(axis=1)
        own = made[name](first, second)
        ours = _retrieval(own[some], unseen, target, pairs[some], wanted[some])
        rivals = [_retrieval(rows[some], unseen, target, pairs[some], wanted[some]) for rows in plain[name]]
        exactly, likeness = (max(rival[i] for rival in rivals) for i in (0, 1))
        gain = max(ours[0] - exactly, ours[1] - likeness)
        text = (
            f"Exactly the resulting labels at the first place: {ours[0]:.1%} against {exactly:.1%}; overlap of the ten "
        )
        text += (
            f"nearest's labels with them: {ours[1]:.3f} against {likeness:.3f} ({int(some.sum())} pairs; the better of "
        )
        text += "sum and minimum, sum and maximum, difference and its positive part)."
        verdict = Verdict.of(gain >= 0.1, in_part=gain >= 0.02, why=f"the gain is {100 * gain:.0f} points")
        yield Finding(claim, text, verdict, {"ours": ours, "plain": rivals})
        read[name] = [
            _precision(judge, rows[some], wanted[some])
            for rows in (own if name == "union" else own + sets.mean_, plain[name][0])
        ]
    turned = max(
        float(np.abs(operate(first, second) - operate(second, first)).max())
        for operate in (sets.union, sets.intersection)
    )
    yield Finding(ORDER, f"The largest change is {turned:.1e}.", Verdict.of(turned <= 1e-6, why="it matters"))
    gains = {name: ours - other for name, (ours, other) in read.items()}
    text = "; ".join(f"{name} {ours:.3f} against {other:.3f}" for name, (ours, other) in read.items()) + "."
    good = [gain >= 0.1 for gain in gains.values()]
    why = "it gains " + ", ".join(f"{100 * gain:.0f} points for the {name}" for name, gain in gains.items())
    yield Finding(
        READ, text, Verdict.of(all(good), in_part=any(gain >= 0.02 for gain in gains.values()), why=why), gains
    )
    yield _few_shots(LabelSets(add_mean=True).fit(seen, has), unseen, target, setting, rng)


def _few_shots(
    sets: LabelSets, items: np.ndarray, has: np.ndarray, setting: Setting, rng: np.random.Generator
) -> Finding:
    """One item for each label, and what is made of pairs of them, against the items alone."""
    scores: dict[str, list[float]] = {"alone": [], "copies": [], "made": []}
    for _ in range(setting.pick(5, 1)):
        shots = np.array([rng.choice(np.flatnonzero(has[:, label])) for label in range(has.shape[1])])
        rest = np.setdiff1d(np.arange(len(items)), shots)
        pairs = shots[rng.integers(0, len(shots), (setting.pick(600, 60), 2))]
        rows, labels = [items[shots]], [has[shots]]
        operations: tuple[tuple[str, Callable[..., np.ndarray]], ...] = (
            ("union", sets.union),
            ("intersection", sets.intersection),
            ("difference", sets.difference),
        )
        for name, operate in operations:
            wanted = _operate(name, has[pairs[:, 0]], has[pairs[:, 1]])
            some = wanted.any(axis=1)
            rows.append(operate(*(items[pairs[some, side]] for side in (0, 1))))
            labels.append(wanted[some])
        mixed = (items[pairs[:, 0]] + items[pairs[:, 1]]) / 2, has[pairs[:, 0]] | has[pairs[:, 1]]
        for name, training in (
            ("alone", (rows[0], labels[0])),
            ("copies", (np.vstack([rows[0], mixed[0]]), np.vstack([labels[0], mixed[1]]))),
            ("made", (np.vstack(rows), np.vstack(labels))),
        ):
            scores[name].append(_precision(_classifier(*training), items[rest], has[rest]))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    gain = means["made"] - means["alone"]
    text = (
        f"mAP {means['alone']:.3f} from the examples alone, {means['made']:.3f} with made vectors, "
        f"{means['copies']:.3f} with "
    )
    text += f"means of two and their labels (mixup); {len(scores['made'])} draws."
    why = f"the change is {100 * gain:+.1f} points"
    return Finding(SHOT, text, Verdict.of(gain >= 0.02, in_part=gain > 0.005, why=why), scores)


def _composites(
    labels: np.ndarray, count: int, families: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Requests that join one of each of up to four intents, as vectors, with their labels.

    The sets are subsets of families of four; each label is in as many families.
    """
    clinc = load("clinc150")
    intents = sorted(set(clinc.train.intents))
    texts: dict[str, list[str]] = {name: [] for name in intents}
    for text, intent in zip(clinc.train.texts, clinc.train.intents, strict=True):
        texts[intent].append(text)
    rounds = 4 * families // len(labels)
    members = np.concatenate([rng.permutation(len(labels)) for _ in range(rounds)]).reshape(families, 4)
    has, joined = np.zeros((count, len(labels)), bool), []
    for row in range(count):
        subset = rng.permutation(members[rng.integers(families)])[: rng.integers(1, 5)]
        has[row, subset] = True
        joined.append(", ".join(str(rng.choice(texts[intents[labels[label]]])) for label in subset))
    return material.unit(material.minilm().encode(joined, progress=False)), has


def _pairs(has: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Two items each that share a label and are not the same set."""
    found: list[tuple[int, int]] = []
    while len(found) < count:
        one = int(rng.integers(len(has)))
        near = np.flatnonzero((has & has[one]).any(axis=1) & (has != has[one]).any(axis=1))
        if len(near):
            found.append((one, int(rng.choice(near))))
    return np.array(found)


def _operate(name: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray({"union": first | second, "intersection": first & second, "difference": first & ~second}[name])


def _retrieval(
    queries: np.ndarray, items: np.ndarray, has: np.ndarray, pairs: np.ndarray, wanted: np.ndarray
) -> tuple[float, float]:
    """Share of first places with exactly the wanted labels, and the mean overlap of the ten nearest.

    The two items asked with are left out.
    """
    rows = exact(items, material.unit(queries), 12).rows
    near = np.array([[row for row in found if row not in pair][:10] for found, pair in zip(rows, pairs, strict=True)])
    labels = has[near]
    overlap = (labels & wanted[:, None]).sum(axis=2) / (labels | wanted[:, None]).sum(axis=2)
    return float((overlap[:, 0] == 1).mean()), float(overlap.mean())


def _classifier(rows: np.ndarray, labels: np.ndarray) -> OneVsRestClassifier:
    return OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=200)).fit(rows, labels.astype(int))


def _precision(judge: OneVsRestClassifier, rows: np.ndarray, labels: np.ndarray) -> float:
    """Mean over labels of the average precision."""
    known = labels.any(axis=0)
    chances = judge.predict_proba(material.unit(rows))
    return float(average_precision_score(labels[:, known], chances[:, known], average="macro"))
