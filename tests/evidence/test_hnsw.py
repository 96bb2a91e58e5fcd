import pytest

from nearfield.evidence import Setting, run_evidence
from nearfield.evidence.hnsw import CLAIMS


@pytest.mark.slow
def test_a_quick_run_speaks_to_every_claim() -> None:
    report = run_evidence("hnsw", Setting(quick=True))
    assert [finding.claim for finding in report.findings] == list(CLAIMS)
    missing = [finding for finding in report.findings if finding.verdict.kind == "not run"]
    assert all(
        "put" in f.verdict.reason or "install" in f.verdict.reason or "make" in f.verdict.reason for f in missing
    )
    if len(missing) == len(CLAIMS):
        pytest.skip(missing[0].verdict.reason)
    assert all(finding.measured for finding in report.findings if finding not in missing)
