"""Observatory: eight properties of tables, and which encoders of columns have them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ..encode import WordLlama
from ..survey import (
    column_order_invariance,
    context_stability,
    dependency_consistency,
    entity_stability,
    join_correlation,
    row_order_invariance,
    sample_fidelity,
    schema_robustness,
)
from ..survey.tables import Encode
from . import columns, material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "observatory",
    "Observatory: Characterizing Embeddings of Relational Tables",
    "nearfield.survey.row_order_invariance and seven measures beside it, each with its interval.",
)
ORDER = Claim("A mean of cells scores 1.000 for the order of rows and of columns; a column read as text scores below.")
JOINS = Claim("Vectors of columns follow the values they share: Spearman with containment of 0.7 or more.")
DEPENDENCY = Claim("A functional dependency is told from a broken one in 90% of draws or more, for vectors of cells.")
FIDELITY = Claim("Sample fidelity rises with the share of rows read.")
ENTITIES = Claim("Two encoders agree on some neighbours of an entity, far above chance, and not on all.")
NAMES = Claim("Other names for columns move the vectors of encoders that read names, and of no others.")
CONTEXT = Claim("The rest of the table moves the vector of a column only where the encoder reads it.")
CLAIMS = (ORDER, JOINS, DEPENDENCY, FIDELITY, ENTITIES, NAMES, CONTEXT)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    world = columns.world(setting.pick(1_000, 120))
    tables = columns.cut(world, setting.pick(24, 4), setting.pick(60, 15))
    words, sentences = columns.Cells(WordLlama()), columns.Cells(material.minilm())
    encoders = {
        "mean of cells (wordllama)": columns.mean_of_cells(words),
        "mean of cells (MiniLM)": columns.mean_of_cells(sentences),
        "text of the column (MiniLM)": columns.serialised(sentences),
        "text with the table's names (MiniLM)": columns.in_table(sentences),
    }
    means, texts = list(encoders)[:2], list(encoders)[2:]
    few = tables[: setting.pick(6, 2)]
    rows = {n: row_order_invariance(e, few, permutations=3).value for n, e in encoders.items()}
    order = {n: column_order_invariance(e, few, permutations=3).value for n, e in encoders.items()}
    text = f"Order of rows: {_list(rows)}; of columns: {_list(order)}."
    exact = all(min(rows[name], order[name]) > 0.9995 for name in means)
    holds = exact and all(rows[name] < 0.9995 for name in texts) and order[texts[1]] < 0.9995
    yield Finding(ORDER, text, Verdict.of(holds, in_part=exact, why="a text encoder keeps it too"), {"rows": rows})

    joins = {name: join_correlation(encode, tables) for name, encode in encoders.items()}
    found = {name: joined.value for name, joined in joins.items()}
    inside = {name: _within(encode, tables, "name") for name, encode in encoders.items()}
    text = f"Pairs of columns of {len(tables)} tables cut from one: {_list(found)}. Among the columns of names alone: "
    most = max(found.values())
    why = f"over columns of all kinds at most {most:.2f}, since most pairs share nothing and are alike or not by kind"
    verdict = Verdict.of(min(found.values()) >= 0.7, in_part=max(most, *inside.values()) >= 0.7, why=why)
    yield Finding(JOINS, f"{text}{_list(inside)}.", verdict, {"all": found, "names": inside})

    told, apart = {}, {}
    for name, cells in (("wordllama", words), ("MiniLM", sentences)):
        draws = [_dependency(columns.each_cell(cells), world, seed) for seed in range(setting.pick(40, 4))]
        told[name] = float(np.mean([kept > broken for kept, broken in draws]))
        apart[name] = np.median(draws, axis=0).round(3).tolist()
    text = "; ".join(f"{n} {told[n]:.0%} (median {apart[n][0]:.2f} kept, {apart[n][1]:.2f} broken)" for n in told)
    text = f"Country and continent of 150 cities, a tenth of the continents dealt out anew in the broken one: {text}."
    yield Finding(DEPENDENCY, text, Verdict.of(min(told.values()) >= 0.9, why="fewer draws"), told)

    curves = {n: sample_fidelity(e, few, draws=2).arrays["curve"].tolist() for n, e in encoders.items()}
    falls = [name for name, curve in curves.items() if (np.diff(curve) <= 0).any()]
    text = "; ".join(f"{name} {' '.join(f'{value:.2f}' for value in curve)}" for name, curve in curves.items())
    text = f"From 5, 10, 25, 50 and 75% of the rows: {text}."
    verdict = Verdict.of(not falls, in_part=len(falls) < len(curves), why=f"not for {', '.join(falls)}")
    yield Finding(FIDELITY, text, verdict, curves)

    things = world["name"].to_pylist()
    shared = entity_stability(*(cells(things).astype(np.float32) for cells in (words, sentences)))
    text = f"Of the 10 nearest of {len(things):,} city names wordllama and MiniLM share {shared.value:.0%} "
    text += f"({shared.interval_text()}); by chance {shared.parts['chance']:.1%}."
    holds = 5 * shared.parts["chance"] < shared.value < 0.9
    yield Finding(
        ENTITIES, text, Verdict.of(holds, why="less than five times chance, or nearly all"), dict(shared.parts)
    )

    named = {n: schema_robustness(e, few, columns.RENAMED).value for n, e in encoders.items()}
    holds = min(named[name] for name in means) > 0.9995 and max(named[name] for name in texts) < 0.9995
    yield Finding(NAMES, f"{_list(named)}.", Verdict.of(holds, why="names count otherwise"), named)

    context = {n: context_stability(e, few).value for n, e in encoders.items()}
    free, reads = [context[name] for name in list(encoders)[:3]], context[texts[1]]
    yield Finding(CONTEXT, f"{_list(context)}.", Verdict.of(min(free) > 0.9995 > reads, why="not so"), context)


def _within(encode: Encode, tables: list[pa.Table], column: str) -> float:
    """Joins among columns of one kind, where the kind of a column gives nothing away."""
    return join_correlation(encode, [table.select([column]) for table in tables]).value


def _dependency(encode: Encode, world: pa.Table, seed: int) -> tuple[float, float]:
    """The measure on a dependency that holds, and on the same rows with a tenth of its values dealt out anew."""
    rng = np.random.default_rng(seed)
    table = world.take(rng.permutation(world.num_rows)[:150]).select(["country", "continent"])
    values = np.array(table["continent"].to_pylist())
    moved = rng.permutation(len(values))[: len(values) // 10]
    values[moved] = rng.choice(values, len(moved))
    broken = table.set_column(1, "continent", pa.array(values.tolist()))
    kept, lost = (dependency_consistency(encode, t, "country", "continent").value for t in (table, broken))
    return kept, lost


def _list(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())
