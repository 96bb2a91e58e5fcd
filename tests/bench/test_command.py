import argparse
import json
from pathlib import Path

import pytest

from nearfield.bench import add_arguments, run


def _parse(text: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(text.split())


def test_batches_need_an_index_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEARFIELD_PACKAGES", raising=False)
    with pytest.raises(FileNotFoundError, match="apt-cache dumpavail"):
        run(_parse(f"many --quick --out {tmp_path}"))


def test_what_is_compared_can_be_listed(capsys) -> None:
    assert run(_parse("peers --list --peers hnswlib,nearfield-8bit")) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["nearfield-8bit", "hnswlib"]
    assert run(_parse("peers --list --peers hnswlib --json")) == 0
    assert [(peer["name"], peer["package"]) for peer in json.loads(capsys.readouterr().out)] == [("hnswlib", "hnswlib")]


@pytest.mark.parametrize("text", ["peers --peers nobody", "peers --data nothing"])
def test_a_wrong_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        run(_parse(text))


@pytest.mark.parametrize("text", ["", "peers --threads 0", "peers --threads ,", "peers --threads x"])
def test_wrong_arguments_are_refused(text: str, capsys) -> None:
    with pytest.raises(SystemExit):
        _parse(text)


def test_a_report_of_nothing_says_so(tmp_path, capsys) -> None:
    assert run(_parse(f"report --out {tmp_path}")) == 0
    assert "No results yet" in (tmp_path / "peers.md").read_text()
    assert capsys.readouterr().out.strip() == str(tmp_path / "peers.md")
    assert run(_parse(f"report --out {tmp_path} --json")) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "peers.json").read_text())
