from __future__ import annotations

from pathlib import Path

from nearfield.cli.source_folder import Folder


def test_files_passages_and_what_is_passed_over(tmp_path: Path) -> None:
    for name, text in {
        "b.txt": "Second.",
        "a.md": "First.",
        "sub/c.RST": "Third.",
        ".git/d.txt": "Hidden.",
        ".e.txt": "Hidden.",
        "f.py": "Code.",
        "empty.txt": "\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "long.txt").write_text("\n\n".join("word " * 100 for _ in range(3)))
    source = Folder(tmp_path)
    assert (source.rows, source.left_out) == (6, 1)
    chunks = list(source.chunks(4))
    assert [identifier for chunk in chunks for identifier in chunk.ids] == [
        "a.md", "b.txt", "long.txt", "long.txt#2", "long.txt#3", "sub/c.RST",
    ]  # fmt: skip
    assert chunks[0].payload[3]["line"] == 3
    assert chunks[1].texts[1] == "Third."
