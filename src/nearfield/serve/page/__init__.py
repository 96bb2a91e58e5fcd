"""The page: a search box, a map, the survey, the plan and the health of what a server holds, in a browser.

What a browser loads is in ``static``: HTML, CSS and JavaScript modules, written by hand, served as they are. It asks
the REST interface like any other client; ``routes`` adds what it alone needs.
"""

from __future__ import annotations

from .routes import mount

__all__ = ["mount"]
