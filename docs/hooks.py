"""What the site adds to docs/: a page for each report in bench/results, under Benchmarks; what it leaves out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "bench" / "results"


def _reports() -> list[Path]:
    return sorted(RESULTS.glob("*.md"))


def on_config(config: Any) -> Any:
    """Put the reports into the navigation, behind the page that lists them."""
    for entry in config.nav:
        if "Benchmarks" in entry:
            entry["Benchmarks"] = [
                {"Overview": "benchmarks.md"},
                *({_title(path): _address(path)} for path in _reports()),
            ]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the reports and their pictures."""
    from mkdocs.structure.files import File

    for path in [*_reports(), *sorted(RESULTS.glob("*.png"))]:
        files.append(File.generated(config, _address(path), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leave out what pages say to the test of their snippets (tests/docs/test_snippets.py)."""
    return re.sub(r"^<!-- (?:setup|not run):.*?-->\n", "", markdown, flags=re.MULTILINE | re.DOTALL)


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _address(path: Path) -> str:
    return f"benchmarks/{path.name}"
