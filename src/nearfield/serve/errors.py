"""What went wrong, as a client is told: a status, a type and one sentence."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from ..common.errors import CorruptFileError, FormatVersionError, MissingExtraError, StoreLockedError

# The first that an exception is an instance of says its status.
_STATUS: tuple[tuple[type[BaseException], HTTPStatus], ...] = (
    (StoreLockedError, HTTPStatus.SERVICE_UNAVAILABLE),
    (CorruptFileError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (FormatVersionError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (MissingExtraError, HTTPStatus.NOT_IMPLEMENTED),
    (FileNotFoundError, HTTPStatus.NOT_FOUND),
    (FileExistsError, HTTPStatus.CONFLICT),
    (PermissionError, HTTPStatus.FORBIDDEN),
    (TimeoutError, HTTPStatus.SERVICE_UNAVAILABLE),
    (MemoryError, HTTPStatus.SERVICE_UNAVAILABLE),
    (ValueError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TypeError, HTTPStatus.UNPROCESSABLE_ENTITY),
)


class Problem(Exception):
    """An answer other than the one asked for: raise it anywhere, the gate sends it.

    Parameters
    ----------
    status : the HTTP status, 4xx or 5xx.
    message : one sentence, with what was expected and what came.
    headers : sent with it, such as ``Retry-After``.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status = int(status)
        self.message = message
        self.headers = headers or {}


def status_of(error: BaseException) -> int:
    """The HTTP status of an exception of the store."""
    if isinstance(error, Problem):
        return error.status
    return int(next((status for kind, status in _STATUS if isinstance(error, kind)), 500))


def describe(error: BaseException, hide: str = "") -> dict[str, Any]:
    """The body that says so; ``hide`` is the folder served, which is nobody's business."""
    status = status_of(error)
    kind = HTTPStatus(status).phrase.replace(" ", "") if isinstance(error, Problem) else type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror  # its file names are those of the server
    else:
        message = str(error) or HTTPStatus(status).phrase
    if status == 500 and not isinstance(error, CorruptFileError | FormatVersionError):
        kind, message = "InternalServerError", "the server failed; its log says where"
    if hide:
        message = message.replace(hide + "/", "").replace(hide, "the server's folder")
    return {"error": {"status": status, "type": kind, "message": message}}
