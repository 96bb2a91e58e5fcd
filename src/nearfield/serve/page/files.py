"""What a browser loads: the files of ``static``, read once, and plotly's bundle; the headers that fence the page in."""

from __future__ import annotations

import functools
import gzip
from dataclasses import dataclass
from pathlib import Path

import xxhash

from ...common.checks import require

FOLDER = Path(__file__).parent / "static"
PLOTLY = "plotly.js"
_MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Scripts, styles and data come from this server alone, and none from inside the page: what an item's payload says can
# be shown, not run. ``blob:`` is for pictures that were fetched with a key.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True)
class File:
    """One file as it is sent: plain and packed, with what tells this version from others."""

    media: str
    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, media: str, content: bytes) -> File:
        """Packed once, so that no request waits for it."""
        return cls(media, content, gzip.compress(content, 6, mtime=0), f'"{xxhash.xxh3_64_hexdigest(content)}"')


@functools.cache
def page_files() -> dict[str, File]:
    """All files of the page by name, such as ``js/main.js``."""
    return {
        path.relative_to(FOLDER).as_posix(): File.of(_MEDIA[path.suffix], path.read_bytes())
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _MEDIA
    }


@functools.cache
def plotly() -> File:
    """plotly's bundle, out of its Python package; MissingExtraError without it."""
    package = require("plotly", "serve")
    bundle = Path(str(package.__file__)).parent / "package_data" / "plotly.min.js"
    return File.of(_MEDIA[".js"], bundle.read_bytes())
