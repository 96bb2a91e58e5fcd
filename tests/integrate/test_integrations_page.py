"""The snippets of ``docs/integrations.md`` run one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

for package, extra in (("langchain_core", "langchain"), ("llama_index.core", "llama-index"), ("haystack", "haystack")):
    pytest.importorskip(package, reason=f"needs nearfield[{extra}]")

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"


def test_the_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(snippets) == 5
    for snippet in snippets:
        exec(compile(snippet, str(PAGE), "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} >= {"langchain.nf", "llama.nf", "haystack.nf", "own.nf"}
