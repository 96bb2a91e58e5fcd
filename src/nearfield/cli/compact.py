"""Merge a store's segments and pending rows into one, without what was deleted, and give the space back.

Says beforehand how much that will be, and what it needs meanwhile; --dry-run stops there. Ctrl-C leaves the store as it
was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .output import DONE, print_json, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield compact``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    parser.add_argument("--dry-run", action="store_true", help="say what it would give back, and change nothing")
    parser.add_argument("--memory", metavar="SIZE", help='refuse a build that needs more, such as "2GB"')
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Say what a compaction gives back, do it, say what it gave."""
    from ..store import Store
    from ..tune.plan import format_bytes

    with Store.open(arguments.store, read_only=arguments.dry_run, memory=arguments.memory) as store:
        expected = store.reclaimable()
        answer = {**vars(expected), "gives_back": expected.gives_back}
        if not arguments.json:
            say(str(expected))
        if not arguments.dry_run:
            answer["compacted"] = store.compact()
            found = store.stats()["bytes_total"]
            answer["gave_back"] = expected.before - found
            if not arguments.json:
                say(f"{format_bytes(found)} now")
    if arguments.json:
        print_json(answer)
    return DONE
