"""Make a store from a file or a folder.

SOURCE is a .npy file of vectors; a .parquet, .csv or .jsonl file with a column of texts or of vectors; or a folder of
.txt, .md and .rst files, long ones in passages. Columns are guessed where there is no doubt. The whole source is looked
through before anything is begun, and the store appears complete or not at all. Texts are found by their words as well
(search --text, --hybrid).
"""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .building import building, check_free
from .columns import Choice, parse_attributes
from .encoders import add_encoder_argument, make_encoder
from .output import DONE, own_command, print_json, telling
from .source import Source, open_source

if TYPE_CHECKING:
    import numpy as np

    from ..encode import Encoder
    from ..store import Store

_BATCH = 4096
_FEWEST_FOR_A_JUDGE = 50


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """How columns and files of a source are to be read; shared with ``survey``."""
    parser.add_argument("--text-column", metavar="NAME", help="the column of texts to encode")
    parser.add_argument("--vector-column", metavar="NAME", help="the column of vectors")
    parser.add_argument("--id-column", metavar="NAME", help="the column of ids (default: one named id, or row numbers)")
    parser.add_argument("--skip-unreadable", action="store_true", help="leave out text files that are not UTF-8")
    add_encoder_argument(
        parser, "encoder for texts (default: wordllama); with vectors, the encoder they were made with"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nearfield index``."""
    parser.add_argument("source", metavar="SOURCE", type=Path, help="the file or folder")
    parser.add_argument("store", metavar="STORE", type=Path, help="the directory to make")
    add_source_arguments(parser)
    parser.add_argument("--ids", type=Path, metavar="FILE", help="ids for a .npy file: one a line, or a 1-D .npy")
    parser.add_argument(
        "--attributes",
        type=str,
        default="",
        metavar="A,B:TYPE",
        help="columns to filter by with --where; types bool, int, float, string, timestamp are guessed unless given; "
        "all other columns go into the payload",
    )
    parser.add_argument("--metric", choices=("cosine", "ip", "l2"), default="cosine", help="default: cosine")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32", help="how vectors are kept")
    parser.add_argument(
        "--tokenizer",
        choices=("porter", "unicode61", "trigram"),
        default="porter",
        help="how texts become words for search --text and --hybrid: porter (default) for English, unicode61 as they "
        "are, trigram for languages without spaces",
    )
    parser.add_argument("--no-judge", action="store_true", help="do not fit the relevance judge")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Read, encode, add, compact, fit the judge."""
    tell = telling(arguments)
    check_free(arguments.store)
    source = source_of(arguments, parse_attributes(arguments.attributes), arguments.ids)
    encoder = encoder_for(source, arguments.encoder)
    with building(arguments.store) as place:
        from ..store import Store

        with Store.create(
            place,
            source.dim or (encoder.dim if encoder else 0),
            metric=arguments.metric,
            dtype=arguments.dtype,
            attributes=source.attributes,
            embedding=encoder.fingerprint() if encoder else None,
            text=source.text,
            tokenizer=arguments.tokenizer,
        ) as store:
            _fill(store, source, encoder)
            left_out = f" ({source.left_out:,} without text left out)" if source.left_out else ""
            tell(f"added {len(store):,} items of {store.dim} dimensions{left_out}")
            store.compact()
            answer = {
                "store": str(arguments.store),
                "items": len(store),
                "left_out": source.left_out,
                "dim": store.dim,
                "metric": store.metric,
                "attributes": source.attributes,
                "encoder": None if store.embedding is None else store.embedding.get("encoder"),
                "judge": None if arguments.no_judge else _fit_judge(store, tell),
            }
    tell(f"made  {arguments.store}")
    if encoder is not None:
        tell(f'ask   {own_command()} search {shlex.quote(str(arguments.store))} "..."')
    if arguments.json:
        print_json(answer)
    return DONE


def source_of(
    arguments: argparse.Namespace, attributes: dict[str, str | None] | None = None, ids: Path | None = None
) -> Source:
    """The source that the arguments of :func:`add_source_arguments` describe."""
    choice = Choice(arguments.id_column, arguments.text_column, arguments.vector_column, attributes or {})
    return open_source(arguments.source, choice, ids=ids, skip_unreadable=arguments.skip_unreadable)


def encoder_for(source: Source, name: str | None) -> Encoder | None:
    """The encoder of a source's texts, or the one its vectors are said to come from."""
    if source.dim is None:
        return make_encoder(name or "wordllama")
    if name is None:
        return None
    encoder = make_encoder(name)
    if encoder.dim != source.dim:
        raise ValueError(f"--encoder: {name} makes vectors of {encoder.dim} dimensions, the source holds {source.dim}")
    return encoder


def vectors_of(chunk: Any, encoder: Encoder | None) -> np.ndarray:
    """The vectors of a chunk, encoded if need be."""
    if chunk.vectors is not None:
        return chunk.vectors
    assert encoder is not None
    return encoder.encode(chunk.texts, progress=False)


def _fill(store: Store, source: Source, encoder: Encoder | None) -> None:
    from ..common.progress import Progress

    with Progress("indexing", source.rows, unit="items") as bar:
        for chunk in source.chunks(_BATCH):
            payload = None if chunk.payload is None else [_finite(value) for value in chunk.payload]
            store.add(chunk.ids, vectors_of(chunk, encoder), attributes=chunk.attributes or None, payload=payload)
            bar.update(len(chunk.ids))


def _finite(value: Any) -> Any:
    """A payload without NaN and infinity, which JSON cannot hold: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value


def _fit_judge(store: Store, tell: Callable[[str], None]) -> dict[str, Any]:
    """Fit it if there is enough to learn from; what it promises, or why there is none."""
    if len(store) < _FEWEST_FOR_A_JUDGE:
        reason = f"it needs at least {_FEWEST_FOR_A_JUDGE} items to learn from"
    else:
        try:
            lost = store.fit_judge().expected_lost(0.05)
        except ValueError as error:  # such as vectors that are all alike
            reason = str(error)
        else:
            tell(
                "fitted the relevance judge: answers carry relevance; with --max-false 0.05, 95% of the questions that "
                f"nothing here answers get no answer, and so do {lost.value:.1%} of those that something does"
            )
            return {"fitted": True, "max_false": 0.05, "expected_lost": vars(lost)}
    tell(f"no relevance judge: {reason}")
    return {"fitted": False, "reason": reason}
