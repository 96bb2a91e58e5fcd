import argparse
import json

import pytest

from nearfield.evidence import Claim, Finding, Paper, Report, Verdict, add_arguments, registry, run


def _parse(text: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(text.split())


@pytest.fixture
def measured(monkeypatch) -> None:
    def made_up(name, setting) -> Report:
        finding = Finding(Claim("c"), "m", Verdict.of(False, why="w"))
        return Report(Paper(name, f"Title of {name}", "here"), (finding,), 0.1, "2026-01-02", setting.quick)

    monkeypatch.setattr(registry, "run_evidence", made_up)


def test_papers_are_listed(capsys) -> None:
    assert run(_parse("--list")) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(registry.NAMES)
    assert run(_parse("--list --json rankme")) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["rankme"]


def test_an_unknown_paper_is_refused(capsys) -> None:
    assert run(_parse("nonesuch")) == 2
    assert "'nonesuch'" in capsys.readouterr().err


def test_a_claim_that_does_not_hold_is_no_failure(measured, capsys) -> None:
    assert run(_parse("rankme")) == 0
    assert "does not hold here: w" in capsys.readouterr().out


def test_json_has_all(measured, capsys) -> None:
    assert run(_parse("rankme pca_rag --json --quick")) == 0
    assert [report["paper"]["key"] for report in json.loads(capsys.readouterr().out)] == ["rankme", "pca_rag"]


def test_the_page_is_written_from_what_is_kept(measured, tmp_path, capsys) -> None:
    run(_parse(f"rankme --out {tmp_path}/kept"))
    assert run(_parse(f"hnsw --out {tmp_path}/kept --write {tmp_path}/docs/evidence.md")) == 0
    text = (tmp_path / "docs" / "evidence.md").read_text()
    assert text.index("Title of hnsw") < text.index("Title of rankme")
    (tmp_path / "docs" / "evidence.md").unlink()
    assert run(_parse(f"--kept --out {tmp_path}/kept --write {tmp_path}/docs/evidence.md")) == 0
    assert "Title of hnsw" in (tmp_path / "docs" / "evidence.md").read_text()
