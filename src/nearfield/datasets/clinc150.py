"""CLINC150: requests to an assistant, and requests that are none of its business."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .sources import Source, damage_named, obtain, read_bytes

_SOURCE = Source(
    "clinc150/data_full.json",
    "https://raw.githubusercontent.com/clinc/oos-eval/master/data/data_full.json",
    "36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
)


@dataclass(frozen=True)
class Utterances:
    """What people said and the intent of each, ``"oos"`` where there is none.

    Examples
    --------
    >>> from nearfield.datasets import Utterances
    >>> len(Utterances(["what is my balance"], ["balance"]))
    1
    """

    texts: list[str]
    intents: list[str]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Clinc150:
    """Short requests with 150 intents, and out-of-scope ones: does a judge notice that nothing here answers?

    Attributes
    ----------
    train, validation, test : 15,000, 3,000 and 4,500 requests, balanced over the intents.
    oos_train, oos_validation, oos_test : 100, 100 and 1,000 requests about none of them.

    Source: Larson et al. 2019, *An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction*
    (https://github.com/clinc/oos-eval, CC BY 3.0).

    Examples
    --------
    >>> from nearfield.datasets import load
    >>> len(load("clinc150").oos_test)    # doctest: +SKIP
    1000
    """

    train: Utterances
    validation: Utterances
    test: Utterances
    oos_train: Utterances
    oos_validation: Utterances
    oos_test: Utterances


def load() -> Clinc150:
    """All six parts."""
    path = obtain(_SOURCE)
    content = read_bytes(path)
    with damage_named(path):
        parts = json.loads(content)

        def part(name: str) -> Utterances:
            return Utterances([text for text, _ in parts[name]], [intent for _, intent in parts[name]])

        return Clinc150(*map(part, ("train", "val", "test", "oos_train", "oos_val", "oos_test")))
