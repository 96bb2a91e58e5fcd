"""Find the fastest recipe that reaches a recall within a budget, and apply it to the store.

Recipes are tried on held-out items (or on --queries, which should be used when queries come from another source than
the items). The plan is kept with the store. Exit code 1: the target cannot be met; the closest recipe was applied.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .output import DONE, NO, print_json, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield tune``."""
    parser.add_argument("store", metavar="STORE", type=Path, help="the store's directory")
    parser.add_argument("--recall", type=float, default=0.95, help="target, in (0, 1] (default: 0.95)")
    parser.add_argument("--memory", metavar="SIZE", help="most resident memory, such as 200MB (default: no limit)")
    parser.add_argument(
        "--latency", type=float, metavar="MS", help="most milliseconds for 95 of 100 single queries (default: no limit)"
    )
    parser.add_argument("-k", type=int, default=10, help="how many neighbours will be asked for (default: 10)")
    parser.add_argument("--queries", type=Path, metavar="FILE", help="a .npy file of query vectors to measure with")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Optimize the store and show the plan."""
    import numpy as np

    from ..store import Store

    queries = None if arguments.queries is None else np.load(arguments.queries, allow_pickle=False)
    with Store.open(arguments.store) as store:
        plan = store.optimize(arguments.recall, arguments.memory, arguments.latency, arguments.k, queries)
    if arguments.json:
        print_json(plan.to_dict())
    else:
        say(str(plan))
    return DONE if plan.met else NO
