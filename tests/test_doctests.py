"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import nearfield
from nearfield.common.errors import MissingExtraError

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(nearfield.__path__, "nearfield.")
    if not info.name.endswith((".__main__", "._core"))
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("NEARFIELD_PROGRESS", "0")
    try:
        module = importlib.import_module(name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for example in finder.find(module, name, globs=vars(module).copy()):
        report: list[str] = []
        runner.run(example, out=report.append)
        assert not report, "".join(report)
