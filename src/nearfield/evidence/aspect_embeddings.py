"""Aspects: one vector a document, several named spaces in it, and a search that picks or weighs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..index import Flat
from ..transform import Aspects, PairMargin
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .labelled import Labelled, labelled

PAPER = Paper(
    "aspect_embeddings",
    "Specialized Document Embeddings for Aspect-based Similarity of Research Papers",
    "nearfield.transform.Aspects over vectors that encoders gave; the search side alone, no encoder is trained. "
    "WordNet glosses by topic and part of speech, Debian packages by language and role; documents asked and found were "
    "not seen in the fit.",
)
OWN = Claim("In the space of an aspect P@25 for that aspect is at least 10 points above the generic vector's.")
APART = Claim("Two aspects of one document find different neighbours: lists of 25 share at most a quarter.")
OTHER = Claim("Searching one aspect does not favour the other: its P@25 for the other falls below the generic one's.")
HEAD = Claim("On unseen documents it is at least as good as a linear head trained on pairs, and as retrofitting.")
FAVOURS = Claim("A report says which aspect the generic vector favours.")
ONE = Claim("One index under inner product serves every aspect, in under half of the bytes of the generic vector.")
CLAIMS = (OWN, APART, OTHER, HEAD, FAVOURS, ONE)
_K = 25


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    found = [_measured(items, setting) for items in labelled(setting)]
    lines = [line for one in found for line in one["aspects"]]
    gains = [line["own"] - line["generic"] for line in lines]
    text = "P@25 generic and in the aspect's space: " + "; ".join(
        f"{line['name']} {line['generic']:.3f} and {line['own']:.3f}" for line in lines
    )
    fine = [gain >= 0.1 for gain in gains]
    why = f"for {sum(fine)} of {len(fine)}"
    yield Finding(OWN, text + ".", Verdict.of(all(fine), in_part=any(fine), why=why), {"sets": found})

    shared = [one["shared"] for one in found]
    text = "; ".join(f"{one['name']} {one['shared']:.1%}" for one in found) + " (one vector: all of it)."
    yield Finding(APART, text, Verdict.of(max(shared) <= 0.25, why="they share more"))

    text = "P@25 for the other aspect, generic and in this one's space: " + "; ".join(
        f"{line['name']} {line['generic_other']:.3f} and {line['other']:.3f}" for line in lines
    )
    fine = [line["other"] < line["generic_other"] for line in lines]
    yield Finding(OTHER, text + ".", Verdict.of(all(fine), in_part=any(fine), why=f"for {sum(fine)} of {len(fine)}"))

    text = "P@25 on unseen documents, ours, a head trained on pairs (PairMargin), retrofitting (which leaves unseen "
    text += "documents as they are): " + "; ".join(
        f"{line['name']} {line['own']:.3f}, {line['head']:.3f}, {line['generic']:.3f}" for line in lines
    )
    fine = [line["own"] >= max(line["head"], line["generic"]) for line in lines]
    yield Finding(HEAD, text + ".", Verdict.of(all(fine), in_part=any(fine), why=f"for {sum(fine)} of {len(fine)}"))

    text = "Neighbours of the generic vector that share the label, over chance: "
    text += "; ".join(f"{line['name']} {line['lift']:.1f} times" for line in lines) + "."
    pairs = [(a["lift"], b["lift"]) for a, b in zip(lines[::2], lines[1::2], strict=True)]
    clear = all(max(pair) > 1.2 * min(pair) for pair in pairs)
    yield Finding(FAVOURS, text, Verdict.of(clear, why="both alike"))

    text = "; ".join(
        f"{one['name']}: {one['width']} numbers beside {one['dim']}, recall of the exact answers {one['same']:.3f}"
        for one in found
    )
    small = [one["width"] <= one["dim"] / 2 and one["same"] > 0.999 for one in found]
    yield Finding(ONE, text + ".", Verdict.of(all(small), in_part=any(small), why="for one of the two"))


def _measured(items: Labelled, setting: Setting) -> dict[str, Any]:
    names = list(items.labels)
    vectors = material.unit(items.vectors)
    seen, base = items.seen, vectors[items.held]
    asked = np.arange(setting.pick(1_000, 150))
    given = {name: items.labels[name][seen] for name in names}
    aspects = Aspects(shrinkage=0.02 if len(seen) > 10_000 else 0.1).fit(vectors[seen], given)
    rows = aspects.transform(base)
    index = Flat("ip").build(rows)
    lists = {name: _others(index.search(aspects.queries(base[asked], name), _K + 1).rows, asked) for name in names}
    generic = _others(Flat("cosine").build(base).search(base[asked], _K + 1).rows, asked)
    lines: list[dict[str, Any]] = []
    same = []
    held = {kind: items.labels[kind][items.held] for kind in names}
    for name, other in (names, names[::-1]):
        columns = aspects.slices()[name]
        alone = np.ascontiguousarray(rows[:, columns])
        exact = _others(Flat("cosine").build(alone).search(alone[asked], _K + 1).rows, asked)
        same.append(np.mean([np.isin(a, b).mean() for a, b in zip(lists[name], exact, strict=True)]))
        head = PairMargin(steps=setting.pick(300, 30), random_state=0)
        head.fit(vectors[seen[:5_000]], given[name][:5_000])
        mapped = head.transform(base)
        trained = _others(Flat("cosine").build(mapped).search(mapped[asked], _K + 1).rows, asked)
        chance = float((np.unique(held[name], return_counts=True)[1] ** 2).sum()) / len(base) ** 2
        lines.append(
            {
                "name": f"{items.name}, {name}",
                "own": _precision(lists[name], held[name]),
                "other": _precision(lists[name], held[other]),
                "generic": _precision(generic, held[name]),
                "generic_other": _precision(generic, held[other]),
                "head": _precision(trained, held[name]),
                "lift": _precision(generic, held[name]) / chance,
            }
        )
    shared = float(np.mean([np.isin(a, b).mean() for a, b in zip(*lists.values(), strict=True)]))
    width = sum(one.n_features_out for one in aspects.maps_.values())
    made = {"shared": shared, "width": width, "dim": vectors.shape[1], "same": float(min(same))}
    return {"name": items.name, "aspects": lines} | made


def _others(rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
    order = np.argsort(rows == asked[:, None], axis=1, kind="stable")[:, :_K]
    return np.take_along_axis(rows, order, axis=1)


def _precision(lists: np.ndarray, labels: np.ndarray) -> float:
    return float((labels[lists] == labels[: len(lists), None]).mean())
