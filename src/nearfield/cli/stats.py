"""What a store holds and what that costs: items, files, memory, recipe, judge."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .output import DONE, print_json, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield stats``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures."""
    from ..store import Store

    with Store.open(arguments.store, read_only=True) as store:
        stats = store.stats()
        plan = None if arguments.json else store.plan
    if arguments.json:
        print_json(stats)
        return DONE
    for name, value in _lines(stats):
        say(f"{name:12} {value}")
    if plan is not None:
        say(f"\nplan\n{plan}")
    return DONE


def _lines(stats: dict[str, Any]) -> list[tuple[str, str]]:
    from ..tune.plan import format_bytes

    embedding = stats["embedding"] or {}
    attributes = ", ".join(f"{name} ({kind})" for name, kind in stats["attributes"].items())
    indexes = "; ".join(f"{segment['items']:,} items: {segment['index']}" for segment in stats["segments"])
    lines = [
        ("store", stats["path"]),
        ("items", f"{stats['items']:,} ({stats['pending']:,} pending, {stats['deleted']:,} deleted but kept)"),
        ("vectors", f"{stats['dim']} dimensions, {stats['dtype']}, {stats['metric']}"),
        ("encoder", f"{embedding.get('encoder', 'not recorded')} {embedding.get('digest', '')}".strip()),
        ("attributes", attributes or "none"),
        ("index", indexes or "none: a scan"),
        ("on disk", format_bytes(stats["bytes_total"])),
        ("in memory", ", ".join(f"{name} {format_bytes(size)}" for name, size in stats["memory"].items()) or "nothing"),
        ("judge", "none; fit one with Store.fit_judge()"),
    ]
    if stats["judge"]:
        judge = stats["judge"]
        stale = "; stale, fit it again" if judge["stale"] else ""
        changed = f"{judge['changed_since']:.1%} changed since"
        unsure = "" if judge["promises"] else "; fitted to mapped queries, promises no rates"
        lines[-1] = ("judge", f"fitted on {judge['fitted_on_items']:,} items, {changed}{stale}{unsure}")
    lines += [("recall", text) for text in _recall(stats["recall"])]
    if stats["tags"]:
        lines.append(("tags", f"{', '.join(stats['tags'])} ({format_bytes(stats['tag_bytes'])} of their own)"))
    troubles = [str(segment["trouble"]) for segment in stats["segments"] if segment["trouble"]]
    return lines + [("trouble", text) for text in troubles]


def _recall(recall: dict[str, Any]) -> list[str]:
    """What was found by repeating queries that were really asked."""
    texts = [
        "{recall:.3f} ({low:.3f} to {high:.3f}) of {sampled:,} queries {queries}".format_map(line)
        for line in recall["classes"]
    ]
    alarms = [f"ALARM: {line['alarm']}" for line in recall["classes"] if line["alarm"]]
    advice = [recall["advice"]] if recall["advice"] else []
    return [*texts, *alarms, *recall["drift"], *advice]
