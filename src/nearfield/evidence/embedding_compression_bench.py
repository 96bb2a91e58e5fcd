"""One memory budget for every codec: which budgets each can fill, how quality falls, and what is best where."""

from __future__ import annotations

from collections.abc import Iterator

from ..tune import Compression, compress
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "embedding_compression_bench",
    "Experimental Analysis of Large-scale Learnable Vector Storage Compression",
    "nearfield.tune.compress: fourteen ways to store vectors that are given, with components or truncation before "
    "them. The paper's methods for tables that are trained (hashing, compositional and tensor-train tables, pruning) "
    "are not part of it, so what it says of the smallest budgets is not measured here.",
)
BUDGETS = (0.5, 0.25, 0.1, 0.05, 0.02, 0.01)
FILLS = Claim("Every method comes within 5% of every budget from 0.5 to 0.01 of float32.")
FALLS = Claim("Quality falls with the budget, that of the best method and that of each.")
NUMBERS = Claim("At mild ratios (0.5 and 0.25) quantising each number is best.")
SMALL = Claim("From 0.05 down the best is one codeword for many numbers; fewer dimensions alone are never best.")
NO_ONE = Claim("No method is the best at every budget.")
CLAIMS = (FILLS, FALLS, NUMBERS, SMALL, NO_ONE)
_OF_NUMBERS = ("float16", "scalar", "rotated", "recurrent")
_OF_PARTS = ("product", "residual", "low-rank", "variance")


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base, queries = material.wordnet(None, setting.pick(500, 50))
    sample = setting.pick(6_000, 300)
    budgets = setting.pick(BUDGETS, (0.25, 0.05))
    found = {share: compress(base, memory=share, queries=queries, sample=sample, progress=False) for share in budgets}

    trials = [(one.memory, result.budget, one.hit) for result in found.values() for one in result.trials]
    filled, over = sum(hit for *_, hit in trials), sum(memory > budget for memory, budget, _ in trials)
    pairs = sum(len(result.trials) + len(result.missed) for result in found.values())
    text = (
        f"Of {pairs} pairs of a method and a budget {filled} are within 5%, {len(trials) - filled} are smaller because "
        f"the method cannot use more or its rows grow in steps, {pairs - len(trials)} are refused with a reason, "
        f"{over} are larger."
    )
    yield Finding(FILLS, text, Verdict.of(filled == pairs, in_part=not over, why="not where its rows end"))

    best = {share: result.best.loss.recall for share, result in found.items()}
    falls = list(best.values()) == sorted(best.values(), reverse=True)
    rises = [name for name in _methods(found) if not _falling(found, name)]
    shown = "; ".join(f"{share:g}: {result.best.method} {best[share]:.3f}" for share, result in found.items())
    text = f"Best recall@10 by share of float32 ({next(iter(found.values())).measured_rows:,} glosses): {shown}."
    verdict = Verdict.of(falls and not rises, in_part=falls, why=f"not of {', '.join(rises)}")
    yield Finding(FALLS, text, verdict, _table(found))

    mild = {share: result.best.method for share, result in found.items() if share >= 0.25}
    of_numbers = [name.startswith(_OF_NUMBERS) for name in mild.values()]
    text = "Best at " + ", ".join(f"{share:g}: {name}" for share, name in mild.items()) + "."
    yield Finding(NUMBERS, text, Verdict.of(all(of_numbers), in_part=any(of_numbers), why="others find more"))

    small = {share: result.best.method for share, result in found.items() if share <= 0.05}
    of_parts = [name in _OF_PARTS for name in small.values()]
    fewer = {share: _recall(found[share], "float16") for share in small}
    text = "Best at " + ", ".join(f"{share:g}: {name}" for share, name in small.items())
    text += "; half floats over components: " + ", ".join(f"{share:g}: {r:.3f}" for share, r in fewer.items()) + "."
    yield Finding(SMALL, text, Verdict.of(all(of_parts), in_part=any(of_parts), why="not at every one"))

    first = [result.best.method for result in found.values()]
    text = f"{len(set(first))} methods are best at one budget or another: {', '.join(dict.fromkeys(first))}."
    yield Finding(NO_ONE, text, Verdict.of(len(set(first)) > 1, why="one is best everywhere"))


def _recall(result: Compression, method: str) -> float:
    return next((trial.loss.recall for trial in result.trials if trial.method == method), float("nan"))


def _methods(found: dict[float, Compression]) -> list[str]:
    return list(dict.fromkeys(trial.method for result in found.values() for trial in result.trials))


def _falling(found: dict[float, Compression], method: str) -> bool:
    recalls = [_recall(result, method) for result in found.values() if method not in result.missed]
    return recalls == sorted(recalls, reverse=True)


def _table(found: dict[float, Compression]) -> dict[str, dict[str, float]]:
    return {
        f"{share:g}": {trial.method: round(trial.loss.recall, 4) for trial in result.trials}
        for share, result in found.items()
    }
