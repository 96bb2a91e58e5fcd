"""Make a store of a Parquet file: a dump of one, or any file with a column of vectors.

A dump comes back as it was: ids, vectors, attributes, payloads, metric and plan. Of another file the columns are
guessed where there is no doubt. The store appears complete or not at all. For texts, or more than vectors to choose
from, see `nearfield index`.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from .building import check_free
from .columns import parse_attributes
from .output import DONE, own_command, print_json, telling


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
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Load and say what was made."""
    from ..store import Store

    tell = telling(arguments)
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
        answer = {
            "store": str(arguments.store),
            "items": len(store),
            "dim": store.dim,
            "metric": store.metric,
            "attributes": store.attributes,
        }
        tell(f"loaded {len(store):,} items of {store.dim} dimensions")
    tell(f"made   {arguments.store}")
    tell(f"look   {own_command()} stats {shlex.quote(str(arguments.store))}")
    if arguments.json:
        print_json(answer)
    return DONE
