import pytest

from nearfield.evidence import Claim, Finding, Setting, Verdict


@pytest.mark.parametrize("kind", ["holds in part", "does not hold here", "not run"])
def test_all_but_holds_need_a_reason(kind: str) -> None:
    with pytest.raises(ValueError, match="reason: expected a reason"):
        Verdict(kind)
    assert str(Verdict(kind, "because")) == f"{kind}: because"


def test_other_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="kind: expected one of 'holds'"):
        Verdict("perhaps")


def test_the_verdict_of_a_measurement() -> None:
    assert Verdict.of(True, in_part=True, why="never told") == Verdict("holds")
    assert Verdict.of(False, in_part=True, why="w").kind == "holds in part"
    assert Verdict.of(False, why="w").kind == "does not hold here"
    with pytest.raises(ValueError, match="reason"):
        Verdict.of(False)


def test_a_finding_survives_json() -> None:
    import json

    finding = Finding(Claim("c"), "m", Verdict.of(False, why="w"), {"n": [1.5, 2]})
    assert Finding.from_dict(json.loads(json.dumps(finding.to_dict()))) == finding


def test_quick_picks_the_small_size() -> None:
    assert Setting().pick(9, 1) == 9 and Setting(quick=True).pick(9, 1) == 1
