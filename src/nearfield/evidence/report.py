"""Findings for people: on the terminal, and as the page ``docs/evidence.md``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .claims import FAILS, HOLDS, IN_PART, NOT_RUN
from .registry import NAMES, Report

_STYLES = {HOLDS: "green", IN_PART: "yellow", FAILS: "red", NOT_RUN: "dim"}

_HEAD = """# Evidence

What papers say of their methods, measured again here on real data through the public API. A verdict is *holds*, *holds
in part* (with where not), *does not hold here* (with why), or *not run* (with what is missing); nothing was tuned until
it was green. The claims are worded by us after the papers. Make this page again with
`nearfield evidence --write docs/evidence.md`; the numbers behind it are in `bench/results/evidence`.
"""


def print_report(report: Report) -> None:
    """Claim, what was measured, verdict."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{report.paper.key}[/bold]  {report.paper.title}", markup=True)
    console.print(f"  here: {report.paper.here}", markup=False)
    for finding in report.findings:
        console.print(f"\n  {finding.claim.text}", markup=False)
        if finding.measured:
            console.print(f"    measured: {finding.measured}", markup=False)
        console.print(f"    verdict:  {finding.verdict}", style=_STYLES[finding.verdict.kind], markup=False)
    note = "; a quick run, its verdicts mean nothing" if report.quick else ""
    console.print(f"\n  {report.summary} ({report.seconds:.0f} s{note})\n", markup=False)


def page(reports: Sequence[Report]) -> str:
    """The Markdown page of all reports."""
    lines = [_HEAD, "| paper | claims | verdicts |", "| --- | ---: | --- |"]
    for report in reports:
        name = f"[{report.paper.title}](#{report.paper.key})"
        lines.append(f"| {name} | {len(report.findings)} | {report.summary} |")
    for report in reports:
        lines += ["", f'<a id="{report.paper.key}"></a>', "", f"## {report.paper.title}", ""]
        quick = " **A quick run: its verdicts mean nothing.**" if report.quick else ""
        lines += [f"Here: {report.paper.here} Measured {report.date} in {report.seconds:.0f} s.{quick}", ""]
        lines += ["| claim | measured | verdict |", "| --- | --- | --- |"]
        for finding in report.findings:
            reason = f": {finding.verdict.reason}" if finding.verdict.reason else ""
            cells = (finding.claim.text, finding.measured, f"**{finding.verdict.kind}**{reason}")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def keep(report: Report, folder: Path) -> Path:
    """Write the report as JSON into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.paper.key}.json"
    path.write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    return path


def kept(folder: Path) -> list[Report]:
    """The reports that :func:`keep` left in ``folder``, in the order of the papers."""
    paths = [folder / f"{name}.json" for name in NAMES]
    return [Report.from_dict(json.loads(path.read_text())) for path in paths if path.exists()]
