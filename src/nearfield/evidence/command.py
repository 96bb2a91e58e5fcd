"""``nearfield evidence``: measure the papers' claims again."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

KEPT = Path("bench/results/evidence")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the arguments of ``nearfield evidence``.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> parser.parse_args(["rankme", "--quick"]).names
    ['rankme']
    """
    parser.add_argument("names", nargs="*", metavar="NAME", help="papers by key (default: all)")
    parser.add_argument("--list", action="store_true", help="list the papers there is evidence for")
    parser.add_argument("--json", action="store_true", help="print JSON with all numbers")
    parser.add_argument("--quick", action="store_true", help="a smoke test in seconds; its verdicts mean nothing")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="keep the results as JSON in this folder")
    parser.add_argument(
        "--write", type=Path, default=None, metavar="PAGE", help=f"write the page; keeps the results in {KEPT} or --out"
    )
    parser.add_argument("--kept", action="store_true", help="measure nothing: show what was kept")


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments of :func:`add_arguments` say; returns the exit code (2: no such paper).

    A claim that does not hold is a result, not a failure.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["--list", "rankme"]))  # doctest: +ELLIPSIS
    rankme           RankMe: Assessing the downstream performance ...
    0
    """
    import importlib

    from .claims import Setting
    from .registry import check_names, run_evidence
    from .report import keep, kept, page, print_report

    try:
        names = check_names(arguments.names)
    except ValueError as error:
        print(f"nearfield: {error}", file=sys.stderr)
        return 2
    if arguments.list:
        titles = {name: importlib.import_module(f".{name}", __package__).PAPER.title for name in names}
        if arguments.json:
            print(json.dumps(titles, indent=1))
        else:
            for name, title in titles.items():
                print(f"{name:16} {title}")
        return 0
    folder: Path | None = arguments.out or (KEPT if arguments.write or arguments.kept else None)
    reports = []
    if arguments.kept:
        assert folder is not None
        reports = [report for report in kept(folder) if report.paper.key in names]
    for name in [] if arguments.kept else names:
        report = run_evidence(name, Setting(quick=arguments.quick))
        reports.append(report)
        if folder is not None:
            keep(report, folder)
        if not arguments.json:
            print_report(report)
    if arguments.json:
        print(json.dumps([report.to_dict() for report in reports], indent=1))
    elif arguments.kept:
        for report in reports:
            print_report(report)
    if arguments.write is not None and folder is not None:
        arguments.write.parent.mkdir(parents=True, exist_ok=True)
        arguments.write.write_text(page(kept(folder)))
    return 0
