"""MUVERA: one vector for a bag of vectors against the mean, per-token search and what is learnt, on token vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..common.ndcg import ndcg
from ..datasets import Retrieval, load
from ..datasets.sources import cache_folder
from ..encode import Bags, OnnxTokens
from ..index import (
    BagEncoding,
    FixedDimensionalEncoding,
    Flat,
    MeanEncoding,
    MultiVector,
    TokenSearch,
    choose_encoding,
    exact_maxsim,
)
from ..quantize import CentroidQuantizer, ProductQuantizer, ScalarQuantizer
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "muvera",
    "MUVERA: Multi-Vector Retrieval via Fixed Dimensional Encodings",
    "nearfield.index.FixedDimensionalEncoding as the candidates of nearfield.index.MultiVector, over MiniLM's tokens.",
)
MEAN = Claim("Among 100 candidates the encodings find as much of the ten best as the mean of as many dimensions.")
FEWER = Claim("For the same recall they need two to five times fewer candidates than a search by single vectors.")
AGREE = Claim("The more repetitions and cells, the better their products agree with MaxSim.")
SINGLE = Claim("For bags of one vector they are a sketch of the inner product, exact without projections.")
CODES = Claim("Product quantisation to a thirty-second of the bytes keeps their recall within two points.")
CHOSEN = Claim("What measurement chooses finds 0.95 of the ten best among 100 candidates with 400 bytes a document.")
FEWEST = Claim("For the same recall it needs two to five times fewer candidates than a search by single vectors.")
WHOLE = Claim("After exact MaxSim on 100 candidates nDCG@10 is at least 99% of that of a search over all documents.")
SHORT = Claim("Token codes of 32 bytes lose less than half a point of nDCG@10.")
CLAIMS = (MEAN, FEWER, AGREE, SINGLE, CODES, CHOSEN, FEWEST, WHOLE, SHORT)
DEPTHS = (50, 100)
GOALS = (0.8, 0.9, 0.95)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    papers = load("scifact")
    numbers = np.sort(np.random.default_rng(0).permutation(len(papers.queries))[: setting.pick(120, 20)])
    documents = _documents(papers, numbers, setting.pick(None, 250))
    bags, asked, seen = _tokens(papers, documents, numbers, setting)
    count = len(bags)
    whole = exact_maxsim(bags, asked, count)
    truth = whole.rows[:, :10]

    shares: dict[str, list[float]] = {}
    ranked: dict[str, np.ndarray] = {}
    plain = {"2,560": (16, 10, 16), "10,240": (32, 20, 16)}
    options: dict[str, BagEncoding] = {"mean": MeanEncoding(), "384": FixedDimensionalEncoding(16, 10, 16, final=384)}
    options |= {name: FixedDimensionalEncoding(*shape) for name, shape in plain.items()}
    options["mean and residuals"] = FixedDimensionalEncoding(16, 10, 16, residuals=True)
    options["residuals, learnt cells"] = FixedDimensionalEncoding(16, 4, 16, residuals=True, partition="kmeans")
    agreement = {}
    for name, encoding in options.items():
        rows, wanted = encoding.fit(bags).documents(bags), encoding.queries(asked)
        ranked[name] = Flat("ip").build(rows).search(wanted, count).rows
        shares[name] = [_share(ranked[name], truth, depth) for depth in DEPTHS]
        agreement[name] = _agreement(wanted @ rows.T, whole.rows, whole.distances)
        if name == "2,560":
            codes = Flat("ip", codec=ProductQuantizer(320)).build(rows)
            ranked["codes"] = codes.search(wanted, count).rows
            shares["codes"] = [_share(ranked["codes"], truth, depth) for depth in DEPTHS]
    told = "; ".join(f"{name} {share[0]:.3f}, {share[1]:.3f}" for name, share in shares.items() if name != "codes")
    text = f"Among 50 and 100 candidates: {told} ({count:,} abstracts, {len(bags.vectors):,} vectors)."
    why = "the encoder was trained to be averaged: the mean of 384 dimensions finds more than encodings of 2,560"
    verdict = Verdict.of(
        shares["384"][1] >= shares["mean"][1], in_part=shares["10,240"][1] >= shares["mean"][1], why=why
    )
    yield Finding(MEAN, text, verdict, shares)

    few = setting.pick(40, 10)
    for order_by in ("first", "sum"):
        tokens = MultiVector(TokenSearch(setting.pick(4000, 100), order=order_by)).build(bags)
        ranked[order_by] = tokens.candidate_rows(asked[:few], count - 1)  # all of them would not be ranked
    needed = {name: [_depth(ranked[name][:few], truth[:few], goal) for goal in (0.8, 0.9)] for name in ranked}
    gains = {name: [a / b for a, b in zip(needed["first"], needed[name], strict=True)] for name in needed}
    text = "Candidates for recall 0.8 and 0.9: " + "; ".join(f"{n} {a:,}, {b:,}" for n, (a, b) in needed.items())
    text += ". 'first' takes documents as any query vector meets them, 'sum' adds up what was found."
    best = gains["10,240"]
    why = f"{best[0]:.1f} and {best[1]:.1f} times fewer than 'first' with 10,240 dimensions"
    yield Finding(FEWER, text, Verdict.of(min(best) >= 2, in_part=max(best) >= 2, why=why), needed | {"gains": gains})

    shapes = ((4, 2), (4, 20), (32, 2), (32, 20))
    agreement["32 x 20"] = agreement["10,240"]
    for cells, repetitions in shapes[:3]:
        encoding = FixedDimensionalEncoding(cells, repetitions, 16).fit(bags)
        products = encoding.queries(asked) @ encoding.documents(bags).T
        agreement[f"{cells} x {repetitions}"] = _agreement(products, whole.rows, whole.distances)
    found = [agreement[f"{cells} x {repetitions}"] for cells, repetitions in shapes]
    text = "Mean correlation over documents, by cells x repetitions of 16 dimensions: "
    text += ", ".join(f"{name} {value:.3f}" for name, value in agreement.items() if " x " in name)
    text += f"; the mean {agreement['mean']:.3f}."
    rises = found[1] > found[0] and found[3] > found[2], found[2] > found[0] and found[3] > found[1]
    yield Finding(AGREE, text, Verdict.of(all(rises), in_part=any(rises), why="not in both"), agreement)

    ones = Bags(bags.vectors[:: max(1, len(bags.vectors) // 300)][:300], np.arange(301))
    products, errors = ones.vectors.astype(np.float32) @ ones.vectors.T.astype(np.float32), {}
    for name, shape in {"no projection": (16, 2, None), "4 x 16": (16, 4, 16), "16 x 16": (16, 16, 16)}.items():
        encoding = FixedDimensionalEncoding(*shape).fit(ones)
        errors[name] = float(np.abs(encoding.queries(ones) @ encoding.documents(ones).T - products).mean())
    text = "Mean error of a product: " + ", ".join(f"{name} {value:.1e}" for name, value in errors.items()) + "."
    falls = errors["16 x 16"] < 0.6 * errors["4 x 16"]
    exact = errors["no projection"] < 1e-5
    yield Finding(SINGLE, text, Verdict.of(exact and falls, in_part=exact, why="it does not fall as expected"), errors)

    text = f"2,560 dimensions in float32 {shares['2,560'][1]:.3f} among 100, in 320 bytes {shares['codes'][1]:.3f}."
    lost = shares["2,560"][1] - shares["codes"][1]
    yield Finding(CODES, text, Verdict.of(lost <= 0.02, why=f"it loses {100 * lost:.1f} points"), {"lost": lost})

    choice = choose_encoding(bags, seen[: setting.pick(200, 40)], recall=0.95, candidates=100, bytes=400)
    index = MultiVector(**choice.options(), codec=ScalarQuantizer(8)).build(bags, queries=seen)
    named = index.candidate_rows(asked, 100)
    share, size = _share(named, truth, 100), choice.chosen.bytes
    text = (
        f"{share:.3f} among 100, {_share(named, truth, 50):.3f} among 50, of queries that took no part in the choice, "
    )
    text += f"with {size} bytes: {choice.chosen.encoding!r}, {choice.chosen.index.codec!r}."
    verdict = Verdict.of(share >= 0.95, in_part=share > shares["mean"][1], why="it is less")
    yield Finding(CHOSEN, text, verdict, {"tried": [str(one) for one in choice.tried]})

    ranked["chosen"] = index.candidate_rows(asked[:few], count - 1)
    some = {
        name: [_depth(ranked[name][:few], truth[:few], goal) for goal in GOALS] for name in ("chosen", "first", "sum")
    }
    fewer = [a / b for a, b in zip(some["first"], some["chosen"], strict=True)]
    goals = ", ".join(f"{goal:g}" for goal in GOALS)
    text = f"Candidates for recall {goals}: " + "; ".join(
        f"{n} {', '.join(map(str, found))}" for n, found in some.items()
    )
    text += (
        f". Times fewer than 'first': {', '.join(f'{one:.2f}' for one in fewer)}; 'sum' has all but computed MaxSim."
    )
    why = f"it is {min(fewer):.2f} to {max(fewer):.2f} times"
    yield Finding(FEWEST, text, Verdict.of(min(fewer) >= 2, in_part=max(fewer) >= 2, why=why), {"needed": some})

    scores = {"all, exact": _ndcg(papers, whole.rows, documents, numbers)}
    scores["8 bits"] = _ndcg(papers, index.search(asked, 10).rows, documents, numbers)
    short = MultiVector(**choice.options(), codec=CentroidQuantizer(0.45, 2), means=ScalarQuantizer(8))
    short.build(bags, queries=seen)
    scores["32 bytes"] = _ndcg(papers, short.search(asked, 10).rows, documents, numbers)
    scores["one vector"] = _ndcg(papers, ranked["mean"], documents, numbers)
    told = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
    share = scores["8 bits"] / scores["all, exact"]
    text = f"nDCG@10 of {len(asked)} claims: {told} ({share:.1%} with 100 candidates and 8-bit tokens)."
    yield Finding(WHOLE, text, Verdict.of(share >= 0.99, why="it is less"), scores)

    if not setting.quick:  # these two searches are quick: all claims
        numbers, asked = np.arange(len(papers.queries)), _encoder(setting).encode(papers.queries)
    answers = [one.search(asked, 10).rows for one in (index, short)]
    both = [[_ndcg(papers, rows[[at]], documents, numbers[[at]]) for at in range(len(rows))] for rows in answers]
    losses = 100 * (np.array(both[0]) - np.array(both[1]))
    drawn = np.random.default_rng(0).integers(len(losses), size=(2000, len(losses)))
    (low, high), lost = np.quantile(losses[drawn].mean(axis=1), [0.025, 0.975]).tolist(), float(losses.mean())
    taken = short.memory()["tokens"]
    text = (
        f"{lost:.2f} points less than with 8 bits over {len(losses)} claims (95% of bootstrap samples: {low:.2f} to "
        f"{high:.2f}); a vector takes {taken / len(bags.vectors):.1f} bytes, a document {taken / count:,.0f}, with its "
        "mean in 8 bits and what the codecs learnt."
    )
    yield Finding(SHORT, text, Verdict.of(lost < 0.5, why="it is more"), {"lost": lost, "interval": [low, high]})


def _documents(papers: Retrieval, queries: np.ndarray, most: int | None) -> np.ndarray:
    """All documents, or ``most`` of them: those judged for the queries first."""
    if most is None:
        return np.arange(len(papers.documents))
    judged = {key for query in queries for key in papers.judgements[papers.query_ids[query]]}
    rank = np.array([key not in judged for key in papers.document_ids])
    return np.sort(np.argsort(rank, kind="stable")[:most])


def _tokens(papers: Retrieval, documents: np.ndarray, queries: np.ndarray, setting: Setting) -> tuple[Bags, Bags, Bags]:
    """Of the documents, of the queries, and of other claims to learn from."""
    encoder = _encoder(setting)
    texts = [papers.documents[row] for row in documents]
    made = encoder.encode(texts) if setting.quick else encoder.encode_once(texts, cache_folder() / "scifact_tokens.nfa")
    sample = load("scifact_train").queries[: setting.pick(None, 40)]
    return made, encoder.encode([papers.queries[row] for row in queries]), encoder.encode(sample)


def _encoder(setting: Setting) -> OnnxTokens:
    folder = Path(os.environ.get("NEARFIELD_MODELS", "models")) / "minilm"
    return OnnxTokens(folder, max_tokens=setting.pick(256, 32))


def _share(found: np.ndarray, truth: np.ndarray, depth: int) -> float:
    return float(np.mean([np.isin(right, row[:depth]).mean() for right, row in zip(truth, found, strict=True)]))


def _depth(found: np.ndarray, truth: np.ndarray, goal: float) -> int:
    """The fewest candidates among which the share is reached; all documents where it is not."""
    places = np.full(truth.shape, found.shape[1])
    for query, (right, row) in enumerate(zip(truth, found, strict=True)):
        place = {int(number): at for at, number in enumerate(row) if number >= 0}
        places[query] = [place.get(int(number), found.shape[1]) for number in right]
    return int(np.sort(places.ravel())[int(np.ceil(goal * places.size)) - 1]) + 1


def _agreement(products: np.ndarray, rows: np.ndarray, distances: np.ndarray) -> float:
    """Mean over queries of the correlation with MaxSim over documents."""
    sorted_ = np.take_along_axis(products, rows, axis=1)
    return float(np.mean([np.corrcoef(a, -b)[0, 1] for a, b in zip(sorted_, distances, strict=True)]))


def _ndcg(papers: Retrieval, rows: np.ndarray, documents: np.ndarray, queries: np.ndarray) -> float:
    ids = [papers.document_ids[row] for row in documents]
    return ndcg(rows[:, :10], ids, [papers.query_ids[row] for row in queries], papers.judgements)
