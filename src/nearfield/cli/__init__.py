"""The command ``nearfield``: one file a command, imported only when it is asked for.

Exit codes: 0 done, and the answer is yes; 1 done, and the answer is no (nothing relevant was found, the store is
damaged, the target cannot be met); 2 it could not be done (wrong arguments, unreadable input, a locked store, a full
disk), said in one line on stderr; 130 interrupted; 141 the reader of a pipe went away.
"""

from __future__ import annotations

# Bound here rather than lazily: the function has the name of its module, which would take its place.
from .main import main

__all__ = ["main"]
