"""Filters beside pyarrow: a small run through the command."""

import argparse
import json

from nearfield.bench import add_arguments, filters, run


def test_a_small_run_writes_both_files(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["filters", "--quick", "--out", str(tmp_path)])) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "quick" / "filters.md")
    result = json.loads((tmp_path / "quick" / "filters.json").read_text())
    assert set(result["filters"]) == set(filters.FILTERS) and result["rows"] == 20_000
    assert all(0 < found["share"] < 1 for label, found in result["filters"].items() if "equality" not in label)
    text = (tmp_path / "quick" / "filters.md").read_text()
    assert "| equality, 1 byte |" in text and "| place | places |" in text
