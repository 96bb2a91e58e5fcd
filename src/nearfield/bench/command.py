"""``nearfield bench``: our index beside its peers, how its costs grow and scale, what a store promises, measured."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

# Every benchmark is a module of its name with a function run_NAME. These are told nothing but whether to be quick.
_PLAIN = ("cutoff", "maps", "scaling", "survival")


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _threads(text: str) -> list[int]:
    numbers = [int(part) for part in _names(text)]
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"expected numbers of threads such as 1,2, got {text!r}")
    return numbers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the arguments of ``nearfield bench``.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> parser.parse_args(["peers", "--data", "wordnet", "--threads", "1"]).threads
    [1]
    """
    commands = parser.add_subparsers(dest="bench", required=True, metavar="WHAT")
    peers = commands.add_parser("peers", help="our index beside every installed peer")
    peers.add_argument(
        "--data", type=_names, default=None, metavar="LIST", help="wordnet,fashion_mnist (default: both)"
    )
    peers.add_argument("--peers", type=_names, default=None, metavar="NAMES", help="names or patterns such as symqg*")
    peers.add_argument("--threads", type=_threads, default=[1, 2], metavar="N,M", help="search threads (default: 1,2)")
    peers.add_argument("--rounds", type=int, default=3, help="interleaved repetitions (default: 3)")
    peers.add_argument("--fresh", action="store_true", help="measure again what the output folder already holds")
    peers.add_argument("--list", action="store_true", help="list the configurations and whether they are installed")
    report = commands.add_parser("report", help="write the tables and the plot again from the kept results")
    report.add_argument("--readme", type=Path, default=None, help="a file whose table of figures is written again too")
    store = commands.add_parser("store", help="durable adds, opening, and single-query latency of the store")
    store.add_argument("--rows", type=int, default=100_000, help="rows added (default: 100000)")
    store.add_argument(
        "--folder", type=Path, default=None, help="where the store is made (default: a temporary folder)"
    )
    many = commands.add_parser("many", help="batches of queries with conditions, on Debian's packages")
    many.add_argument(
        "--packages", type=Path, default=None, metavar="FILE", help="a Packages index (default: $NEARFIELD_PACKAGES)"
    )
    many.add_argument(
        "--folder", type=Path, default=None, help="where the stores are made, or were before (default: a temporary one)"
    )
    many.add_argument("--queries", type=int, default=2000, help="queries asked (default: 2000)")
    growth = commands.add_parser("growth", help="what a query and an inserted row cost as a collection grows")
    growth.add_argument("--rows", type=int, default=1_000_000, help="most rows (default: 1000000; some two minutes)")
    growth.add_argument(
        "--folder", type=Path, default=None, help="where the rows are kept meanwhile (default: the system's)"
    )
    filters = commands.add_parser("filters", help="filters on coded columns beside pyarrow's compute functions")
    filters.add_argument("--rows", type=int, default=10_000_000, help="rows (default: 10000000; two minutes, 4 GB)")
    scaling = commands.add_parser("scaling", help="what a second thread gives, and what this machine could give")
    collections = commands.add_parser("collections", help="thousands of small collections in one process")
    collections.add_argument("--count", type=int, default=10_000, help="how many (default: 10000; some 2 GB of disk)")
    collections.add_argument(
        "--folder", type=Path, default=None, help="where they are made (default: a temporary folder)"
    )
    living = commands.add_parser("living", help="recall and speed after deletes and replacements, beside a fresh build")
    living.add_argument("--rows", type=int, default=115_659, help="rows (default: 115659; some ten minutes)")
    sizing = commands.add_parser("sizing", help="what a store was estimated to take, and what it took")
    filtered = commands.add_parser("filtered", help="search under filters, beside the installed peers")
    filtered.add_argument("--rows", type=int, default=None, help="most rows (default: all 115,659)")
    filtered.add_argument("--peers", type=_names, default=None, metavar="NAMES", help="names as in the table")
    upgrade = commands.add_parser("upgrade", help="what a move to another model gains as items are encoded")
    upgrade.add_argument(
        "--parts", type=_names, default=None, metavar="LIST", help="orders,back,judged,nouns,mapped (default: all)"
    )
    fusion = commands.add_parser("fusion", help="words, vectors and both on judged questions (some minutes)")
    fusion.add_argument("--times", action="store_true", help="measure latencies as well; only on a quiet machine")
    cutoff = commands.add_parser("cutoff", help="rules that cut a list of hits, at equal recall (some ten minutes)")
    survival = commands.add_parser("survival", help="what promises about false answers survive (some minutes)")
    maps = commands.add_parser("maps", help="new queries on old vectors: what maps between two models reach (an hour)")
    serving = commands.add_parser("serving", help="the server under load, beside the engine and other servers")
    serving.add_argument("--rows", type=int, default=None, help="most rows (default: all 115,659)")
    serving.add_argument("--no-peers", action="store_true", help="leave Chroma and milvus-lite out")
    serving.add_argument(
        "--soak",
        type=float,
        default=None,
        metavar="SECONDS",
        help="only a mixed load, watching memory; 3600 is an hour",
    )
    multivector = commands.add_parser("multivector", help="late interaction on the tokens of SciFact (half an hour)")
    multivector.add_argument(
        "--parts", type=_names, default=None, metavar="LIST", help="generators,codecs,reduced,peers (default: all)"
    )
    for command in (
        serving,
        multivector,
        peers,
        report,
        store,
        upgrade,
        fusion,
        cutoff,
        survival,
        maps,
        many,
        growth,
        filters,
        filtered,
        scaling,
        collections,
        living,
        sizing,
    ):
        if command is not report:
            command.add_argument(
                "--quick", action="store_true", help="a smoke test in seconds; its figures mean nothing"
            )
        command.add_argument("--out", type=Path, default=Path("bench/results"), help="folder of the results")
        command.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments of :func:`add_arguments` say; returns the exit code, always 0.

    ValueError names a peer, data set or figure that does not exist; FileNotFoundError a file that is needed.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["peers", "--list", "--peers", "nearfield-8bit"]))  # doctest: +ELLIPSIS
    nearfield-8bit     nearfield ...
    0
    """
    out: Path = arguments.out / "quick" if getattr(arguments, "quick", False) else arguments.out
    if getattr(arguments, "list", False):
        return _list(arguments)
    page = _measured(arguments, out)
    if arguments.json:
        print(page.with_suffix(".json").read_text(), end="")
    else:
        print(page)
    return 0


def _measured(arguments: argparse.Namespace, out: Path) -> Path:
    """Measure, and return the page that was written; the same figures are beside it as JSON."""
    quick = getattr(arguments, "quick", False)
    if arguments.bench == "peers":
        return _peers(arguments, out)
    if arguments.bench == "report":
        from .report import write_report
        from .summary import load_results

        if arguments.readme is not None:
            from .readme import rewrite

            rewrite(arguments.readme, load_results(out))
        return write_report(out)
    measure = getattr(importlib.import_module(f".{arguments.bench}", __package__), f"run_{arguments.bench}")
    options: dict[str, Any] = {}
    if arguments.bench in _PLAIN:
        options = {"quick": quick}
    elif arguments.bench in ("multivector", "upgrade"):
        options = {"quick": quick, "parts": arguments.parts}
    elif arguments.bench == "fusion":
        options = {"quick": quick, "times": arguments.times}
    elif arguments.bench == "serving":
        options = {"rows": 2_000, "rounds": 1, "seconds": 0.3, "peers": False} if quick else {"rows": arguments.rows}
        options |= {"soak_seconds": arguments.soak} | ({"peers": False} if arguments.no_peers else {})
    elif arguments.bench == "growth":
        options = {"rows": 2_000 if quick else arguments.rows, "folder": arguments.folder}
    elif arguments.bench == "filters":
        options = {"rows": 20_000 if quick else arguments.rows}
    elif arguments.bench == "collections":
        options = {"count": 40, "requests": 200} if quick else {"count": arguments.count}
        options["folder"] = arguments.folder
    elif arguments.bench == "living":
        options = {"rows": 4_000, "recalls": (None,)} if quick else {"rows": arguments.rows}
    elif arguments.bench == "sizing":
        options = {"rows": (3_000,)} if quick else {}
    elif arguments.bench == "many":
        options = {"rows": 4_000, "queries": 200} if quick else {"rows": None, "queries": arguments.queries}
        options |= {"packages": arguments.packages, "folder": arguments.folder}
    elif arguments.bench == "filtered":
        options = {"rows": 2_000 if quick else arguments.rows, "names": arguments.peers}
    elif arguments.bench == "store":
        options = {"rows": 2_000 if quick else arguments.rows, "folder": arguments.folder}
    page: Path = measure(out, **options)
    return page


def _list(arguments: argparse.Namespace) -> int:
    from .peers import choose_peers

    chosen = choose_peers(arguments.peers)
    if arguments.json:
        print(json.dumps([{"name": p.name, "package": p.package, "version": p.version()} for p in chosen], indent=1))
        return 0
    for peer in chosen:
        print(f"{peer.name:18} {peer.package} {peer.version() or 'not installed'}")
    return 0


def _peers(arguments: argparse.Namespace, out: Path) -> Path:
    from .data import WORKLOADS
    from .peers import choose_peers
    from .report import write_report
    from .runner import Plan, run_peers

    chosen = choose_peers(arguments.peers)
    names = arguments.data or list(WORKLOADS)
    for name in names:
        if name not in WORKLOADS:
            raise ValueError(f"data: expected some of {', '.join(WORKLOADS)}, got {name!r}")
    plan = Plan(threads=tuple(arguments.threads), rounds=arguments.rounds)
    run_peers(chosen, names, out, plan.smaller() if arguments.quick else plan, fresh=arguments.fresh or arguments.quick)
    return write_report(out)
