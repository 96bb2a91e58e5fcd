"""Cranfield: the first test collection of retrieval, abstracts of aerodynamics from the 1960s."""

from __future__ import annotations

from .retrieval import Retrieval, load_retrieval

_ADVICE = (
    "The classic collection is at http://ir.dcs.gla.ac.uk/resources/test_collections/cran/; convert it to corpus.jsonl "
    "(id, title, text), queries.jsonl (id, text; numbered 1 to 225 in their order) and qrels.tsv (a header line, then "
    "query id, document id, relevance, separated by tabs)."
)


def load() -> Retrieval:
    """1,400 abstracts, 225 queries, 1,837 judgements."""
    return load_retrieval("cranfield", _ADVICE)
