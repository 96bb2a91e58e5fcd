"""A store, or a folder of them, over HTTP: the REST interface, its page, and a client with the store's own methods.

``nearfield serve PATH`` runs it; :func:`create_app` gives the ASGI application to mount elsewhere. From the bottom up:
``hosted`` holds the collections and the threads that work on them, ``gate`` answers for keys, limits and errors, the
files of ``api`` describe and do what each path offers, ``app`` puts them together, ``server`` runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .app import create_app as create_app
    from .auth import Keys as Keys
    from .client import Client as Client
    from .hosted import Hosted as Hosted
    from .limits import Limits as Limits
    from .remote_store import RemoteStore as RemoteStore
    from .wire import RemoteError as RemoteError

__all__ = ["Client", "Hosted", "Keys", "Limits", "RemoteError", "RemoteStore", "create_app"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Client": ".client",
        "Hosted": ".hosted",
        "Keys": ".auth",
        "Limits": ".limits",
        "RemoteError": ".wire",
        "RemoteStore": ".remote_store",
        "create_app": ".app",
    },
)
