"""Make a store of a Parquet file: a dump of one, or any file with a column of vectors.

A dump comes back as it was: ids, vectors, attributes, payloads, metric and plan. Of another file the columns are
guessed where there is no doubt. The store appears complete or not at all. For texts, or more than vectors to choose
from, see `nearfield index`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .building import check_free
from .columns import parse_attributes
from .output import DONE, own_command, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield load``."""
    parser.add_argument("source", metavar="FILE.parquet", type=Path, help="the file to read")
    parser.add_argument("store", metavar="STORE", type=Path, help="the directory to make")
    parser.add_argument("--id-column", metavar="NAME", help="the column of ids (default: one named id, or row numbers)")
    parser.add_argument("--vector-column", metavar="NAME", help="the column of vectors (default: the only one)")
    parser.add_argument(
        "--attributes", metavar="A,B:TYPE", help="columns to filter by; all other columns go into the payload"
    )
    parser.add_argument("--metric", choices=("cosine", "ip", "l2"), help="default: cosine")
    parser.add_argument("--dtype", choices=("float32", "float16"), help="default: float32")
    parser.add_argument("--no-index", action="store_true", help="do not build an index; searches scan")


def run(arguments: argparse.Namespace) -> int:
    """Load and say what was made."""
    from ..store import Store

    check_free(arguments.store)
    if not arguments.source.exists():
        raise FileNotFoundError(f"{arguments.source}: no such file")
    with Store.load(
        arguments.source,
        arguments.store,
        id_column=arguments.id_column,
        vector_column=arguments.vector_column,
        attributes=parse_attributes(arguments.attributes) if arguments.attributes else None,
        metric=arguments.metric,
        dtype=arguments.dtype,
        index=not arguments.no_index,
    ) as store:
        say(f"loaded {len(store):,} items of {store.dim} dimensions")
    say(f"made   {arguments.store}")
    say(f"look   {own_command()} stats {arguments.store}")
    return DONE
