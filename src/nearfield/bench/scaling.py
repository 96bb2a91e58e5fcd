"""Scaling: what a batch gains from a second thread, beside what the machine gives to two processes that share nothing.

Two processes hold the same index. Round after round one answers a batch on one thread, then on two, then both answer it
on one thread each. The first ratio is the gain; the last is the machine's own: what two cores that share a cache, a
memory bus and a power budget do where software shares nothing at all. Ratios are taken within a round, so a machine
that is slower for a while is slower on both sides; what is reported is their median and quartiles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..common.progress import remark
from . import data, machine
from .peers import choose_peers
from .runner import Worker, laid_out

NAMES = ("nearfield-8bit", "nearfield-8bit+slack", "nearfield-fast", "nearfield-fast+slack", "nearfield-leanest")
BEAMS = (20, 80, 320)
ROUNDS = 9
SECONDS = 0.25


def measure_scaling(
    workload: data.Workload, names: Sequence[str], beams: Sequence[int], rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """One line of figures for each configuration, kind of query and beam."""
    with laid_out(workload) as folder:
        for name in names:
            (peer,) = choose_peers([name])
            with ExitStack() as stack:
                log = stack.enter_context(open(folder / "log", "wb"))
                job: dict[str, Any] = {"peer": name, "parameters": peer.parameters, "folder": str(folder)}
                job |= {"metric": workload.metric, "build_threads": 2, "k": data.K}
                pair = []
                for _ in range(2):
                    pair.append(Worker(peer, job, log, 900.0))
                    stack.callback(pair[-1].close)
                    pair[-1].receive()
                for queries in workload.queries:
                    for beam in beams:
                        command = {"task": "measure", "queries": queries, "beam": beam, "seconds": seconds}
                        ratios = np.array([_round(pair, command) for _ in range(rounds)])
                        line: dict[str, Any] = {"queries": queries, "peer": name, "beam": beam}
                        for column, kind in enumerate(("threads", "processes")):
                            line[kind] = np.quantile(ratios[:, column], (0.25, 0.5, 0.75)).tolist()
                        yield line


def _round(pair: Sequence[Worker], command: dict[str, Any]) -> tuple[float, float]:
    alone = [worker.ask(command | {"threads": 1})["rate"] for worker in pair]
    both = pair[0].ask(command | {"threads": 2})["rate"]
    for worker in pair:
        worker.begin(command | {"threads": 1})
    together = [worker.receive()["rate"] for worker in pair]
    return both / alone[0], sum(rate / own for rate, own in zip(together, alone, strict=True))


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    processor = f"{where['cpu']['model']}, {where['cores']} cores"
    lines = [
        "# Scaling",
        "",
        f"Batches of 1,000 queries, recall@{data.K} at three beams. *Two threads*: their rate over that of one. "
        "*Two processes*: the summed rate of two that share nothing, over each alone: the machine's own limit. Medians "
        f"of {result['rounds']} rounds with quartiles. {processor}, {where['date']}, "
        f"load {where['load'][0]} at the start.",
        "",
    ]
    ratios = {kind: np.array([line[kind][1] for line in result["lines"]]) for kind in ("threads", "processes")}
    for kind, values in ratios.items():
        lines.append(
            f"- two {kind}: {values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}, "
            f"{(values >= 1.9).sum()} of {len(values)} at 1.9 or more"
        )
    share = ratios["threads"] / ratios["processes"]
    lines += [f"- threads over processes: {share.min():.2f} to {share.max():.2f}, mean {share.mean():.2f}", ""]
    lines += ["| queries | index | beam | two threads | two processes |", "| --- | --- | ---: | --- | --- |"]
    for line in result["lines"]:
        cells = [f"{line[kind][1]:.2f} ({line[kind][0]:.2f} to {line[kind][2]:.2f})" for kind in ratios]
        lines.append(f"| {line['queries']} | {line['peer']} | {line['beam']} | {cells[0]} | {cells[1]} |")
    return "\n".join([*lines, ""])


def run_scaling(out: Path, *, quick: bool = False) -> Path:
    """Measure both data sets, write ``scaling.json`` and ``.md`` to ``out``; returns the Markdown."""
    names, beams, rounds, seconds = (NAMES[:1], BEAMS[:1], 1, 0.02) if quick else (NAMES, BEAMS, ROUNDS, SECONDS)
    result: dict[str, Any] = {"machine": machine.describe(), "rounds": rounds, "lines": []}
    for make in data.WORKLOADS.values():
        for line in measure_scaling(make(5000 if quick else None, data.HELD_OUT), names, beams, rounds, seconds):
            result["lines"].append(line)
            remark(f"{line['queries']} {line['peer']} {line['beam']}: {line['threads'][1]:.2f}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "scaling.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "scaling.md").write_text(markdown(result))
    return out / "scaling.md"
