"""One door to all sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

from ..common.checks import check_choice
from . import clinc150, cranfield, fashion_mnist, glove, graphs, scifact, stsb, wn18rr, word_lists, wordnet
from .clinc150 import Clinc150
from .fashion_mnist import FashionMNIST
from .glove import WordVectors
from .graphs import Graph
from .retrieval import Retrieval
from .stsb import STSB
from .wn18rr import KnowledgeGraph
from .word_lists import WordLists
from .wordnet import WordNet

_LOADERS: dict[str, Callable[[], Any]] = {
    "blogcatalog": graphs.blogcatalog,
    "clinc150": clinc150.load,
    "cora": graphs.cora,
    "cranfield": cranfield.load,
    "email_eu": graphs.email_eu,
    "fashion_mnist": fashion_mnist.load,
    "glove": glove.load,
    "scifact": scifact.load,
    "scifact_train": scifact.train,
    "stsb": stsb.load,
    "word_lists": word_lists.load,
    "wn18rr": wn18rr.load,
    "wordnet": wordnet.load,
}
NAMES = tuple(_LOADERS)


@overload
def load(name: Literal["clinc150"]) -> Clinc150: ...
@overload
def load(name: Literal["cranfield", "scifact", "scifact_train"]) -> Retrieval: ...
@overload
def load(name: Literal["fashion_mnist"]) -> FashionMNIST: ...
@overload
def load(name: Literal["glove"]) -> WordVectors: ...
@overload
def load(name: Literal["stsb"]) -> STSB: ...
@overload
def load(name: Literal["word_lists"]) -> WordLists: ...
@overload
def load(name: Literal["blogcatalog", "cora", "email_eu"]) -> Graph: ...
@overload
def load(name: Literal["wn18rr"]) -> KnowledgeGraph: ...
@overload
def load(name: Literal["wordnet"]) -> WordNet: ...


def load(name: str) -> Any:
    """Load a data set by its name.

    ================= ============================================================== =====================
    name              what                                                           returns
    ================= ============================================================== =====================
    ``blogcatalog``   10,312 bloggers, their friends and 39 groups                   :class:`Graph`
    ``clinc150``      22,500 requests to an assistant, 150 intents, 1,200 about      :class:`Clinc150`
                      none of them
    ``cora``          2,708 papers, their citations, fields and words                :class:`Graph`
    ``cranfield``     1,400 abstracts of aerodynamics, 225 queries, judgements       :class:`Retrieval`
    ``email_eu``      1,005 people, who wrote to whom, and 42 departments            :class:`Graph`
    ``fashion_mnist`` 70,000 images of clothes as vectors of 784 pixels              :class:`FashionMNIST`
    ``glove``         400,000 words with vectors of 50 dimensions                    :class:`WordVectors`
    ``scifact``       5,183 abstracts of medicine, 300 claims, judgements, MiniLM    :class:`Retrieval`
                      vectors
    ``scifact_train`` the same abstracts, 537 claims that cite none of a test        :class:`Retrieval`
                      claim's
    ``stsb``          8,628 pairs of sentences with a score of likeness              :class:`STSB`
    ``word_lists``    WEAT, gender, analogies and likeness: what is asked of word    :class:`WordLists`
                      vectors
    ``wn18rr``        93,003 relations of eleven kinds between 40,943 synonym sets   :class:`KnowledgeGraph`
    ``wordnet``       117,659 MiniLM vectors of glosses, and 6,000 queries from      :class:`WordNet`
                      another world
    ================= ============================================================== =====================

    Files are taken from ``$NEARFIELD_DATA``, then from the cache (``~/.cache/nearfield``), then downloaded from the
    set's public home into the cache, with a checksum.

    Raises
    ------
    ValueError
        There is no set of that name.
    FileNotFoundError
        A file is not here and cannot be downloaded; says where to get it, or how it is made, and where to put it.
    CorruptFileError
        A file is damaged, or a download's checksum differs.

    Examples
    --------
    >>> from nearfield.datasets import load
    >>> pairs = load("stsb").test                    # doctest: +SKIP
    >>> pairs.first[0], pairs.second[0], float(pairs.score[0])    # doctest: +SKIP
    ('A girl is styling her hair.', 'A girl is brushing her hair.', 2.5)
    >>> try:
    ...     load("mnist")
    ... except ValueError as error:
    ...     print(str(error)[-13:])
    , got 'mnist'
    """
    return _LOADERS[check_choice(name, "name", NAMES)]()
