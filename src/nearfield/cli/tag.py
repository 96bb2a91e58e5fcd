"""Keep moments of a store under names, list them, go back to one.

Without NAME the tags are listed. With NAME the store is kept as it is now; --remove drops that tag, --restore makes its
content the store's own again. `nearfield search --at` and `Store.open(path, at=NAME)` read a tag.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .output import DONE, print_json, say, telling


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield tag``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the tag")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--remove", action="store_true", help="remove the tag")
    what.add_argument("--restore", action="store_true", help="make its content the store's own again")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """List, keep, remove or restore."""
    from ..store import Store

    name, tell = arguments.name, telling(arguments)
    if name is None and (arguments.remove or arguments.restore):
        raise ValueError("--remove and --restore: say which tag")
    with Store.open(arguments.store, read_only=name is None) as store:
        if name is None:
            _list(store.tags(), arguments.json)
            return DONE
        if arguments.remove:
            did = "removed"
            store.untag(name)
            tell(f"removed the tag {name}")
        elif arguments.restore:
            did = "restored"
            store.restore(name)
            tell(f"{arguments.store} holds what it held at {name}: {len(store):,} items")
        else:
            did = "kept"
            store.tag(name)
            tell(f"kept {len(store):,} items as {name}")
        if arguments.json:
            print_json({"tag": name, "did": did, "items": len(store)})
    return DONE


def _list(tags: dict[str, dict[str, object]], as_json: bool) -> None:
    from ..tune.plan import format_bytes

    if as_json:
        print_json(tags)
        return
    if not tags:
        say("no tags")
    for name, about in tags.items():
        own = format_bytes(about["own_bytes"])  # type: ignore[arg-type]
        say(f"{name:24} {about['created']}  {about['items']:,} items, {own} of its own")
