"""What a browser loads, and the headers that fence it in."""

from __future__ import annotations

import gzip
import re

from nearfield.serve.page.files import FOLDER, HEADERS, page_files, plotly


def test_every_file_is_there_and_packed() -> None:
    files = page_files()
    assert {"index.html", "style.css", "js/main.js", "icon.svg"} <= set(files)
    assert len(files) == sum(path.is_file() for path in FOLDER.rglob("*"))
    for file in files.values():
        assert gzip.decompress(file.packed) == file.plain


def test_what_the_page_names_is_there() -> None:
    files = page_files()
    for page in ("index.html", "reference.html"):
        for name in re.findall(r'(?:href|src)="page/([^"]+)"', files[page].plain.decode()):
            assert name in files or name == "home"
    for name, file in files.items():
        if name.endswith(".js"):
            for other in re.findall(r'(?:from |import\()"\./([^"]+)"', file.plain.decode()):
                assert f"js/{other}" in files, f"{name} imports {other}"


def test_no_script_of_ours_parses_html_or_makes_code() -> None:
    for name, file in page_files().items():
        text = file.plain.decode()
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
        ):
            assert word not in text, f"{name} says {word}"
        if name.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", text)


def test_nothing_comes_from_elsewhere() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy and "http" not in policy and "default-src 'none'" in policy
    for name, file in page_files().items():
        found = set(re.findall(r"https?://[^\s\"'`)<]+", file.plain.decode()))
        assert found <= {"http://www.w3.org/2000/svg"}, f"{name} names {found}"


def test_plotly_comes_out_of_its_package() -> None:
    assert b"plotly.js v" in plotly().plain[:200]
