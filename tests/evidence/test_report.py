from nearfield.evidence import Claim, Finding, Paper, Report, Verdict
from nearfield.evidence.report import keep, kept, page, print_report

FINDINGS = (
    Finding(Claim("A | B is small."), "0.5 of 1.", Verdict.of(True)),
    Finding(Claim("C is large."), "", Verdict("not run", "no data")),
)
REPORT = Report(Paper("rankme", "RankMe: a title", "nearfield.survey."), FINDINGS, 12.3, "2026-01-02", False)


def test_the_page_has_every_claim_and_verdict() -> None:
    text = page([REPORT])
    assert "| A \\| B is small. | 0.5 of 1. | **holds** |" in text
    assert "| C is large. |  | **not run**: no data |" in text
    assert "[RankMe: a title](#rankme) | 2 | 1 holds, 1 not run |" in text
    assert "Measured 2026-01-02 in 12 s." in text and "quick" not in text


def test_a_quick_run_is_marked(capsys) -> None:
    quick = Report(REPORT.paper, FINDINGS, 1.0, "2026-01-02", True)
    assert "A quick run" in page([quick])
    print_report(quick)
    assert "verdicts mean nothing" in capsys.readouterr().out


def test_reports_are_kept_in_the_order_of_the_papers(tmp_path) -> None:
    keep(REPORT, tmp_path / "e")
    other = Report(Paper("hnsw", "HNSW: a title", "nearfield.index."), (), 1.0, "2026-01-02", False)
    keep(other, tmp_path / "e")
    assert kept(tmp_path / "e") == [other, REPORT]


def test_the_terminal_shows_claim_measurement_and_verdict(capsys) -> None:
    print_report(REPORT)
    text = capsys.readouterr().out
    assert "A | B is small." in text and "measured: 0.5 of 1." in text and "not run: no data" in text
