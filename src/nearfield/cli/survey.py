"""Measure a space: what kind it is, and what that means for search. Or compare two spaces of the same things.

Each measure comes with a 95% interval and a sentence. --html writes the same as a page with plots (needs the extra
'view'). SOURCE is a store, or anything `nearfield index` takes; texts are encoded first. --labels adds what the space
makes of known classes. With SECOND the two are compared: do they agree, on what not, can the one replace the other?
Two .npy files are paired row by row unless --ids says otherwise, everything else by id.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .index import add_source_arguments, encoder_for, source_of, vectors_of
from .output import DONE, print_json, say

if TYPE_CHECKING:
    import numpy as np

    from ..survey import Comparison, Survey

_BATCH = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield survey``."""
    parser.add_argument("source", metavar="SOURCE", type=Path, help="a store, a file or a folder")
    parser.add_argument("second", metavar="SECOND", type=Path, nargs="?", help="a second space of the same things")
    add_source_arguments(parser)
    parser.add_argument("--metric", choices=("cosine", "ip", "l2"), help="default: the store's, or cosine")
    parser.add_argument("--sample", type=int, help="rows whose neighbours are looked up; more narrows the intervals")
    parser.add_argument(
        "--labels",
        metavar="FILE|COLUMN",
        help="a label for each row of SOURCE: a 1-D .npy, a text file with one a line, or an attribute of the store or "
        "column of the source; empty means none",
    )
    two = parser.add_argument_group("two spaces")
    two.add_argument(
        "--second-metric", choices=("cosine", "ip", "l2"), help="default: that of the first, or the store's"
    )
    two.add_argument("--second-encoder", metavar="NAME", help="encoder for the texts of SECOND (default: --encoder)")
    two.add_argument(
        "--ids", type=Path, nargs="+", metavar="FILE", help="ids for .npy files: one for each, or for both"
    )
    parser.add_argument("--html", "--save", dest="html", type=Path, metavar="FILE", help="write the report here")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Gather the vectors, measure, print."""
    from ..common.checks import require

    if arguments.html is not None:
        require("matplotlib", "view")  # before the long work
        if not arguments.html.absolute().parent.is_dir():
            raise ValueError(f"--html: no directory {arguments.html.absolute().parent} to put the report in")
    if arguments.second is None:
        for name in ("second_metric", "second_encoder", "ids"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')}: goes with two sources")
        gathered = _gather(arguments, arguments.source, None, arguments.encoder, arguments.labels)
        from ..survey import survey

        found: Survey | Comparison = survey(
            gathered.vectors,
            labels=gathered.labels,
            metric=arguments.metric or gathered.metric or "cosine",
            sample=arguments.sample,
        )
        title = f"Survey of {arguments.source.name}"
    else:
        found = _compare(arguments)
        title = f"{arguments.source.name} and {arguments.second.name} compared"
    if arguments.json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if arguments.html is not None:
        found.save(arguments.html, title=title)
        if not arguments.json:
            say(f"\nwrote {arguments.html}")
    return DONE


def _compare(arguments: argparse.Namespace) -> Comparison:
    from ..survey import compare

    files = arguments.ids or [None, None]
    if len(files) > 2:
        raise ValueError(f"--ids: expected one file or two, got {len(files)}")
    first = _gather(arguments, arguments.source, files[0], arguments.encoder, arguments.labels)
    second = _gather(arguments, arguments.second, files[-1], arguments.second_encoder or arguments.encoder)
    metric = arguments.metric or first.metric or "cosine"
    by_place = not first.named and not second.named
    return compare(
        first.vectors,
        second.vectors,
        metric=(metric, arguments.second_metric or second.metric or metric),
        ids=None if by_place else (first.ids, second.ids),
        labels=first.labels,
        sample=arguments.sample,
    )


@dataclass
class _Gathered:
    """The vectors of a source, their ids, whether those are more than row numbers, its metric and its labels."""

    vectors: np.ndarray
    ids: list[Any]
    named: bool
    metric: str | None
    labels: list[Any] | None


def _gather(
    arguments: argparse.Namespace, path: Path, ids: Path | None, encoder_name: str | None, wanted: str | None = None
) -> _Gathered:
    """``wanted`` names the labels: a file, or else a column."""
    import numpy as np

    labels = None if wanted is None else _read_labels(Path(wanted))
    column = wanted if labels is None else None
    if (path / "catalogue.sqlite").is_file():
        if ids is not None:
            raise ValueError(f"--ids: {path} is a store and has its own")
        return _of_store(path, column, labels)
    if column is not None and path.suffix.lower() == ".npy":
        raise ValueError(f"--labels: no file {column}; a .npy source has no columns")
    columns: dict[str, str | None] | None = None if column is None else {column: None}
    source = source_of(argparse.Namespace(**{**vars(arguments), "source": path}), columns, ids=ids)
    encoder = encoder_for(source, encoder_name)
    from ..common.progress import Progress

    parts: list[np.ndarray] = []
    names, found = [], []
    with Progress("reading", source.rows) as bar:
        for chunk in source.chunks(_BATCH):
            parts.append(vectors_of(chunk, encoder))
            names += chunk.ids
            if column is not None:
                found += chunk.attributes[column]
            bar.update(len(chunk.ids))
    named = ids is not None or path.suffix.lower() != ".npy"
    return _Gathered(np.concatenate(parts), names, named, None, labels if column is None else _blank(found))


def _of_store(path: Path, column: str | None, labels: list[Any] | None) -> _Gathered:
    import numpy as np

    from ..store import Store

    with Store.open(path, read_only=True) as store:
        if column is not None and column not in store.attributes:
            known = ", ".join(store.attributes) or "none"
            raise ValueError(f"--labels: no file and no attribute {column!r}; attributes: {known}")
        parts, names, found = [], [], []
        for batch in store.iterate(_BATCH):
            parts.append(batch.vectors)
            names += batch.ids
            if column is not None and batch.attributes is not None:
                found += batch.attributes.column(column).to_pylist()
        if not parts:
            raise ValueError(f"{path}: the store is empty")
        vectors = np.concatenate(parts)
        return _Gathered(vectors, names, True, store.metric, labels if column is None else _blank(found))


def _read_labels(path: Path) -> list[Any] | None:
    """The labels in a file; None when there is no such file."""
    if not path.is_file():
        return None
    if path.suffix.lower() == ".npy":
        from .source_npy import load_array

        array = load_array(path)
        if array.ndim != 1 or array.dtype.kind not in "biufU":
            found = f"{array.dtype} of shape {array.shape}"
            raise ValueError(f"--labels: {path}: expected a 1-D array of integers or texts, got {found}")
        return _blank(array.tolist())
    try:
        return _blank(path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise ValueError(f"--labels: {path}: not UTF-8 text (byte {error.start})") from None


def _blank(labels: list[Any]) -> list[Any]:
    return [None if label == "" else label for label in labels]
