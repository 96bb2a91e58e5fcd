from __future__ import annotations

import pytest

from nearfield.common import Progress


@pytest.mark.parametrize("enabled", [True, False])
def test_counts(enabled: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("working", total=3, enabled=enabled) as bar:
        bar.update(1)
        bar.update(2)
    assert bar.done == 3
    assert ("working" in capsys.readouterr().err) == enabled


def test_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("working", total=1) as bar:
        bar.update(1)
    assert capsys.readouterr().err == ""
