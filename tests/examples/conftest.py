"""A small listing of papers that were never written, and the store that the example makes of it."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "papers"
sys.path.insert(0, str(EXAMPLE))  # the example's files import each other as a script's do

TASKS = {
    "retrieval": "Retrieval finds the few documents that answer a query; our search ranks them in one pass.",
    "clustering": "Clustering sorts what nobody has labelled; our clusters stay the same from run to run.",
    "recommendation": "Recommendation guesses what a reader takes next; recommending well needs little history.",
}
METHODS = {
    "Contrastive": "A contrastive loss with a margin pulls pairs together and pushes strangers apart.",
    "Quantized": "A codebook is fitted and vectors are quantized to two bytes, hashing what is left over.",
    "Hyperbolic": "All is drawn in hyperbolic space, on a manifold where trees have room to branch.",
}
SUBJECTS = {
    "photographs": "Images of harbours, and photographs with nobody in them, are what we look at.",
    "letters": "The text is letters of the last century, sentence by sentence and word by word.",
    "rail networks": "A graph of stations and lines is given, and graphs of other countries to compare.",
}
ADVERBS = ("at dawn", "in small rooms")


def paper(task: str, method: str, subject: str, adverb: str, year: int) -> dict[str, Any]:
    """One entry of a listing."""
    return {
        "title": f"{method} {task} of {subject} {adverb}",
        "abstract": f"{TASKS[task]} {METHODS[method]} {SUBJECTS[subject]}",
        "year": year,
        "url": f"https://example.org/{task}/{method}?of={subject[:4]}&when={adverb.split()[-1]}",
    }


def listing() -> list[dict[str, Any]]:
    """54 papers; those on hyperbolic methods are of 2025, of the others every fifth is."""
    made = []
    for number, (task, method, subject, adverb) in enumerate(itertools.product(TASKS, METHODS, SUBJECTS, ADVERBS)):
        recent = method == "Hyperbolic" or number % 5 == 0
        made.append(paper(task, method, subject, adverb, 2025 if recent else 2020))
    return made


@pytest.fixture(scope="session")
def entries() -> list[dict[str, Any]]:
    """The listing, as JSON has it."""
    return listing()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]]) -> Path:
    """The store after the import; tests only read it."""
    import papers

    folder = tmp_path_factory.mktemp("papers")
    (folder / "small.json").write_text(json.dumps(entries))
    assert papers.main(["import", str(folder / "small.json"), "--store", str(folder / "papers.nf")]) == 0
    return folder / "papers.nf"


@pytest.fixture(scope="session")
def whole(shelf: Path) -> Any:
    """All that is in the store."""
    from shelf import everything, open_shelf

    import nearfield as nf

    with open_shelf(shelf, nf.WordLlama()) as store:
        return everything(store)
