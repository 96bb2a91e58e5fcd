"""Say whether a new batch still comes from where the stored rows came from, and what it costs.

OLD is a store, or anything `nearfield index` takes; SOURCE is the batch, rows or queries. Of a store also what its plan
finds of the batch is measured, and texts are encoded as its own were. Exit code 1 when the batch comes from elsewhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .encoders import encoder_of
from .index import add_source_arguments, encoder_for, source_of, vectors_of
from .output import DONE, NO, print_json, say

if TYPE_CHECKING:
    import numpy as np

_BATCH = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield drift``."""
    parser.add_argument("old", metavar="OLD", type=Path, help="the store, or a file or folder of what was there before")
    parser.add_argument("source", metavar="SOURCE", type=Path, help="the batch: a file or a folder")
    add_source_arguments(parser)
    parser.add_argument("--metric", choices=("cosine", "ip", "l2"), help="without a store (default: cosine)")
    parser.add_argument("-k", type=int, default=10, help="neighbours that count for recall (default: 10)")
    parser.add_argument("--level", type=float, default=0.05, help="false-alarm rate of the test (default: 0.05)")
    parser.add_argument("--sample", type=int, default=2000, help="rows of either that are compared (default: 2000)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Gather both, compare, print."""
    settings = {"k": arguments.k, "level": arguments.level, "sample": arguments.sample}
    if (arguments.old / "catalogue.sqlite").is_file():
        from ..store import Store

        with Store.open(arguments.old, read_only=True) as store:
            if arguments.metric not in (None, store.metric):
                raise ValueError(f"--metric: the store's is {store.metric}, got {arguments.metric}")
            found = store.drift(_vectors(arguments, arguments.source, store), **settings)
    else:
        from ..survey import drift

        old, new = (_vectors(arguments, path) for path in (arguments.old, arguments.source))
        found = drift(old, new, metric=arguments.metric or "cosine", **settings)
    if arguments.json:
        print_json(found.to_dict())
    else:
        say(str(found))
    return NO if found.shifted else DONE


def _vectors(arguments: argparse.Namespace, path: Path, store: Any = None) -> np.ndarray:
    import numpy as np

    source = source_of(argparse.Namespace(**{**vars(arguments), "source": path}))
    stored = store is not None and source.dim is None
    name = arguments.encoder
    encoder = encoder_of(store.embedding, name, arguments.old) if stored else encoder_for(source, name)
    return np.concatenate([vectors_of(chunk, encoder) for chunk in source.chunks(_BATCH)])
