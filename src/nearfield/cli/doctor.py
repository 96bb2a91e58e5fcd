"""Say what this machine and this installation are, and whether search here finds what it should.

Shows the CPU level the core chose, threads, versions, which extras are there and how the others are installed, what the
file system at PATH (default: here) can do, and the outcome of a self-test of some two seconds: a small store is built,
searched and compared with exact search. Exit code 1: something that a store needs does not work; it is named.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .output import DONE, NO, print_json, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield doctor``."""
    parser.add_argument(
        "path", metavar="PATH", type=Path, nargs="?", default=Path("."), help="where stores will be (default: here)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, print it, answer whether all is well."""
    from .doctor_disk import disk
    from .doctor_install import installation
    from .doctor_machine import machine
    from .doctor_search import self_test

    report = {
        "machine": _looked(machine),
        "installation": _looked(installation),
        "disk": _looked(lambda: disk(arguments.path)),
        "self_test": _looked(self_test),
    }
    problems = [f"{name}: {problem}" for name, part in report.items() for problem in part.get("problems", ())]
    remarks = [f"{name}: {remark}" for name, part in report.items() for remark in part.get("remarks", ())]
    ok = not problems
    if arguments.json:
        kept = {
            name: {key: value for key, value in part.items() if key not in ("lines", "problems", "remarks")}
            for name, part in report.items()
        }
        print_json({"ok": ok, "problems": problems, "remarks": remarks, **kept})
        return DONE if ok else NO
    for title, lines in _shown(report):
        say(title)
        for line in lines:
            say(f"  {line}")
    for mark, texts in (("note", remarks), ("PROBLEM", problems)):
        for text in texts:
            say(f"{mark}: {text}")
    say("all is well" if ok else f"{len(problems)} problem{'s' if len(problems) > 1 else ''}")
    return DONE if ok else NO


def _looked(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was found, or, whatever happened, that it could not be found: a doctor does not fall ill."""
    try:
        return look()
    except Exception as error:
        return {"problems": [f"{type(error).__name__}: {error}"]}


def _shown(report: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The report as titles with lines below; what could not be found has none."""
    shown = []
    for name, part in report.items():
        lines = part.get("lines", ())
        width = max((len(title) for title, _ in lines), default=0)
        shown.append((name.replace("_", "-"), [f"{title:{width}}  {text}" for title, text in lines]))
    return shown
