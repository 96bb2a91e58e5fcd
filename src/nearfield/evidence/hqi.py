"""HQI: batches of vectors with conditions share conditions and distances, over a layout learnt from past queries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import packaged
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "hqi",
    "High-Throughput Vector Similarity Search in Knowledge Graphs",
    "nearfield.Store.search_many and optimize(workload=...); in memory, beside our own filtered search one by one.",
)
SAME = Claim("A batch finds what an exact scan under each query's condition finds: recall@10 of at least 0.95.")
FASTER = Claim("A skewed batch takes at most a tenth of the time of the same queries one by one.")
PAPERS = Claim("Over a layout learnt from the past workload, a batch runs 31 times as fast.")
SHARING = Claim("Sharing conditions and distances alone makes a batch at least 5 times as fast.")
FEWER = Claim("At recall 0.95, lists within learnt leaves read at least 3 times fewer rows than one set of lists.")
UNSEEN = Claim("Conditions that were never seen are answered with recall@10 of at least 0.95 as well.")
CLAIMS = (SAME, FASTER, PAPERS, SHARING, FEWER, UNSEEN)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    world = packaged.load(*setting.pick((20_000, 64, 2000), (3000, 20, 100)))
    with tempfile.TemporaryDirectory(prefix="nearfield-hqi-") as folder:
        plain, learnt = packaged.make_stores(world, Path(folder))
        with plain, learnt:
            yield from _measured(world, plain, learnt, setting)


def _measured(
    world: packaged.World, plain: packaged.Store, learnt: packaged.Store, setting: Setting
) -> Iterator[Finding]:
    masks, where, queries = world.masks(world.texts), world.where(world.asked), world.queries
    shares = masks.mean(axis=1)[world.asked]
    found = [
        packaged.recall(store.search_many(queries, 10, where=where).distances, world, world.asked, masks)
        for store in (plain, learnt)
    ]
    text = (
        f"Recall {found[0]:.4f} without and {found[1]:.4f} with a partition, over {len(queries):,} queries of "
        f"{len(world.vectors):,} packages under {len(masks)} conditions that pass {shares.mean():.1%} on average."
    )
    yield Finding(SAME, text, Verdict.of(min(found) >= 0.95, why="too few are found"))

    rounds = setting.pick(3, 1)
    alone = packaged.seconds(
        lambda: [plain.search(q, 10, where=w) for q, w in zip(queries, where, strict=True)], rounds
    )
    times = {
        "without a partition": alone / packaged.seconds(lambda: plain.search_many(queries, 10, where=where), rounds),
        "with one": alone / packaged.seconds(lambda: learnt.search_many(queries, 10, where=where), rounds),
    }
    text = ", ".join(f"{value:.1f} times as fast {name}" for name, value in times.items())
    text = f"{text[0].upper()}{text[1:]}; one by one a query takes {1e6 * alone / len(queries):,.0f} microseconds."
    best = max(times.values())
    why = "one by one is fast already: what passes is scanned exactly, and few rows pass"
    yield Finding(FASTER, text, Verdict.of(best >= 10, in_part=best >= 5, why=why), times)
    yield Finding(PAPERS, text, Verdict.of(times["with one"] >= 31, in_part=times["with one"] >= 5, why=why), times)
    sharing = times["without a partition"]
    yield Finding(SHARING, text, Verdict.of(sharing >= 5, in_part=sharing >= 2, why="it is less"), times)

    looked = packaged.looked_at(world, masks, 0.95)
    text = "; ".join(
        f"{name}: {read:,.0f} rows in the lists that are read, {compared:,.0f} vectors compared, recall {reached:.3f}"
        for name, (read, compared, reached) in looked.items()
    )
    flat, leaves = (looked[name] for name in ("one set of lists", "lists within leaves"))
    verdict = Verdict.of(flat[0] >= 3 * leaves[0], in_part=flat[0] > leaves[0], why="fewer, but not by that much")
    yield Finding(FEWER, f"{text}.", verdict, dict(looked))

    texts = world.packages.conditions(len(masks), random_state=1)
    unseen = world.masks(texts)
    hits = learnt.search_many(queries, 10, where=[texts[number] for number in world.asked])
    reached = packaged.recall(hits.distances, world, world.asked, unseen)
    text = f"Recall {reached:.4f} under {len(set(texts) - set(world.texts))} other conditions."
    yield Finding(UNSEEN, text, Verdict.of(reached >= 0.95, why="too few are found"), {"recall": reached})
