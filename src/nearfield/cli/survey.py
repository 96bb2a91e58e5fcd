"""Measure a space: what kind it is, and what that means for search.

Each measure comes with a 95% interval and a sentence. --html writes the same as a page with plots (needs the extra
'view'). SOURCE is a store, or anything `nearfield index` takes; texts are encoded first. --labels adds what the space
makes of known classes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .index import add_source_arguments, encoder_for, source_of, vectors_of
from .output import DONE, print_json, say

if TYPE_CHECKING:
    import numpy as np

_BATCH = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield survey``."""
    parser.add_argument("source", metavar="SOURCE", type=Path, help="a store, a file or a folder")
    add_source_arguments(parser)
    parser.add_argument("--metric", choices=("cosine", "ip", "l2"), help="default: the store's, or cosine")
    parser.add_argument("--sample", type=int, help="rows whose neighbours are looked up; more narrows the intervals")
    parser.add_argument(
        "--labels",
        metavar="FILE|COLUMN",
        help="a label for each row: a 1-D .npy, a text file with one a line, or an attribute of the store or column of "
        "the source; empty means none",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report here")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Gather the vectors, measure, print."""
    from ..common.checks import require

    if arguments.html is not None:
        require("matplotlib", "view")  # before the long work
        if not arguments.html.absolute().parent.is_dir():
            raise ValueError(f"--html: no directory {arguments.html.absolute().parent} to put the report in")
    vectors, metric, labels = _gather(arguments)
    from ..survey import survey

    found = survey(vectors, labels=labels, metric=arguments.metric or metric, sample=arguments.sample)
    if arguments.json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if arguments.html is not None:
        found.save(arguments.html, title=f"Survey of {arguments.source.name}")
        if not arguments.json:
            say(f"\nwrote {arguments.html}")
    return DONE


def _gather(arguments: argparse.Namespace) -> tuple[np.ndarray, str, list[Any] | None]:
    import numpy as np

    labels = None if arguments.labels is None else _read_labels(Path(arguments.labels))
    column = arguments.labels if labels is None else None
    if (arguments.source / "catalogue.sqlite").is_file():
        vectors, metric, found = _of_store(arguments.source, column)
        return vectors, metric, labels if column is None else found
    if column is not None and arguments.source.suffix.lower() == ".npy":
        raise ValueError(f"--labels: no file {column}; a .npy source has no columns")
    source = source_of(arguments, None if column is None else {column: None})
    encoder = encoder_for(source, arguments.encoder)
    from ..common.progress import Progress

    parts, found = [], []
    with Progress("reading", source.rows) as bar:
        for chunk in source.chunks(_BATCH):
            parts.append(vectors_of(chunk, encoder))
            if column is not None:
                found += chunk.attributes[column]
            bar.update(len(chunk.ids))
    return np.concatenate(parts), "cosine", labels if column is None else _blank(found)


def _of_store(path: Path, column: str | None) -> tuple[np.ndarray, str, list[Any]]:
    import numpy as np

    from ..store import Store

    with Store.open(path, read_only=True) as store:
        if column is not None and column not in store.attributes:
            known = ", ".join(store.attributes) or "none"
            raise ValueError(f"--labels: no file and no attribute {column!r}; attributes: {known}")
        parts, found = [], []
        for batch in store.iterate(_BATCH):
            parts.append(batch.vectors)
            if column is not None and batch.attributes is not None:
                found += batch.attributes.column(column).to_pylist()
        if not parts:
            raise ValueError(f"{path}: the store is empty")
        return np.concatenate(parts), store.metric, _blank(found)


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
