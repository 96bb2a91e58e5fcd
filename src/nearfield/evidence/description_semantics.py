"""Do descriptions help by what they say? Random strings as the control, and descriptions selected by few labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..decide import DescriptionSelection, Prototypes, ZeroShotClassifier
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .classes import flat, noun_classes, remembering

PAPER = Paper(
    "description_semantics",
    "Does VLM Classification Benefit from LLM Description Semantics?",
    "nearfield.decide.DescriptionSelection, with its defaults, on classes of WordNet's nouns: a shared pool of what "
    "their definitions and those of nouns below them say, without names, and ten labelled definitions a class.",
)
ENSEMBLE = Claim("Random strings beside the names give part of what descriptions beside the names gain.")
CHANCE = Claim("Without the names, random strings fall to chance.")
SELECTED = Claim("Without the names, selected descriptions are at least 10 points better than the classes' own.")
NAMES = Claim("Selected descriptions beside the names gain at least 1 point on the names, and on own descriptions so.")
PLANTED = Claim("At least 90% of what is selected for the right class is a description of that class.")
PROTOTYPES = Claim("Selected descriptions are at least as good as prototypes of the same labelled items.")
CLAIMS = (ENSEMBLE, CHANCE, SELECTED, NAMES, PLANTED, PROTOTYPES)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    classes = noun_classes(setting.pick(60, 6), 20, 10, setting.pick(30, 10), setting.random_state)
    encode, rng = remembering(material.minilm()), np.random.default_rng(setting.random_state)
    (held, y), (few, labels) = flat([each.held for each in classes]), flat([each.labelled for each in classes])
    items, labelled = encode(held), encode(few)
    noise = [" ".join("".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 5)) for _ in range(4)) for _ in range(4)]

    def score(texts: list[list[str]]) -> float:
        strings, owners = flat(texts)
        return ZeroShotClassifier().fit(encode(strings), owners).score(items, y)

    found = {
        "names": score([[each.name] for each in classes]),
        "names with random strings": score([[f"{each.name}, {text}" for text in noise] for each in classes]),
        "names with descriptions": score([[f"{each.name}, {text}" for text in each.descriptions] for each in classes]),
        "own descriptions alone": score([list(each.descriptions) for each in classes]),
    }
    plain, random = (
        found["names with descriptions"] - found["names"],
        found["names with random strings"] - found["names"],
    )
    text = ", ".join(f"{name} {found[name]:.1%}" for name in list(found)[:3]) + f" ({len(classes)} classes)."
    why = f"random strings change {100 * random:+.1f} points, descriptions {100 * plain:+.1f}"
    yield Finding(ENSEMBLE, text, Verdict.of(0 < random < plain, why=why), found)

    strings = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz "), 40)) for _ in range(4 * len(classes))]
    alone = score([strings[4 * place : 4 * place + 4] for place in range(len(classes))])
    chance = 1 / len(classes)
    text = f"{alone:.1%}, where chance is {chance:.1%}."
    yield Finding(CHANCE, text, Verdict.of(alone <= 2 * chance, why="it is above twice chance"))

    own, _ = flat([[*each.descriptions, *each.relatives] for each in classes])
    owner = flat([[*each.descriptions, *each.relatives] for each in classes])[1]
    pool = encode(own)
    names = dict(enumerate(encode([each.name for each in classes])))
    chooser = DescriptionSelection().fit(labelled, labels, descriptions=pool, names=names)
    found["selected"] = chooser.score(items, y)
    exact = DescriptionSelection(center=False).fit(labelled, labels, descriptions=pool, names=names)
    found["selected, not centred"] = exact.score(items, y)
    wide = DescriptionSelection(n_classes=len(classes)).fit(labelled, labels, descriptions=pool, names=names)
    found["selected, all classes"] = wide.score(items, y)
    found["all of the pool by class"] = ZeroShotClassifier().fit(pool, owner).score(items, y)
    gain = found["selected"] - found["own descriptions alone"]
    text = (
        f"{found['selected']:.1%} by a pool of {len(own):,} among the 10 likeliest names (not centred, as there, "
        f"{found['selected, not centred']:.1%}; all classes {found['selected, all classes']:.1%}), against "
        f"{found['own descriptions alone']:.1%}; the mean of all the pool says of each class gives "
        f"{found['all of the pool by class']:.1%}."
    )
    yield Finding(SELECTED, text, Verdict.of(gain >= 0.1, why=f"they gain {100 * gain:.1f} points"), found)

    beside = DescriptionSelection(name_weight=0.5).fit(labelled, labels, descriptions=pool, names=names).score(items, y)
    text = (
        f"{beside:.1%}, the names {found['names']:.1%}, with own descriptions {found['names with descriptions']:.1%}."
    )
    both = beside - max(found["names"], found["names with descriptions"])
    yield Finding(
        NAMES, text, Verdict.of(both >= 0.01, in_part=beside - found["names"] >= 0.01, why="not on the latter")
    )

    share = []
    likely = ZeroShotClassifier().fit(np.array(list(names.values())), list(names)).predict_proba(items)
    for probability, right in zip(likely, y, strict=True):
        near = np.argsort(-probability, kind="stable")[: chooser.n_classes].tolist()
        if right in near:
            share.append(np.mean(owner[chooser.selected(near)[right]] == right))
    text = f"{np.mean(share):.1%} of ten, where the pool holds about {len(own) / len(classes):.0f} a class."
    why = "others are near to labelled items as well"
    yield Finding(PLANTED, text, Verdict.of(float(np.mean(share)) >= 0.9, why=why))

    rival = Prototypes().fit(labelled, labels).score(items, y)
    text = f"{found['selected']:.1%} and {found['selected, all classes']:.1%} (all classes), prototypes {rival:.1%}."
    why = "prototypes of ten labelled items a class are better"
    best = max(found["selected"], found["selected, all classes"])
    yield Finding(PROTOTYPES, text, Verdict.of(found["selected"] >= rival, in_part=best >= rival, why=why))
