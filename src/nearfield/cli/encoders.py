"""``--encoder wordllama|onnx:FOLDER|st:NAME``, or the folder alone."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..encode import Encoder

_CHOICES = "wordllama, onnx:FOLDER or st:NAME"
_KINDS = ("wordllama", "onnx", "st")


def add_encoder_argument(parser: argparse.ArgumentParser, help: str) -> None:
    """The option, with its forms explained."""
    parser.add_argument("--encoder", metavar="NAME", help=f"{help}: {_CHOICES}, or the folder alone")


def _parts(name: str) -> tuple[str, str]:
    """Kind and detail. A folder alone is run by onnxruntime where it holds an ONNX model, else by its own library."""
    kind, _, detail = name.partition(":")
    folder = Path(name)
    if kind not in _KINDS and folder.is_dir():
        found = [*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")]
        return ("onnx" if found else "st"), name
    return kind, detail


def make_encoder(name: str) -> Encoder:
    """The encoder that a value of ``--encoder`` names."""
    kind, detail = _parts(name)
    if kind == "wordllama" and not detail:
        from ..encode import WordLlama

        return WordLlama()
    if kind == "onnx" and detail:
        from ..encode import OnnxText

        return OnnxText(detail)
    if kind == "st" and detail:
        from ..encode import SentenceTransformers

        return SentenceTransformers(detail)
    raise ValueError(f"--encoder: expected {_CHOICES}, got {name!r}")


def encoder_of(embedding: Mapping[str, Any] | None, name: str | None, store: object) -> Encoder:
    """The encoder a store's vectors come from; ``name`` says where its model is now, if it has moved."""
    from ..encode import load_encoder

    if embedding is None:
        raise ValueError(f"{store}: the store does not say which encoder made its vectors; ask with --vector FILE.npy")
    kind, detail = _parts(name or "")
    if kind == "onnx" and embedding.get("encoder") == "OnnxText":
        return load_encoder(embedding, folder=detail)
    if kind == "st" and embedding.get("encoder") == "SentenceTransformers":
        return load_encoder(embedding, name=detail)
    if name is not None and (kind, embedding.get("encoder")) != ("wordllama", "WordLlama"):
        raise ValueError(f"--encoder: the store's vectors come from {embedding.get('encoder')}, got {name!r}")
    return load_encoder(embedding)
