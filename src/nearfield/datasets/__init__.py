"""Public data sets by name; the documentation of the installed Python packages and Debian's package index beside them.

:func:`load` looks in ``$NEARFIELD_DATA``, then in the user's cache (``$XDG_CACHE_HOME/nearfield`` or
``~/.cache/nearfield``), then downloads from the set's public home and checks the checksum. Where there is no network,
or no public home, the error says which file to put where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .clinc150 import Clinc150 as Clinc150
    from .clinc150 import Utterances as Utterances
    from .documentation import Document as Document
    from .documentation import python_documentation as python_documentation
    from .fashion_mnist import FashionMNIST as FashionMNIST
    from .glove import WordVectors as WordVectors
    from .graphs import Graph as Graph
    from .packages import DebianPackages as DebianPackages
    from .packages import debian_packages as debian_packages
    from .retrieval import Retrieval as Retrieval
    from .sets import NAMES as NAMES
    from .sets import load as load
    from .stsb import STSB as STSB
    from .stsb import ScoredPairs as ScoredPairs
    from .synsets import Synset as Synset
    from .wn18rr import KnowledgeGraph as KnowledgeGraph
    from .word_lists import AssociationWords as AssociationWords
    from .word_lists import WordLists as WordLists
    from .wordnet import WordNet as WordNet

__all__ = [
    "STSB",
    "AssociationWords",
    "Clinc150",
    "DebianPackages",
    "Document",
    "FashionMNIST",
    "Graph",
    "KnowledgeGraph",
    "Retrieval",
    "ScoredPairs",
    "Synset",
    "Utterances",
    "WordLists",
    "WordNet",
    "WordVectors",
    "debian_packages",
    "load",
    "python_documentation",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AssociationWords": ".word_lists",
        "Clinc150": ".clinc150",
        "DebianPackages": ".packages",
        "Document": ".documentation",
        "FashionMNIST": ".fashion_mnist",
        "Graph": ".graphs",
        "KnowledgeGraph": ".wn18rr",
        "NAMES": ".sets",
        "Retrieval": ".retrieval",
        "STSB": ".stsb",
        "ScoredPairs": ".stsb",
        "Synset": ".synsets",
        "Utterances": ".clinc150",
        "WordLists": ".word_lists",
        "WordNet": ".wordnet",
        "WordVectors": ".glove",
        "debian_packages": ".packages",
        "load": ".sets",
        "python_documentation": ".documentation",
    },
)
