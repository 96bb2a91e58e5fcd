"""Check a store: every file against its checksum, items against rows, and that every item is found.

Exit code 1: there are problems; each is named. --repair rebuilds damaged or missing indexes and links items that no
walk comes to; vectors cannot be rebuilt. It shows what it found and what it did; verify again to see the outcome.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .output import DONE, NO, print_json, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield verify``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    parser.add_argument("--sample", type=int, metavar="N", help="search for N items of each index only (default: all)")
    parser.add_argument("--repair", action="store_true", help="rebuild or relink what is damaged in indexes")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Verify and print the report."""
    from ..common.errors import CorruptFileError
    from ..store import Store

    try:
        with Store.open(arguments.store, read_only=not arguments.repair) as store:
            report = store.verify(sample=arguments.sample, repair=arguments.repair)
            ok, text = report.ok, str(report)
            answer = {"ok": ok, "problems": report.problems, "counts": report.counts, "repairs": report.repairs}
    except CorruptFileError as error:  # too damaged to be opened: that is this command's answer, not its failure
        ok, text = False, f"1 problem:\n  - {error}"
        answer = {"ok": ok, "problems": [str(error)], "counts": {}, "repairs": []}
    if arguments.json:
        print_json(answer)
    else:
        say(text)
    return DONE if ok else NO
