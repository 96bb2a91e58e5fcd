"""Every evidence file, run quickly: it must speak to each of its claims, or say what it lacks."""

import importlib

import pytest

from nearfield.evidence import Setting, registry, run_evidence


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_file_has_its_paper_and_distinct_claims(name: str) -> None:
    module = importlib.import_module(f"nearfield.evidence.{name}")
    assert module.PAPER.key == name and len(module.PAPER.title) > 20 and module.PAPER.here.startswith("nearfield.")
    assert len({claim.text for claim in module.CLAIMS}) == len(module.CLAIMS) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.NAMES)
def test_a_quick_run_speaks_to_every_claim(name: str) -> None:
    report = run_evidence(name, Setting(quick=True))
    claims = list(importlib.import_module(f"nearfield.evidence.{name}").CLAIMS)
    assert [finding.claim for finding in report.findings] == claims
    missing = [finding for finding in report.findings if finding.verdict.kind == "not run"]
    for finding in missing:
        assert any(word in finding.verdict.reason for word in ("put", "install", "make"))
    if len(missing) == len(claims):
        pytest.skip(missing[0].verdict.reason)
    assert all(finding.measured for finding in report.findings if finding not in missing)
