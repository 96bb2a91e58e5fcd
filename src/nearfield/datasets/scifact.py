"""SciFact: scientific claims and the abstracts that speak to them."""

from __future__ import annotations

import re

from .retrieval import Retrieval, load_retrieval, read_jsonl
from .sources import Source, damage_named, obtain

_ADVICE = (
    "BEIR's copy is https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/scifact.zip; unpack it, its "
    "folder scifact has the files under these names (the judgements as qrels/test.tsv)."
)
_CLAIMS = Source(
    "scifact/claims_train_dev.jsonl",
    advice="The claims of the training and development parts, one JSON object a line with id, claim and "
    "cited_doc_ids, as https://huggingface.co/datasets/allenai/scifact (configuration 'claims') has them.",
)


def load() -> Retrieval:
    """5,183 abstracts, the 300 test claims of BEIR and their 339 judgements."""
    return load_retrieval("scifact", _ADVICE)


def train() -> Retrieval:
    """The same abstracts with claims to learn from: those of the training part that cite no abstract of a test claim.

    Many claims of the two parts are negations of each other about the same abstract; what was fitted to one would know
    the answer of the other.
    """
    test = load()
    there = set(test.document_ids)
    tested = {document for grades in test.judgements.values() for document in grades}
    claims: dict[str, str] = {}
    judgements: dict[str, dict[str, int]] = {}
    lines = read_jsonl(_CLAIMS)
    with damage_named(obtain(_CLAIMS)):
        for found in lines:
            cited = re.findall(r"\d+", str(found["cited_doc_ids"]))
            if not cited or not there.issuperset(cited) or tested.intersection(cited):
                continue
            # A claim comes once for every piece of evidence, and some come twice under two ids.
            key = claims.setdefault(str(found["claim"]), str(found["id"]))
            judgements.setdefault(key, {}).update(dict.fromkeys(cited, 1))
    ids = list(claims.values())
    return Retrieval("scifact", test.document_ids, test.documents, ids, list(claims), judgements, "train_queries")
