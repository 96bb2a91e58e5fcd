"""Write a store's items to a Parquet file: ids, vectors, attributes and payloads, whole or not at all.

`nearfield load` makes a store of it again; every other tool that reads Parquet reads it too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .output import DONE, print_json, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield dump``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    parser.add_argument("target", metavar="FILE.parquet", type=Path, help="the file to write")
    parser.add_argument("--at", metavar="TAG", help="the moment of this tag instead of now")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Dump and say how much it was."""
    from ..store import Store

    if arguments.target.exists():
        raise ValueError(f"{arguments.target}: exists already; choose another name, or remove it first")
    with Store.open(arguments.store, read_only=True, at=arguments.at) as store:
        items = store.dump(arguments.target)
    if arguments.json:
        size = arguments.target.stat().st_size
        print_json({"store": str(arguments.store), "file": str(arguments.target), "items": items, "bytes": size})
    else:
        say(f"wrote {items:,} items to {arguments.target}")
    return DONE
