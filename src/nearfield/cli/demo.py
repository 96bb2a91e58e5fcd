"""The whole of it in about two minutes, on text that every machine has.

Collects the documentation of the Python packages installed here, encodes it with WordLlama (needs the extra 'text'; no
download), surveys the space, tunes an index to recall 0.95 in half the memory of the vectors, learns what relevant
means, answers five questions, recognises one that nothing here answers, and leaves the store behind.
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .building import building, check_free
from .output import DONE, described, hit_lines, own_command, print_json, telling

if TYPE_CHECKING:
    import numpy as np

    from ..datasets import Document
    from ..encode import Encoder
    from ..store import Store

_MARK = "made-by-nearfield-demo"
_RECALL = 0.95
_MAX_FALSE = 0.05
_BATCH = 4096
_FEWEST = 100
_QUESTIONS = (
    "solve a system of linear equations",
    "train a random forest classifier",
    "nearest neighbour lookup in a k-d tree",
    "translate SQL from one dialect to another",
    "escape special characters in HTML",
)
_OFF_TOPIC = "what should I cook for dinner with chicken and rice"
_SHOWN = (
    "effective_rank",
    "intrinsic_dimension_mle",
    "isotropy",
    "mean_cosine",
    "hubness",
    "duplicates",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield demo``."""
    parser.add_argument(
        "--store",
        type=Path,
        default=Path("nearfield-demo.nf"),
        metavar="PATH",
        help="where the store is left (default: nearfield-demo.nf); a store of an earlier demo is replaced",
    )
    parser.add_argument(
        "--packages", metavar="A,B", help="read the documentation of these packages only (default: all that are here)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON when all is done")


def run(arguments: argparse.Namespace) -> int:
    """All stages, each with its time."""
    path: Path = arguments.store
    earlier = (path / _MARK).is_file()
    if not earlier:
        check_free(path)
    from ..encode import WordLlama

    encoder = WordLlama()  # first, because it is what may be missing
    stages = _Stages(telling(arguments))
    documents = _collect(arguments.packages, stages)
    vectors = encoder.encode([document.text for document in documents])
    stages.done("encoded", f"with WordLlama: {vectors.shape[1]} dimensions, {vectors.nbytes / 1e6:.1f} MB of floats")
    answer: dict[str, Any] = {"store": str(path), "items": len(documents), "dim": vectors.shape[1]}
    answer["survey"] = _survey(vectors, stages)
    with building(path, replace=earlier) as place:
        store = _fill(place, documents, vectors, encoder)
        with store:
            stages.done("stored", f"{len(store):,} items, durable, with package, kind and length to filter by")
            answer["plan"] = _tune(store, vectors.nbytes // 2, stages)
            answer["judge"] = _judge(store, stages)
            answer["questions"] = [_ask(store, encoder, question, stages) for question in (*_QUESTIONS, _OFF_TOPIC)]
        (place / _MARK).write_text("The next `nearfield demo` with this path replaces this store.\n")
    shown = shlex.quote(str(path))
    tell = stages.tell
    tell(f"\nleft behind   {path}   ({stages.total():.0f} s in all)")
    tell(f'go on with    {own_command()} search {shown} "{_QUESTIONS[0]}"')
    tell(f'and           {own_command()} search {shown} "train a decision tree" --where "kind = \'class\'"')
    tell(f"by words      {own_command()} search {shown} --hybrid argpartition")
    if arguments.json:
        print_json({**answer, "seconds": stages.seconds | {"total": stages.total()}})
    return DONE


class _Stages:
    """One line for each finished stage, with the seconds it took."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.seconds: dict[str, float] = {}
        self._begin = self._last = time.perf_counter()

    def done(self, name: str, what: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self.tell(f"{name:12}  {what}  ({self.seconds[name]:.1f} s)")
        self._last = now

    def total(self) -> float:
        return time.perf_counter() - self._begin

    def wrapped(self, text: str) -> None:
        import textwrap

        self.tell(textwrap.fill(text, 110, initial_indent="    - ", subsequent_indent="      "))


def _collect(packages: str | None, stages: _Stages) -> list[Document]:
    from ..datasets import python_documentation

    chosen = None if packages is None else [name.strip() for name in packages.split(",") if name.strip()]
    documents = python_documentation(chosen)
    if len(documents) < _FEWEST:
        raise ValueError(f"--packages: expected at least {_FEWEST} documented objects, got {len(documents)}")
    count = len({document.package for document in documents})
    stages.done("found", f"{len(documents):,} documented Python objects in {count:,} packages and modules")
    return documents


def _survey(vectors: np.ndarray, stages: _Stages) -> dict[str, Any]:
    from ..survey import survey

    found = survey(vectors)
    stages.done("surveyed", "what kind of space this is, each with its 95% interval:")
    for name in _SHOWN:
        measure = found[name]
        stages.tell(f"    {measure.title:28}  {measure.text():16}  {measure.interval_text()}")
    for line in found.summary():
        stages.wrapped(line)
    return found.to_dict()


def _fill(place: Path, documents: list[Document], vectors: np.ndarray, encoder: Encoder) -> Store:
    from ..common.progress import Progress
    from ..store import Store

    schema = {"package": "string", "kind": "string", "n_chars": "int"}
    store = Store.create(place, vectors.shape[1], attributes=schema, embedding=encoder.fingerprint())
    try:
        with Progress("storing", len(documents), unit="items") as bar:
            for start in range(0, len(documents), _BATCH):
                some = documents[start : start + _BATCH]
                columns: dict[str, list[Any]] = {name: [getattr(one, name) for one in some] for name in schema}
                payload = [{"summary": one.summary, "signature": one.signature} for one in some]
                said: dict[str, Any] = {"attributes": columns, "payload": payload, "text": [one.text for one in some]}
                store.add([one.id for one in some], vectors[start : start + _BATCH], **said)
                bar.update(len(some))
    except BaseException:
        store.close()
        raise
    return store


def _tune(store: Store, memory: int, stages: _Stages) -> dict[str, Any]:
    plan = store.optimize(recall=_RECALL, memory=memory)
    stages.done("tuned", f"to recall {_RECALL} in {memory / 1e6:.1f} MB, half of what the floats take:")
    for line in str(plan).splitlines()[:-1]:
        stages.tell(f"    {line}")
    stages.wrapped(plan.message)
    return plan.to_dict()


def _judge(store: Store, stages: _Stages) -> dict[str, Any]:
    lost = store.fit_judge().expected_lost(_MAX_FALSE)
    stages.done("judged", "what relevant means here, learnt from the store alone")
    stages.wrapped(
        f"at max_false={_MAX_FALSE}, at most {_MAX_FALSE:.0%} of the questions that nothing here answers should get an "
        f"answer, and {lost.value:.1%} ({lost.low:.1%} to {lost.high:.1%}) of those that something answers get none"
    )
    return {"max_false": _MAX_FALSE, "expected_lost": vars(lost)}


def _ask(store: Store, encoder: Encoder, question: str, stages: _Stages) -> dict[str, Any]:
    vector = encoder.encode(question)
    hits = store.search(vector, k=3, payload=True, max_false=_MAX_FALSE)
    stages.tell(f"\n? {question}")
    if len(hits):
        stages.tell("\n".join(hit_lines(hits)))
    else:
        nearest = store.search(vector, k=1)[0]
        stages.tell(f"  nothing relevant (the nearest is {nearest.id}, relevance {nearest.relevance:.2f})")
    return {"query": question, "status": hits.status, "hits": [described(hit) for hit in hits]}
