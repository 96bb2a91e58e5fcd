from __future__ import annotations

import pytest

from nearfield.datasets.source_files import SourceFile, read_source


def read(text: str, module: str = "pack.mod", is_package: bool = False) -> SourceFile:
    source = read_source(module, is_package, text.encode())
    assert source is not None
    return source


def test_docstrings_parameters_and_methods() -> None:
    source = read('''
"""The module."""
def plain(a, b=1, *rest, key, **more):
    """Does it."""
async def later(x: int) -> None: "Soon."
class Thing:
    """A thing."""
    def __init__(self, size): "Not listed."
    def _hidden(self): "Not listed."
    def bare(self): return 1
    def grow(self, by): "Grows."
    @staticmethod
    def make(kind): "Makes."
''')
    assert source.doc == "The module."
    assert source.definitions["plain"].signature == "a, b, *rest, key, **more"
    assert source.definitions["later"].doc == "Soon."
    thing = source.definitions["Thing"]
    assert (thing.kind, thing.signature) == ("class", "size")
    assert [(one.name, one.signature) for one in thing.methods] == [("grow", "by"), ("make", "kind")]


def test_the_first_documented_definition_of_a_name_wins() -> None:
    source = read("""
from typing import overload
@overload
def f(a: int): ...
def f(a): "Documented."
try:
    import fast
except ImportError:
    def g(): "Slow."
if True:
    def h(): "One."
else:
    def h(): "Two."
class C:
    @property
    def p(self): "Read."
    @p.setter
    def p(self, value): "Write."
""")
    assert {name: d.doc for name, d in source.definitions.items()} == {
        "f": "Documented.",
        "g": "Slow.",
        "h": "One.",
        "C": "",
    }
    assert [one.doc for one in source.definitions["C"].methods] == ["Read."]


@pytest.mark.parametrize(
    ("module", "is_package", "line", "expected"),
    [
        ("pack.mod", False, "from .other import f", {"f": ("pack.other", "f")}),
        ("pack", True, "from ._impl import f as g", {"g": ("pack._impl", "f")}),
        ("pack.sub.mod", False, "from ..x import y", {"y": ("pack.x", "y")}),
        ("pack.sub", True, "from . import z", {"z": ("pack.sub", "z")}),
        ("pack", True, "from far.away import w", {"w": ("far.away", "w")}),
    ],
)
def test_imports_are_made_absolute(module: str, is_package: bool, line: str, expected: dict) -> None:
    assert read(line, module, is_package).imports == expected


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("__all__ = ['a', 'b']", {"a", "b"}),
        ("__all__ = ('a',)\n__all__ += ['b']", {"a", "b"}),
        ("__all__ = [n for n in dir()]\n__all__ += ['b']", None),
        ("__all__ = ['a']\n__all__ += other.__all__", None),
        ("x = 1", None),
    ],
)
def test_all_is_believed_only_when_it_is_written_out(text: str, public: set[str] | None) -> None:
    assert read(text).public == public


def test_star_imports() -> None:
    assert read("from ._a import *\nfrom ._b import *", "pack", True).stars == ["pack._a", "pack._b"]


@pytest.mark.parametrize(
    "content", [b"def broken(:", b"\xff\xfe", b"x = '\\0\0'", b"print 'two'", b"(" * 500 + b")" * 500]
)
def test_broken_files_give_none(content: bytes) -> None:
    assert read_source("m", False, content) is None


def test_long_signatures_are_cut_between_names() -> None:
    source = read(f'def f({", ".join(f"parameter_{n}" for n in range(40))}): "Doc."')
    assert source.definitions["f"].signature.endswith(", ...")
    assert len(source.definitions["f"].signature) < 170
