"""From a fingerprint back to the encoder."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Encoder

_KNOWN = {
    "WordLlama": ".wordllama",
    "OnnxText": ".onnx_text",
    "OnnxTokens": ".onnx_tokens",
    "SentenceTransformers": ".sentence_transformers",
}


def load_encoder(fingerprint: Mapping[str, Any], **changes: Any) -> Encoder:
    """Rebuild the encoder that a fingerprint describes, and make sure that it gives the same vectors.

    Use it to encode queries for a store: ``load_encoder(store.embedding)``.

    Parameters
    ----------
    fingerprint : what ``Encoder.fingerprint()`` returned.
    **changes : settings to use in place of the recorded ones; ``folder="..."`` when the folder of an
        :class:`OnnxText` has moved. The digest is still checked.

    Raises
    ------
    ValueError
        The fingerprint names no encoder of Nearfield, or the weights or settings found now have another digest.
    FileNotFoundError, MissingExtraError
        The model's files, or the packages it needs, are not here.

    Examples
    --------
    >>> from nearfield.encode import WordLlama, load_encoder
    >>> load_encoder(WordLlama().fingerprint()).dim
    256
    """
    name = fingerprint.get("encoder") if isinstance(fingerprint, Mapping) else None
    if not isinstance(name, str) or name not in _KNOWN:
        raise ValueError(f"fingerprint: expected the encoder to be one of {', '.join(_KNOWN)}, got {name!r}")
    kind = getattr(importlib.import_module(_KNOWN[name], __package__), name)
    encoder: Encoder = kind(**{**fingerprint.get("config", {}), **changes})
    expected, found = fingerprint.get("digest"), encoder.fingerprint()["digest"]
    if expected != found:
        raise ValueError(
            f"fingerprint: expected {name} with digest {expected}, got {found}: its weights or settings have changed, "
            "and its vectors cannot be compared with those made before"
        )
    return encoder
