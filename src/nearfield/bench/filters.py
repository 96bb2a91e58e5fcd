"""Filters on coded columns beside the same filters by pyarrow's compute functions: rows a second, one thread.

The rows are made up: ten million of them with the kinds of columns that Debian's packages have, so that codes of one,
two and four bytes, cells, lists and places all occur. Both evaluations give the same rows, which every run checks; they
take turns, and the best of several passes counts. Nothing is remembered between passes.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import machine

SCHEMA = {
    "section": "string",
    "year": "int",
    "size": "int",
    "owner": "string",
    "name": "string",
    "tags": "strings",
    "place": "geo",
}
FILTERS = {
    "equality, 1 byte": "section = 's07'",
    "equality, 2 bytes": "owner = 'o12345'",
    "equality, 4 bytes": "name = 'n0000777'",
    "range, 1 byte": "year >= 2010",
    "range, 2 bytes": "owner between 'o10000' and 'o19999'",
    "range, cells": "size between 1000 and 50000",
    "in 10, 1 byte": "section in ('s01','s03','s05','s07','s09','s11','s13','s15','s17','s19')",
    "in 10, 2 bytes": "owner in ('o00001','o00010','o00100','o00500','o01000','o05000','o10000','o12345','o2','o3')",
    "like, 2 bytes": "owner like '%77%'",
    "conjunction": "section = 's07' and year >= 2010 and size < 20000",
    "and, or, not": "(section = 's07' or owner < 'o00100') and not (year in (2001, 2003, 2005) or size > 1000000)",
    "list contains": "contains(tags, 't003')",
    "circle": "within(place, 52.5, 13.4, 100)",
}
PASSES = 5


def make_table(rows: int, random_state: int = 0) -> Any:
    """An Arrow table of made-up packages."""
    import pyarrow as pa

    rng = np.random.default_rng(random_state)

    def words(letter: str, width: int, numbers: np.ndarray) -> Any:
        names = pa.array([f"{letter}{number:0{width}d}" for number in range(int(numbers.max()) + 1)], pa.large_string())
        return names.take(pa.array(numbers))

    def skewed(count: int, size: int) -> np.ndarray:
        return np.minimum((count * rng.random(size) ** 2).astype(np.int64), count - 1)

    lengths = rng.integers(0, 6, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    towns = np.stack([rng.uniform(-60, 70, 500), rng.uniform(-180, 180, 500)], axis=1)
    towns[0] = (52.5, 13.4)
    at = towns[skewed(500, rows)] + rng.normal(0, 0.3, (rows, 2))
    lat, lon = np.clip(at[:, 0], -90, 90), (at[:, 1] + 180) % 360 - 180
    return pa.table(
        {
            "section": words("s", 2, skewed(60, rows)),
            "year": pa.array(rng.integers(1995, 2026, rows), mask=rng.random(rows) < 0.01),
            "size": pa.array(rng.lognormal(10, 2, rows).astype(np.int64)),
            "owner": words("o", 5, skewed(40_000, rows)),
            "name": words("n", 7, rng.permutation(rows) // 4),
            "tags": pa.LargeListArray.from_arrays(pa.array(offsets), words("t", 3, skewed(300, int(offsets[-1])))),
            "place": pa.StructArray.from_arrays([pa.array(lat), pa.array(lon)], ["lat", "lon"]),
        }
    )


def measure_filters(rows: int, passes: int = PASSES) -> dict[str, Any]:
    """Time every filter both ways; rates in million rows a second."""
    import pyarrow as pa

    from .. import native
    from ..store import Filter
    from ..store.columns import code_column
    from ..store.programs import evaluate

    table = make_table(rows)
    columns, coding = {}, {}
    for name in SCHEMA:
        start = time.perf_counter()
        columns[name] = code_column(table.column(name))
        coding[name] = {
            "form": columns[name].form,
            "bytes": sum(array.nbytes for array in [columns[name].codes, *columns[name].arrays.values()]) / rows,
            "seconds": time.perf_counter() - start,
        }
    threads, results = pa.cpu_count(), {}
    pa.set_cpu_count(1)
    try:
        for label, where in FILTERS.items():
            condition = Filter(where, SCHEMA)
            tree = condition.tree
            assert tree is not None
            best = {"codes": np.inf, "arrow": np.inf}
            for _ in range(passes):
                start = time.perf_counter()
                words = evaluate(tree, columns, lambda: table, rows, threads=1)
                middle = time.perf_counter()
                mask = condition.mask(table)
                best["arrow"] = min(best["arrow"], time.perf_counter() - middle)
                best["codes"] = min(best["codes"], middle - start)
            if not np.array_equal(native.unpack_bits(words, rows), mask):
                raise AssertionError(f"{where}: codes and pyarrow give different rows")
            results[label] = {"where": where, "share": float(mask.mean())} | {
                f"{way}_million_rows_per_second": rows / seconds / 1e6 for way, seconds in best.items()
            }
    finally:
        pa.set_cpu_count(threads)
    start = time.perf_counter()
    for _ in range(passes):
        native.count_bits(words & words)
    joining = (time.perf_counter() - start) / passes
    return {"rows": rows, "coding": coding, "filters": results, "mask_million_rows_per_second": rows / joining / 1e6}


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    lines = [
        "# Filters on coded columns",
        "",
        f"{result['rows']:,} made-up rows, one thread, {where['simd']}; {where['cpu']['model']}, {where['date']}, load "
        f"{where['load'][0]} at the start. Million rows a second, best of {PASSES}; pyarrow evaluates the same filter "
        "on the same columns in turn, and gives the same rows.",
        "",
        "| filter | passes | codes | pyarrow | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for label, found in result["filters"].items():
        codes, arrow = (found[f"{way}_million_rows_per_second"] for way in ("codes", "arrow"))
        lines.append(f"| {label} | {100 * found['share']:.2f}% | {codes:,.0f} | {arrow:,.0f} | {codes / arrow:.0f} |")
    lines += [
        "",
        "A remembered mask is joined with the living rows and counted at "
        f"{result['mask_million_rows_per_second']:,.0f} million rows a second.",
        "",
        "| column | form | bytes a row | coded, million rows a second |",
        "| --- | --- | ---: | ---: |",
    ]
    for name, found in result["coding"].items():
        rate = result["rows"] / found["seconds"] / 1e6
        lines.append(f"| {name} | {found['form']} | {found['bytes']:.2f} | {rate:.1f} |")
    return "\n".join([*lines, ""])


def run_filters(out: Path, *, rows: int = 10_000_000) -> Path:
    """Measure, write ``filters.json`` and ``filters.md`` under ``out``, return the Markdown file."""
    result: dict[str, Any] = {"machine": machine.describe()} | measure_filters(rows)
    out.mkdir(parents=True, exist_ok=True)
    (out / "filters.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "filters.md").write_text(markdown(result))
    return out / "filters.md"
