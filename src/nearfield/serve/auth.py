"""Who may do what: API keys, each with a right, of which only hashes are kept.

A key is 32 random bytes, so one SHA-256 is as hard to turn back as any number of them. Every key of the file is
compared, each in constant time: how long an answer takes tells nothing about what a wrong key has in common with a
right one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.checks import check_choice
from .errors import Problem

RIGHTS = ("read", "write", "admin")
_PREFIX = "nf_"
_HASH = "sha256:"
# Where the gate leaves who asks, for what stands behind it.
SCOPE_KEY = "nearfield.key"


@dataclass(frozen=True)
class Key:
    """One key of the file: what it is called, what it may, and the hash of it."""

    name: str
    right: str
    digest: bytes

    def may(self, right: str) -> bool:
        """Whether it has ``right``: admin has write, write has read."""
        return RIGHTS.index(self.right) >= RIGHTS.index(right)


# Who asks a server without keys.
ANYONE = Key("anyone", "admin", b"")


class Keys:
    """The API keys a server accepts.

    A keys file has a line ``name right hash`` for each key; lines that begin with ``#`` are remarks. Names appear in
    metrics and say whose key it is. :meth:`new` makes a key, which is shown once and never stored.

    Parameters
    ----------
    keys : (name, right, hash) of each.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> secret = Keys.new(folder.name + "/keys", "read", name="dashboard")
    >>> keys = Keys.load(folder.name + "/keys")
    >>> keys.identify(secret).name, keys.identify("nf_wrong")
    ('dashboard', None)
    >>> folder.cleanup()
    """

    def __init__(self, keys: Iterable[Sequence[str]]):
        self._keys = tuple(_parse(fields, f"key {number}") for number, fields in enumerate(keys, 1))
        if len({key.name for key in self._keys}) != len(self._keys):
            raise ValueError("keys: expected names that differ, got one twice")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Keys:
        """Read a keys file; ValueError naming the line that is no key, or when there is none."""
        keys = cls(())
        found = []
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise ValueError(f"{path}: expected lines 'name right hash', got what is no text") from None
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                found.append(_parse(line.split(), f"{path}: line {number}"))
        if not found:
            raise ValueError(f"{path}: expected lines 'name right hash', found none; --new-key RIGHT adds one")
        if len({key.name for key in found}) != len(found):
            raise ValueError(f"{path}: expected names that differ, got one twice")
        keys._keys = tuple(found)
        return keys

    @staticmethod
    def new(path: str | os.PathLike[str], right: str, name: str | None = None) -> str:
        """Make a key with ``right`` ("read", "write" or "admin"), add its hash to the file, and return it.

        The file is made when it is absent, for its owner's eyes only. ``name`` is one word, the right and a number
        when left out.
        """
        check_choice(right, "right", RIGHTS)
        place = Path(path)
        known = {key.name for key in Keys.load(place)._keys} if place.exists() and place.stat().st_size else set()
        if name is None:
            name = next(f"{right}-{number}" for number in range(1, len(known) + 2) if f"{right}-{number}" not in known)
        if name in known or name.split() != [name] or name.startswith("#"):
            raise ValueError(f"name: expected one word that no other key has, got {name!r}")
        secret = _PREFIX + secrets.token_urlsafe(32)
        line = f"{name} {right} {_HASH}{hashlib.sha256(secret.encode()).hexdigest()}\n"
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(line)
        return secret

    def __len__(self) -> int:
        return len(self._keys)

    def identify(self, secret: str | bytes | None) -> Key | None:
        """The key that ``secret`` is, or None."""
        raw = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret or b""
        digest = hashlib.sha256(raw).digest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def _parse(fields: Sequence[str], where: str) -> Key:
    if len(fields) != 3:
        raise ValueError(f"{where}: expected 'name right hash', got {len(fields)} words")
    name, right, hashed = fields
    if right not in RIGHTS:
        raise ValueError(f"{where}: expected one of {', '.join(RIGHTS)} as the right, got {right!r}")
    digits = hashed.removeprefix(_HASH)
    try:
        digest = bytes.fromhex(digits) if digits != hashed else b""
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise ValueError(f"{where}: expected '{_HASH}' and 64 hex digits as the hash, got something else")
    return Key(name, right, digest)


def secret_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key that a request's raw headers carry: ``Authorization: Bearer``, ``X-API-Key``, or Qdrant's ``api-key``."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, secret = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return secret.strip()
        elif name in (b"x-api-key", b"api-key"):
            return value.strip()
    return None


def allow(key: Key | None, right: str) -> Key:
    """``key`` if it has ``right``; else 401 where there is none, 403 where it has less."""
    if key is None:
        raise Problem(
            401,
            "a key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
            {"WWW-Authenticate": "Bearer"},
        )
    if not key.may(right):
        raise Problem(403, f"this needs the right {right!r}, and the key {key.name!r} has {key.right!r}")
    return key


def require(right: str) -> Callable[[Any], Key]:
    """A FastAPI dependency that lets through who has ``right``, and gives the :class:`Key`."""
    check_choice(right, "right", RIGHTS)
    from fastapi import Request

    def allowed(request: Request) -> Key:
        return allow(request.scope.get(SCOPE_KEY), right)

    allowed.__annotations__ = {"request": Request, "return": Key}
    return allowed
