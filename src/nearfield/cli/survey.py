"""Measure a space: what kind it is, and what that means for search.

Each measure comes with a 95% interval and a sentence. --html writes the same as a page with plots (needs the extra
'view'). SOURCE is a store, or anything `nearfield index` takes; texts are encoded first.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

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
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report here")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Gather the vectors, measure, print."""
    from ..common.checks import require

    if arguments.html is not None:
        require("matplotlib", "view")  # before the long work
        if not arguments.html.absolute().parent.is_dir():
            raise ValueError(f"--html: no directory {arguments.html.absolute().parent} to put the report in")
    vectors, metric = _gather(arguments)
    from ..survey import survey

    found = survey(vectors, metric=arguments.metric or metric, sample=arguments.sample)
    if arguments.json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if arguments.html is not None:
        found.save(arguments.html, title=f"Survey of {arguments.source.name}")
        if not arguments.json:
            say(f"\nwrote {arguments.html}")
    return DONE


def _gather(arguments: argparse.Namespace) -> tuple[np.ndarray, str]:
    import numpy as np

    if (arguments.source / "catalogue.sqlite").is_file():
        from ..store import Store

        with Store.open(arguments.source, read_only=True) as store:
            batches = [batch.vectors for batch in store.iterate(_BATCH)]
            if not batches:
                raise ValueError(f"{arguments.source}: the store is empty")
            return np.concatenate(batches), store.metric
    source = source_of(arguments)
    encoder = encoder_for(source, arguments.encoder)
    from ..common.progress import Progress

    parts = []
    with Progress("reading", source.rows) as bar:
        for chunk in source.chunks(_BATCH):
            parts.append(vectors_of(chunk, encoder))
            bar.update(len(chunk.ids))
    return np.concatenate(parts), "cosine"
