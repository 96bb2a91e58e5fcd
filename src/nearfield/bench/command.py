"""``nearfield bench``: our index beside its peers, how its costs grow and scale, what a store promises, measured."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

# Benchmarks that are told nothing but whether to be quick: the module and the function carry their names.
_PLAIN = ("cutoff", "maps", "scaling", "upgrade")


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
    fusion = commands.add_parser("fusion", help="words, vectors and both on judged questions (some minutes)")
    fusion.add_argument("--times", action="store_true", help="measure latencies as well; only on a quiet machine")
    cutoff = commands.add_parser("cutoff", help="rules that cut a list of hits, at equal recall (some ten minutes)")
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
    for command in (
        serving,
        multivector,
        peers,
        report,
        store,
        upgrade,
        fusion,
        cutoff,
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


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments of :func:`add_arguments` say; returns the exit code.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["peers", "--list", "--peers", "nearfield-8bit"]))  # doctest: +ELLIPSIS
    nearfield-8bit     nearfield ...
    0
    """
    out: Path = arguments.out / "quick" if getattr(arguments, "quick", False) else arguments.out
    if arguments.bench == "peers":
        return _peers(arguments, out)
    if arguments.bench == "report":
        from .report import write_report
        from .summary import load_results

        print(write_report(out))
        if arguments.readme is not None:
            from .readme import rewrite

            rewrite(arguments.readme, load_results(out))
        return 0
    if arguments.bench in _PLAIN:
        made = importlib.import_module(f".{arguments.bench}", __package__)
        print(getattr(made, f"run_{arguments.bench}")(out, quick=arguments.quick))
        return 0
    if arguments.bench == "growth":
        from .growth import run_growth

        print(run_growth(out, rows=2_000 if arguments.quick else arguments.rows, folder=arguments.folder))
        return 0
    if arguments.bench == "filters":
        from .filters import run_filters

        print(run_filters(out, rows=20_000 if arguments.quick else arguments.rows))
        return 0
    if arguments.bench == "collections":
        from .collections import run_collections

        count = 40 if arguments.quick else arguments.count
        requests = {"requests": 200} if arguments.quick else {}
        print(run_collections(out, count=count, folder=arguments.folder, **requests))
        return 0
    if arguments.bench == "living":
        from .living import run_living

        print(run_living(out, rows=4_000, recalls=(None,)) if arguments.quick else run_living(out, rows=arguments.rows))
        return 0
    if arguments.bench == "sizing":
        from .sizing import run_sizing

        print(run_sizing(out, rows=(3_000,)) if arguments.quick else run_sizing(out))
        return 0
    if arguments.bench == "fusion":
        from .fusion import run_fusion

        print(run_fusion(out, quick=arguments.quick, times=arguments.times))
        return 0
    if arguments.bench == "multivector":
        from .multivector import run_multivector

        print(run_multivector(out, quick=arguments.quick))
        return 0
    if arguments.bench == "serving":
        from .serving import run_serving

        quick = {"rows": 2_000, "rounds": 1, "seconds": 0.3, "peers": False} if arguments.quick else {}
        settings = {"rows": arguments.rows, "peers": not arguments.no_peers, **quick}
        print(run_serving(out, soak_seconds=arguments.soak, **settings))
        return 0
    if arguments.bench == "many":
        return _many(arguments, out)
    if arguments.bench == "filtered":
        from .filtered import run_filtered

        print(run_filtered(out, rows=2_000 if arguments.quick else arguments.rows, names=arguments.peers))
        return 0
    from .store import run_store

    print(run_store(out, rows=2_000 if arguments.quick else arguments.rows, folder=arguments.folder))
    return 0


def _many(arguments: argparse.Namespace, out: Path) -> int:
    from .many import run_many

    rows, queries = (4_000, 200) if arguments.quick else (None, arguments.queries)
    try:
        print(run_many(out, packages=arguments.packages, rows=rows, queries=queries, folder=arguments.folder))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _peers(arguments: argparse.Namespace, out: Path) -> int:
    from .data import WORKLOADS
    from .peers import choose_peers
    from .report import write_report
    from .runner import Plan, run_peers

    try:
        chosen = choose_peers(arguments.peers)
        names = arguments.data or list(WORKLOADS)
        for name in names:
            if name not in WORKLOADS:
                raise ValueError(f"data: expected some of {', '.join(WORKLOADS)}, got {name!r}")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.list:
        for peer in chosen:
            print(f"{peer.name:18} {peer.package} {peer.version() or 'not installed'}")
        return 0
    plan = Plan(threads=tuple(arguments.threads), rounds=arguments.rounds)
    run_peers(chosen, names, out, plan.smaller() if arguments.quick else plan, fresh=arguments.fresh or arguments.quick)
    print(write_report(out))
    return 0
