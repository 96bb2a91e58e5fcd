"""Qdrant's REST interface over the same collections, under ``/`` of a server started with ``--qdrant``.

From the bottom up: ``paths``, ``columns`` and ``conditions`` answer filters over payloads, ``vectors`` hold what the
store does not search, ``points`` is both for all points of a collection, ``collection`` keeps that in step with the
store; ``changes``, ``reads`` and ``query`` do what is asked, ``endpoints`` lists it, ``routes`` mounts it.
What is supported is in ``docs/serve-qdrant.md``.
"""

from __future__ import annotations

from .routes import mount

__all__ = ["mount"]
