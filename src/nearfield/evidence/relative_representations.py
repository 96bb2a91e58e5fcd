"""Relative representations: invariance, seeds of one network, two text encoders, and the maps they must beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..datasets import load
from ..transform import GapShift, Procrustes, RelativeRepresentation, RidgeMap, choose_anchors
from . import pairs
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import search_ndcg
from .pairs import Pair

PAPER = Paper(
    "relative_representations",
    "Relative representations enable zero-shot latent space communication",
    "nearfield.transform.RelativeRepresentation; its whitened Gaussian is an addition of ours.",
)
SAME = Claim("Relative vectors stay the same to 1e-6 when a space is turned and stretched.")
SEEDS = Claim(
    "Across autoencoders of different seeds, images find themselves with a mean reciprocal rank of 0.9 by relative "
    "vectors, and hardly ever by absolute ones (Fashion-MNIST, 300 anchors)."
)
HEAD = Claim("A classifier trained on one autoencoder's relative vectors loses under 5 points on another's.")
FAR = Claim(
    "Two text encoders trained apart find their partners a hundred times more often than chance from 300 shared "
    "anchors, with nothing trained (WordLlama and MiniLM; WordNet glosses, SciFact abstracts)."
)
MAPS = Claim("They find more than pairwise maps fitted to the same anchors do, from 50 to 1,000 anchors.")
OURS = Claim("Whitened Gaussian similarities to the same anchors find more than the paper's cosines.")
CHOICE = Claim("Anchors drawn at random serve as well as anchors chosen by k-means or farthest first.")
CLAIMS = (SAME, SEEDS, HEAD, FAR, MAPS, OURS, CHOICE)

FORMS: dict[str, dict[str, Any]] = {
    "cosine": {"center": False},
    "cosine, centred": {},
    "euclidean": {"similarity": "euclidean"},
    "cosine, standard": {"normalization": "standard"},
    "cosine, quantile": {"normalization": "quantile"},
    "gaussian, whitened": {"similarity": "gaussian", "normalization": "whitened"},
}
PENALTIES = (None, 1.0, 3.0, 10.0)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    yield from _networks(setting)
    sizes = setting.pick((50, 100, 300, 1_000), (50,))
    sets = {
        "glosses": pairs.glosses(setting.pick(10_000, 600), setting.pick(10_000, 600)),
        "abstracts": pairs.abstracts(setting.pick(3_000, 500)),
    }
    tables = {name: {size: _table(pair, size, setting) for size in sizes} for name, pair in sets.items()}
    answers = {str(size): _answers(sets["abstracts"], size) for size in sizes}
    numbers = {"found": pairs.FOUND, "partners": tables, "nDCG@10": answers}

    middle = sizes[len(sizes) // 2]
    plain = {name: table[middle]["cosine"] for name, table in tables.items()}
    times = {name: found[0] * len(sets[name].judged) for name, found in plain.items()}
    text = f"With {middle} anchors the partner comes first for " + " and ".join(
        f"{found[0]:.1%} of the {name} among {len(sets[name].judged):,} ({times[name]:,.0f} times chance)"
        for name, found in plain.items()
    )
    ranked = answers[str(middle)]
    text += f"; claims encoded by WordLlama answer from MiniLM's abstracts with nDCG@10 {ranked['cosine']:.3f} "
    text += f"(whitened {ranked['gaussian, whitened']:.3f}; WordLlama alone {ranked['alone']:.3f})."
    yield Finding(FAR, text, Verdict.of(min(times.values()) >= 100, why="one set stays below that"), numbers)

    yield _against_maps(tables, sizes)
    gains = [
        table[size]["gaussian, whitened"][2] - table[size]["cosine"][2] for table in tables.values() for size in sizes
    ]
    text = "MRR, the paper's cosines and whitened: " + "; ".join(
        f"{name} {size}: {table[size]['cosine'][2]:.3f} and {table[size]['gaussian, whitened'][2]:.3f}"
        for name, table in tables.items()
        for size in sizes
    )
    yield Finding(OURS, text + ".", Verdict.of(min(gains) > 0, in_part=max(gains) > 0, why="not everywhere"))
    yield _chosen(sets["glosses"], sizes[:3:2], setting)


def _networks(setting: Setting) -> Iterator[Finding]:
    from sklearn.linear_model import LogisticRegression

    taught, asked, labels = pairs.autoencoders((0, 1), setting.quick)
    count = setting.pick(300, 60)
    turn = 3 * np.linalg.qr(np.random.default_rng(0).standard_normal((32, 32)))[0]
    one = RelativeRepresentation(count, center=False).fit(taught[0].astype(np.float64))
    kept = one.anchor_rows_
    again = RelativeRepresentation(center=False).fit(taught[0] @ turn, anchors=taught[0][kept] @ turn)
    change = np.abs(one.transform(asked[0].astype(np.float64)) - again.transform(asked[0] @ turn)).max()
    text = f"Largest change of a coordinate: {change:.1e}."
    yield Finding(SAME, text, Verdict.of(bool(change <= 1e-6), why="it is larger"))

    found = {"absolute": pairs.partners(asked[0], asked[1])}
    heads: dict[str, list[float]] = {}
    seen, unseen = labels[: len(taught[0])], labels[len(taught[0]) :]
    for name, form in FORMS.items():
        spaces = [RelativeRepresentation(**form).fit(codes, anchors=codes[kept]) for codes in taught]
        moved = [space.transform(codes) for space, codes in zip(spaces, asked, strict=True)]
        found[name] = pairs.partners(*moved)
        head = LogisticRegression(C=10, max_iter=2_000).fit(spaces[0].transform(taught[0]), seen)
        heads[name] = [float(head.score(rows, unseen)) for rows in moved]
    head = LogisticRegression(C=10, max_iter=2_000).fit(taught[0], seen)
    heads["absolute"] = [float(head.score(codes, unseen)) for codes in asked]
    best = max(FORMS, key=lambda name: found[name][2])
    text = (
        f"MRR {found['cosine'][2]:.3f} by cosines, {found['cosine, centred'][2]:.3f} centred, {found[best][2]:.3f} by "
    )
    text += f"the best form ({best}); by the absolute codes {found['absolute'][2]:.3f} among {len(asked[0]):,} images."
    holds = found["cosine"][2] >= 0.9 and found["absolute"][2] < 0.1
    part = found[best][2] >= 0.9 and found["absolute"][2] < 0.1
    yield Finding(SEEDS, text, Verdict.of(holds, in_part=part, why="the paper's form stays below 0.9"), found)

    lost = {name: 100 * (own - other) for name, (own, other) in heads.items()}
    text = "; ".join(f"{name}: {own:.1%} at home, {other:.1%} stitched" for name, (own, other) in heads.items()) + "."
    why = f"the paper's cosines lose {lost['cosine']:.1f} points; {min(FORMS, key=lambda n: lost[n])} loses least"
    part = min(lost[name] for name in FORMS) < 5
    yield Finding(HEAD, text, Verdict.of(lost["cosine"] < 5, in_part=part, why=why), heads)


def _against_maps(tables: dict[str, dict[int, dict[str, tuple[float, ...]]]], sizes: tuple[int, ...]) -> Finding:
    """Wins of the best relative form and of the paper's own over Procrustes and ridge."""
    rows, won, plain_won, rotated = [], [], [], []
    for name, table in tables.items():
        for size in sizes:
            scores = {form: found[2] for form, found in table[size].items()}
            maps = max(scores["Procrustes"], scores["ridge"], scores["ridge, from rows to queries"])
            best = max(FORMS, key=lambda form: scores[form])
            won.append(scores[best] >= maps)
            plain_won.append(scores["cosine"] >= maps)
            rotated.append(scores[best] >= scores["Procrustes"])
            rows.append(
                f"{name} {size}: {best} {scores[best]:.3f}, Procrustes {scores['Procrustes']:.3f}, ridge "
                f"{scores['ridge']:.3f}, ridge from rows to queries {scores['ridge, from rows to queries']:.3f}"
            )
    why = (
        f"the paper's cosines beat the best map in {sum(plain_won)} of {len(won)} settings and the best form in "
        f"{sum(won)} (Procrustes in {sum(rotated)}); ridge from rows to queries is as good or better"
    )
    text = "MRR, mean of both directions: " + "; ".join(rows) + "."
    return Finding(MAPS, text, Verdict.of(all(plain_won), in_part=any(won) or all(rotated), why=why))


def _table(pair: Pair, size: int, setting: Setting) -> dict[str, tuple[float, ...]]:
    """Means over both directions and two draws of anchors, for every form and map."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(setting.pick(2, 1)):
        anchors = pair.rest[choose_anchors(pair.first[pair.rest], size, random_state=seed)]
        for sides in (pair, pair.turned()):
            for name, scores in _scores(sides, anchors, setting).items():
                found.setdefault(name, []).append(scores)
    return {name: tuple(np.mean(scores, axis=0).tolist()) for name, scores in found.items()}


def _scores(pair: Pair, anchors: np.ndarray, setting: Setting) -> dict[str, tuple[float, ...]]:
    asked, rows = pair.judged[: setting.pick(1_000, 200)], pair.judged
    found: dict[str, tuple[float, ...]] = {
        name: pairs.partners(*relative(pair, anchors, asked, rows, form)) for name, form in FORMS.items()
    }
    first, second = (GapShift().fit(side[pair.rest]).transform(side) for side in (pair.first, pair.second))
    turned = Procrustes(center=False).fit(first[anchors], second[anchors])
    found["Procrustes"] = pairs.partners(turned.transform(first[asked]), second[rows])
    there = [RidgeMap(penalty).fit(first[anchors], second[anchors]) for penalty in PENALTIES]
    back = [RidgeMap(penalty).fit(second[anchors], first[anchors]) for penalty in PENALTIES]
    tried = [pairs.partners(ridge.transform(first[asked]), second[rows]) for ridge in there]
    found["ridge"] = max(tried, key=lambda scores: scores[2])
    tried = [pairs.partners(first[asked], ridge.transform(second[rows])) for ridge in back]
    found["ridge, from rows to queries"] = max(tried, key=lambda scores: scores[2])
    return found


def relative(
    pair: Pair, anchors: np.ndarray, asked: np.ndarray, rows: np.ndarray, form: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Queries of the first side and rows of the second, relative to the same items."""
    one, other = (
        RelativeRepresentation(**form).fit(side[pair.rest], anchors=side[anchors]) for side in (pair.first, pair.second)
    )
    return one.transform(pair.first[asked]), other.transform(pair.second[rows])


def _answers(pair: Pair, size: int) -> dict[str, float]:
    """nDCG@10 of SciFact's claims by WordLlama against the abstracts by MiniLM."""
    papers, asked = load("scifact"), pairs.claims()
    anchors = choose_anchors(pair.first, size)
    found = {}
    for name, form in FORMS.items():
        one, other = (
            RelativeRepresentation(**form).fit(side, anchors=side[anchors]) for side in (pair.first, pair.second)
        )
        found[name] = search_ndcg(papers, other.transform(pair.second), one.transform(asked[0]))
    first, second = (GapShift().fit(side) for side in (pair.first, pair.second))
    sides = first.transform(pair.first), second.transform(pair.second)
    back = RidgeMap().fit(sides[1][anchors], sides[0][anchors])
    found["ridge, from rows to queries"] = search_ndcg(papers, back.transform(sides[1]), first.transform(asked[0]))
    return found | {
        "alone": search_ndcg(papers, pair.first, asked[0]),
        "MiniLM": search_ndcg(papers, pair.second, asked[1]),
    }


def _chosen(pair: Pair, sizes: tuple[int, ...], setting: Setting) -> Finding:
    """Whitened, and the best map beside it, from anchors chosen by the first encoder's vectors."""
    found: dict[str, dict[str, float]] = {}
    maps: dict[str, dict[str, float]] = {}
    for size in sizes:
        for selection in ("random", "kmeans", "farthest"):
            scores = []
            for seed in range(setting.pick(3, 1)):
                chosen = choose_anchors(pair.first[pair.rest], size, selection=selection, random_state=seed)
                scored = _scores(pair, pair.rest[chosen], setting)
                scores.append([scored[name][2] for name in ("gaussian, whitened", "ridge, from rows to queries")])
            ours, theirs = np.mean(scores, axis=0).tolist()
            found.setdefault(str(size), {})[selection] = ours
            maps.setdefault(str(size), {})[selection] = theirs
    parts = []
    for count, by in found.items():
        shown = ", ".join(f"{name} {score:.3f} ({maps[count][name]:.3f})" for name, score in by.items())
        parts.append(f"{count} anchors: {shown}")
    text = "MRR on glosses, whitened (and ridge from rows to queries): " + "; ".join(parts)
    best = max(by["kmeans"] - by["random"] for by in found.values())
    worst = min(min(by["random"] - by[name] for name in ("kmeans", "farthest")) for by in found.values())
    why = f"k-means finds up to {best:.3f} more" if best >= -worst else f"a choice finds {-worst:.3f} more"
    numbers = {"whitened": found, "ridge, from rows to queries": maps}
    return Finding(CHOICE, text + ".", Verdict.of(worst >= -0.01, why=why), numbers)
