import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from nearfield.common.errors import MissingExtraError
from nearfield.evidence import Claim, Finding, Paper, Report, Setting, Verdict, registry, run_evidence

CLAIMS = (Claim("first"), Claim("second"), Claim("third"))


def _module(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    def measure(setting: Setting) -> Iterator[Finding]:
        yield Finding(CLAIMS[2], "measured", Verdict.of(True))
        if error is not None:
            raise error
        yield Finding(CLAIMS[0], "measured", Verdict.of(False, why="w"), {"quick": setting.quick})

    module = ModuleType("nearfield.evidence.made_up")
    module.PAPER, module.CLAIMS, module.measure = Paper("made_up", "Title", "here"), CLAIMS, measure
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "NAMES", ("made_up",))


def test_findings_come_in_the_order_of_the_claims(monkeypatch) -> None:
    _module(monkeypatch, None)
    report = run_evidence("made_up", Setting(quick=True))
    assert [finding.claim for finding in report.findings] == list(CLAIMS)
    assert [finding.verdict.kind for finding in report.findings] == ["does not hold here", "not run", "holds"]
    assert report.summary == "1 holds, 1 does not hold here, 1 not run"
    assert report.quick and report.findings[0].numbers == {"quick": True}
    assert Report.from_dict(report.to_dict()).findings == report.findings


@pytest.mark.parametrize("error", [FileNotFoundError("x.npy: put it there"), MissingExtraError("hnswlib", "bench")])
def test_what_is_missing_is_said_and_what_was_found_is_kept(monkeypatch, error) -> None:
    _module(monkeypatch, error)
    report = run_evidence("made_up", Setting())
    assert [finding.verdict.kind for finding in report.findings] == ["not run", "not run", "holds"]
    assert report.findings[0].verdict.reason == str(error)


def test_an_error_of_the_measurement_is_not_hidden(monkeypatch) -> None:
    _module(monkeypatch, ZeroDivisionError("bug"))
    with pytest.raises(ZeroDivisionError):
        run_evidence("made_up", Setting())


def test_an_unknown_paper_is_refused() -> None:
    with pytest.raises(ValueError, match=f"name: expected one of {registry.NAMES[0]}"):
        run_evidence("nonesuch", Setting())
