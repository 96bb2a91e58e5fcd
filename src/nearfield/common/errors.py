"""Errors a caller can tell apart. A caller's mistake is a plain ValueError or TypeError; these name the rest."""

from __future__ import annotations

import os


class CorruptFileError(RuntimeError):
    """A file exists but its content cannot be trusted: truncated, altered, or not what the catalogue says it is.

    An absent file is a :class:`FileNotFoundError`, never this.

    Examples
    --------
    >>> raise CorruptFileError("a.nfa", "checksum of array 'codes' differs")
    Traceback (most recent call last):
    nearfield.common.errors.CorruptFileError: a.nfa: checksum of array 'codes' differs
    """

    def __init__(self, path: str | os.PathLike[str], reason: str):
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.path, self.reason)


class FormatVersionError(RuntimeError):
    """A file or store was written by a newer format than this version reads.

    Examples
    --------
    >>> raise FormatVersionError("papers.nf", found=9, supported=1)
    Traceback (most recent call last):
    nearfield.common.errors.FormatVersionError: papers.nf: format version 9 is newer than this nearfield reads (1); \
install a newer nearfield
    """

    def __init__(self, path: str | os.PathLike[str], found: int, supported: int):
        self.path = os.fspath(path)
        self.found = found
        self.supported = supported
        super().__init__(
            f"{self.path}: format version {found} is newer than this nearfield reads ({supported}); "
            "install a newer nearfield"
        )

    def __reduce__(self) -> tuple[type, tuple[str, int, int]]:
        return type(self), (self.path, self.found, self.supported)


class StoreLockedError(RuntimeError):
    """Another process, or another handle of this one, is the store's writer.

    Examples
    --------
    >>> raise StoreLockedError("papers.nf", holder=4711)
    Traceback (most recent call last):
    nearfield.common.errors.StoreLockedError: papers.nf: another writer has this store open (process 4711); \
close it, or open with read_only=True
    """

    def __init__(self, path: str | os.PathLike[str], holder: int | None = None):
        self.path = os.fspath(path)
        self.holder = holder
        who = f" (process {holder})" if holder else ""
        super().__init__(f"{self.path}: another writer has this store open{who}; close it, or open with read_only=True")

    def __reduce__(self) -> tuple[type, tuple[str, int | None]]:
        return type(self), (self.path, self.holder)


class FilterError(ValueError):
    """A ``where=`` text cannot be understood; says where in the text.

    Examples
    --------
    >>> raise FilterError("unknown column 'yeer'; columns: topic, year", "yeer > 3", 0)
    Traceback (most recent call last):
    nearfield.common.errors.FilterError: where: unknown column 'yeer'; columns: topic, year (at character 1)
      yeer > 3
      ^
    """

    def __init__(self, reason: str, text: str = "", position: int | None = None):
        self.reason = reason = reason if len(reason) <= 400 else reason[:397] + "..."
        self.text = text
        self.position = position
        message = f"where: {reason}"
        if position is not None:
            message += f" (at character {position + 1})"
            if len(text) <= 200 and "\n" not in text:
                message += f"\n  {text}\n  {' ' * position}^"
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[str, str, int | None]]:
        return type(self), (self.reason, self.text, self.position)


class MissingExtraError(ImportError):
    """An optional dependency is not installed; says the exact install line.

    Examples
    --------
    >>> raise MissingExtraError("matplotlib", "view")
    Traceback (most recent call last):
    nearfield.common.errors.MissingExtraError: matplotlib is not installed; run: pip install 'nearfield[view]'
    """

    def __init__(self, module: str, extra: str):
        self.module = module
        self.extra = extra
        super().__init__(f"{module} is not installed; run: pip install 'nearfield[{extra}]'")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.module, self.extra)
