"""Serve a store, or a folder of collections, over HTTP until Ctrl-C or SIGTERM.

PATH is a store (NAME.nf, then the only collection, called NAME) or a folder that holds collections, made when it is
absent. The address answers under /v1 (see /docs), shows the page under /, and speaks as Qdrant does with --qdrant.
Only programs of this machine reach it, unless --host says otherwise; then it wants --keys, or --insecure.

  nearfield serve papers.nf
  nearfield serve --new-key write --keys keys.txt      # prints the key, once
  nearfield serve collections/ --host 0.0.0.0 --keys keys.txt
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .encoders import add_encoder_argument, make_encoder
from .output import DONE, note, print_json, say, telling

if TYPE_CHECKING:
    from ..serve import Limits

_LIMITS = {
    "rate": (float, "R", "requests a second for each key, or each address without keys (default: any number)"),
    "body": (str, "SIZE", "most bytes of a request, such as 64MB (the default)"),
    "batch": (int, "N", "most items or queries in a request (default: 10000)"),
    "connections": (int, "N", "most open connections (default: 20000, and no more than file descriptors allow)"),
    "threads": (int, "N", "threads that work in the stores (default: 8)"),
    "request_seconds": (float, "S", "most seconds for an answer (default: 60)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield serve``."""
    parser.add_argument("path", metavar="PATH", type=Path, nargs="?", help="a store, or a folder of collections")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8760, help="port (default: 8760; 0: any that is free)")
    add_encoder_argument(parser, "encodes the texts of clients")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="API keys: lines 'name right hash'")
    parser.add_argument(
        "--new-key", choices=("read", "write", "admin"), metavar="RIGHT", help="add a key to --keys, print it, and end"
    )
    parser.add_argument("--name", help="of the new key, one word")
    parser.add_argument("--insecure", action="store_true", help="let other machines in without keys")
    parser.add_argument("--read-only", action="store_true", help="open for reading, beside a writer elsewhere")
    parser.add_argument("--qdrant", action="store_true", help="answer as a Qdrant server does as well")
    parser.add_argument("--no-page", action="store_true", help="serve no page")
    parser.add_argument("--json", action="store_true", help="say where it answers, or the new key, as JSON")
    parser.add_argument("--grace", type=float, default=30.0, metavar="S", help="seconds to finish in (default: 30)")
    limits = parser.add_argument_group("limits")
    for name, (kind, metavar, help) in _LIMITS.items():
        limits.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=help)


def run(arguments: argparse.Namespace) -> int:
    """Make a key, or serve until told to stop."""
    from ..serve import Keys

    if arguments.new_key is not None:
        if arguments.keys is None:
            raise ValueError("--keys: expected the file that the new key is added to")
        secret = Keys.new(arguments.keys, arguments.new_key, arguments.name)
        if arguments.json:
            print_json({"key": secret, "right": arguments.new_key, "file": str(arguments.keys)})
        else:
            say(secret)
        note(f"the key is shown this once; {arguments.keys} holds its hash")
        return DONE
    if arguments.path is None:
        raise ValueError("PATH: expected a store or a folder of collections")
    from ..common.checks import check_real, require

    require("fastapi", "serve")
    require("uvicorn", "serve")
    from ..serve import create_app
    from ..serve.allocator import share_arenas
    from ..serve.server import address_of, bind, is_loopback
    from ..serve.server import run as serve

    keys = None if arguments.keys is None else Keys.load(arguments.keys)
    if keys is None and not arguments.insecure and not is_loopback(arguments.host):
        raise ValueError(
            f"--host: {arguments.host} lets other machines in, and without --keys anybody could read and remove "
            "everything; give --keys FILE, or --insecure to mean it"
        )
    share_arenas()
    limits = _limits(arguments)
    check_real(arguments.grace, "--grace", 0, 86400)
    encoder = None if arguments.encoder is None else make_encoder(arguments.encoder)
    listening = bind(arguments.host, arguments.port)
    try:
        app = create_app(
            arguments.path,
            encoder=encoder,
            keys=keys,
            limits=limits,
            qdrant=arguments.qdrant,
            page=not arguments.no_page,
            read_only=arguments.read_only,
        )
    except BaseException:
        listening.close()
        raise
    hosted = app.state.hosted
    what = f"{arguments.path}" if hosted.single else f"{arguments.path}, {len(hosted)} collections"
    guard = f"{len(keys)} keys" if keys is not None else "no keys: whoever reaches it may do everything"
    if arguments.json:
        counted = {"collections": len(hosted), "keys": None if keys is None else len(keys)}
        print_json({"path": str(arguments.path), "url": address_of(listening), **counted})
        if sys.stdout is not None:
            sys.stdout.flush()  # a program reads it while this goes on
    told = telling(arguments)
    told(f"serving {what}  {address_of(listening)}  ({guard})")
    serve(app, listening, grace=arguments.grace)
    told("stopped; everything acknowledged is on disk")
    return DONE


def _limits(arguments: argparse.Namespace) -> Limits:
    from ..common.checks import check_bytes
    from ..serve import Limits

    given: dict[str, Any] = {name: getattr(arguments, name) for name in _LIMITS}
    given = {name: value for name, value in given.items() if value is not None}
    if "body" in given:
        given["body"] = check_bytes(given["body"], "--body")
    return Limits(**given)
