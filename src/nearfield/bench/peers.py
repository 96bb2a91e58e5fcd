"""Which configurations are compared: the installed peers and ours."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from .adapters import PEERS, Peer
from .ours import OURS

ALL: tuple[Peer, ...] = (*OURS, *PEERS)
OUR_NAMES = frozenset(peer.name for peer in OURS)


def find_peer(name: str) -> Peer:
    """The configuration called ``name``."""
    for peer in ALL:
        if peer.name == name:
            return peer
    raise ValueError(f"peers: expected one of {', '.join(peer.name for peer in ALL)}, got {name!r}")


def choose_peers(patterns: Sequence[str] | None) -> list[Peer]:
    """The configurations whose names match any of the patterns (``symqg*``); None chooses the default ones.

    Examples
    --------
    >>> [peer.name for peer in choose_peers(["symqg*"])]
    ['symqg', 'symqg-8bit']
    """
    if patterns is None:
        return [peer for peer in ALL if peer.default]
    for pattern in patterns:
        if not any(fnmatch(peer.name, pattern) for peer in ALL):
            raise ValueError(f"peers: expected names or patterns of {', '.join(p.name for p in ALL)}, got {pattern!r}")
    return [peer for peer in ALL if any(fnmatch(peer.name, pattern) for pattern in patterns)]
