"""SciFact: scientific claims and the abstracts that speak to them."""

from __future__ import annotations

from .retrieval import Retrieval, load_retrieval

_ADVICE = (
    "BEIR's copy is https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/scifact.zip; unpack it, its "
    "folder scifact has the files under these names (the judgements as qrels/test.tsv)."
)


def load() -> Retrieval:
    """5,183 abstracts, the 300 test claims of BEIR and their 339 judgements."""
    return load_retrieval("scifact", _ADVICE)
