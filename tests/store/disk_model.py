"""What a disk may hold after the power failed: a model of files and directories that knows what was synced.

:func:`read_trace` reads what ``disk_trace.c`` wrote down, and :class:`Disk` follows it call by call. At any moment
:meth:`Disk.after_power_loss` says what could be left: all that was synced, and of the rest whatever the dice say. The
model is harsher than file systems are, within what POSIX lets them do:

- what was written to a file since its last sync is there, or not, in units of a sector or a page, in any order;
- a file may have grown without what was written into it (it reads as zeros there), and lose its end;
- a truncation may be missing, and then nothing written after it is there either;
- a name that was made, moved or removed is durable only when its *directory* was synced: syncing the file does not
  help; names do not wait for each other, nor for the content of the file they name; a move may leave both names;
- a sync that reports an error lost what it should have kept, for good, also when a later one succeeds;
- a directory whose own name is lost takes all that is in it along.
"""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("<BiiQII")


@dataclass(frozen=True)
class Call:
    """One call of the trace. ``kind`` is a letter: Open, Close, Write, Truncate, Sync
    (s: one that failed), Rename, Unlink, Link, mkDir, Mark."""

    kind: str
    file: int
    flags: int
    offset: int
    first: bytes
    second: bytes

    @property
    def changes(self) -> bool:
        """Whether a crash before and after this call may find different things."""
        return self.kind in "WTSsRULDM" or (self.kind == "O" and self.flags > 0)


def read_trace(path: Path) -> list[Call]:
    """All calls in the order in which they took effect."""
    data = path.read_bytes()
    calls, place = [], 0
    while place < len(data):
        kind, file, flags, offset, first, second = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        middle = place + first
        calls.append(Call(chr(kind), file, flags, offset, data[place:middle], data[middle : middle + second]))
        place = middle + second
    return calls


@dataclass
class File:
    """A file's content now, its content at the last sync, and what happened in between."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (size, None)

    def change(self, offset: int, data: bytes | None) -> None:
        apply(self.data, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        synced = bytearray(self.synced)
        for offset, data in self.pending:
            apply(synced, offset, data)
        self.synced = bytes(synced)
        self.pending.clear()

    def fail_to_sync(self) -> None:
        """What was written is still seen by who reads the file, but the system forgets that the disk lacks it."""
        self.pending.clear()


@dataclass
class Directory:
    """The names in a directory now, those at its last sync, and what happened in between."""

    names: dict[str, File | Directory] = field(default_factory=dict)
    synced: dict[str, File | Directory] = field(default_factory=dict)
    pending: list[list[tuple[str, File | Directory | None]]] = field(default_factory=list)  # name, node; None: removed

    def change(self, *steps: tuple[str, File | Directory | None]) -> None:
        for name, node in steps:
            set_name(self.names, name, node)
        self.pending.append(list(steps))

    def sync(self) -> None:
        self.synced = dict(self.names)
        self.pending.clear()


def apply(data: bytearray, offset: int, piece: bytes | None) -> None:
    """A write at ``offset``, or a truncation to it; a gap is zeros."""
    end = offset + len(piece or b"")
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    if piece is None:
        del data[offset:]
    else:
        data[offset:end] = piece


def set_name(names: dict[str, File | Directory], name: str, node: File | Directory | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


@dataclass(frozen=True)
class Loss:
    """How a power loss treats what was not synced.

    ``data`` and ``names`` are the chances that a piece of a file, or a change of a directory, is there; ``unit`` is the
    size of a piece; ``grown`` is the chance that a file has its new length, whatever is in it.
    """

    data: float
    names: float
    unit: int = 4096
    grown: float = 0.5


ALL = Loss(1, 1)  # what a killed process leaves: the system goes on and writes everything
NOTHING = Loss(0, 0, grown=0)  # but what was synced
LOSSES = (
    ALL,
    NOTHING,
    Loss(0, 1, grown=0),  # names before contents
    Loss(0, 1, grown=1),  # ... the contents zeros
    Loss(1, 0),  # contents before names
    Loss(0.5, 0.5),
    Loss(0.5, 0.5, unit=512),
    Loss(0.9, 0.9, unit=512),
    Loss(0.1, 0.5, unit=4096),
)


class Disk:
    """The files under ``root`` as a trace makes them."""

    def __init__(self, root: Path):
        self.root = str(root).encode()
        self.top = Directory()
        self.open: dict[int, File | Directory] = {}

    def find(self, path: bytes) -> tuple[Directory, str, File | Directory | None]:
        """The directory, the name in it, and what it names."""
        parts = path[len(self.root) :].decode().strip("/").split("/")
        folder = self.top
        for part in parts[:-1]:
            folder = folder.names[part]
        return folder, parts[-1], self.top if parts == [""] else folder.names.get(parts[-1])

    def follow(self, call: Call) -> None:
        """Let one call happen."""
        if call.kind == "O":
            folder, name, node = self.find(call.first)
            if node is None:
                assert call.flags & 1, f"opened, but the trace never made it: {call.first!r}"
                node = File()
                folder.change((name, node))
            if call.flags & 2 and node.data:
                node.change(0, None)
            self.open[call.file] = node
        elif call.kind == "C":
            del self.open[call.file]
        elif call.kind == "W":
            self.open[call.file].change(call.offset, call.first)
        elif call.kind == "T":
            self.open[call.file].change(call.offset, None)
        elif call.kind == "S":
            self.open[call.file].sync()
        elif call.kind == "s" and isinstance(self.open[call.file], File):
            self.open[call.file].fail_to_sync()
        elif call.kind == "U":
            folder, name, _ = self.find(call.first)
            folder.change((name, None))
        elif call.kind == "D":
            folder, name, _ = self.find(call.first)
            folder.change((name, Directory()))
        elif call.kind in "RL":
            folder, name, node = self.find(call.first)
            target, new, _ = self.find(call.second)
            if call.kind == "L":
                target.change((new, node))
            else:
                assert folder is target, "the model knows no move between directories"
                folder.change((new, node), (name, None))

    @contextlib.contextmanager
    def torn(self, call: Call, kept: int) -> Iterator[None]:
        """Inside, only the first bytes of a write have happened."""
        node = self.open[call.file]
        before = bytearray(node.data)
        node.change(call.offset, call.first[:kept])
        yield
        node.data = before
        node.pending.pop()

    def after_power_loss(self, loss: Loss, dice: random.Random) -> dict[str, bytes | None]:
        """What is left: path -> content, None for a directory."""
        left: dict[str, bytes | None] = {}
        contents: dict[int, bytes] = {}  # a file with two names has one content
        self._collect(self.top, "", loss, dice, left, contents)
        return left

    def _collect(
        self,
        folder: Directory,
        path: str,
        loss: Loss,
        dice: random.Random,
        left: dict[str, bytes | None],
        contents: dict[int, bytes],
    ) -> None:
        names = dict(folder.synced)
        for (name, node), *rest in folder.pending:
            if dice.random() >= loss.names:
                continue
            set_name(names, name, node)
            for old, gone in rest:  # a move: when the new name is there, the old one may be too, unless of a directory
                if isinstance(node, Directory) or dice.random() < loss.names:
                    set_name(names, old, gone)
        for name, node in sorted(names.items()):
            if isinstance(node, Directory):
                left[path + name] = None
                self._collect(node, path + name + "/", loss, dice, left, contents)
            else:
                if id(node) not in contents:
                    contents[id(node)] = self._content(node, loss, dice)
                left[path + name] = contents[id(node)]

    @staticmethod
    def _content(node: File, loss: Loss, dice: random.Random) -> bytes:
        if loss.data >= 1 and loss.names >= 1:  # no power loss at all
            return bytes(node.data)
        if not node.pending:
            return node.synced
        data = bytearray(node.synced)
        for offset, written in node.pending:
            if written is None:
                if dice.random() >= loss.data:
                    break
                apply(data, offset, None)
                continue
            for start, piece in pieces(offset, written, loss.unit):
                if dice.random() < loss.data:
                    apply(data, start, piece)
        if dice.random() < loss.grown and len(data) < len(node.data):
            data.extend(bytes(len(node.data) - len(data)))
        return bytes(data)


def pieces(offset: int, data: bytes, unit: int) -> Iterator[tuple[int, bytes]]:
    """The parts of a write that lie in one unit of the disk each."""
    start = 0
    while start < len(data):
        end = min(len(data), start + unit - (offset + start) % unit)
        yield offset + start, data[start:end]
        start = end


def lay_out(files: dict[str, bytes | None], folder: Path) -> None:
    """Write files and directories to where a program can open them."""
    for name, content in files.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)


def look_up(folder: Path) -> dict[str, bytes | None]:
    """What :func:`lay_out` would make this of."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith("-shm"):
            found[str(path.relative_to(folder))] = None if path.is_dir() else path.read_bytes()
    return found
