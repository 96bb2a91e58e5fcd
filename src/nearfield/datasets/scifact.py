"""SciFact: scientific claims and the abstracts that speak to them."""

from __future__ import annotations

from .retrieval import Retrieval, load_retrieval, read_jsonl
from .sources import Source, find

_ADVICE = (
    "BEIR's copy is https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/scifact.zip; unpack it, its "
    "folder scifact has the files under these names (the judgements as qrels/test.tsv)."
)


def load() -> Retrieval:
    """5,183 abstracts, the 300 test claims of BEIR and their 339 judgements."""
    return load_retrieval("scifact", _ADVICE)


def other_claims() -> list[str]:
    """Claims that are not among the 300 of the test: samples of queries to learn from, without answers.

    From the claims for training and development of the original set, where they are there, else those of BEIR's queries
    that have no test judgements; none where neither is at hand.
    """
    asked = set(load().queries)
    training = Source("scifact/claims_train_dev.jsonl")
    source = training if find(training) else Source("scifact/queries.jsonl", advice=_ADVICE)
    texts = [str(line.get("claim", line.get("text"))) for line in read_jsonl(source)]
    return [text for text in dict.fromkeys(texts) if text not in asked]
