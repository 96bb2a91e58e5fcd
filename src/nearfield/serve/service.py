"""What all operations of one server share."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..encode import load_encoder
from .errors import Problem

if TYPE_CHECKING:
    from ..encode import Encoder
    from ..store import Store
    from .auth import Keys
    from .batching import Batcher
    from .hosted import Hosted
    from .jobs import Jobs
    from .limits import Limits
    from .metrics import Metrics

logger = logging.getLogger("nearfield.serve")

# Encoders whose weights come with their package: what a collection says of itself may load these and no others, since
# a client may have said it, and other encoders are found by a path.
_SELF_CONTAINED = "WordLlama"


@dataclass
class Service:
    """One server: its collections, who may use them, how much of it, and what it counted."""

    hosted: Hosted
    encoder: Encoder | None
    keys: Keys | None
    limits: Limits
    read_only: bool
    metrics: Metrics
    jobs: Jobs
    batcher: Batcher
    stopping: bool = False
    _loaded: dict[str, Encoder] = field(default_factory=dict)
    _encoding: threading.Lock = field(default_factory=threading.Lock)

    async def close(self) -> None:
        """Take nothing new, let what runs in the stores end, and close them."""
        self.stopping = True
        running = self.jobs.close()
        if running:
            logger.warning("waiting for %d running jobs", len(running))
        await asyncio.to_thread(self.hosted.close)

    def encode(self, store: Store, texts: list[str]) -> tuple[np.ndarray, Any]:
        """Texts as vectors for ``store``, (n, d), and the fingerprint of what encoded them; called in a thread."""
        with self._encoding:
            encoder = self.encoder or self._of(store)
            vectors = encoder.encode(texts)
            if len(vectors) != len(texts):
                raise Problem(500, f"the encoder returned {len(vectors)} vectors for {len(texts)} texts")
            return vectors, encoder.fingerprint()

    def _of(self, store: Store) -> Encoder:
        fingerprint = store.embedding
        if not fingerprint or fingerprint.get("encoder") != _SELF_CONTAINED:
            raise Problem(
                409, "this server has no encoder for the collection's texts; send vectors, or start it with --encoder"
            )
        digest = str(fingerprint.get("digest"))
        if digest not in self._loaded:
            if len(self._loaded) >= 4:
                self._loaded.clear()
            self._loaded[digest] = load_encoder(fingerprint)
        return self._loaded[digest]
