from __future__ import annotations

import site
from collections.abc import Callable
from pathlib import Path

import pytest

from nearfield.datasets import Document, python_documentation

Install = Callable[[dict[str, str | bytes]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put source files into a folder that counts as an installation folder."""
    root = tmp_path / "site-packages"
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(root)])

    def put(sources: dict[str, str | bytes]) -> None:
        for name, content in sources.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return put


def collect(*packages: str) -> dict[str, Document]:
    return {document.id: document for document in python_documentation(packages)}


def test_private_homes_get_their_public_names(install: Install) -> None:
    install(
        {
            "zoo/__init__.py": '"""All the animals."""\nfrom ._cats import *\nfrom ._dogs import bark as woof, Dog',
            "zoo/_cats.py": '__all__ = ["purr"]\ndef purr(): "Make a soft sound."\ndef hiss(): "Not passed on here."',
            "zoo/_dogs.py": 'from ._deep import Dog\ndef bark(loud): "Make a loud sound."',
            "zoo/_deep.py": 'class Dog:\n  "A loyal friend."\n  def sit(self): "Go down and stay."',
            "zoo/birds.py": '"""Those with feathers."""\ndef sing(): "Sing a song."\ndef _flap(): "Hidden away."',
            "zoo/more/__init__.py": "from .._deep import Dog",
        }
    )
    assert sorted(collect("zoo")) == [
        "zoo",
        "zoo.Dog",
        "zoo.Dog.sit",
        "zoo.birds",
        "zoo.birds.sing",
        "zoo.purr",
        "zoo.woof",
    ]


def test_documents_say_what_they_are(install: Install) -> None:
    doc = "Give an :class:`~zoo.Animal` its ``food``. Daily.\n\n  Parameters\n  ----------\n  x\n"
    install({"zoo.py": f'def feedAnimal_now(animal, *, much=1):\n  """{doc}"""'})
    document = collect("zoo")["zoo.feedAnimal_now"]
    assert document.kind == "function"
    assert document.package == "zoo"
    assert document.signature == "(animal, much)"
    assert document.summary == "Give an zoo.Animal its food."
    assert document.text == "zoo feed Animal now: Give an zoo.Animal its food. Daily."
    assert document.n_chars > len(document.text)


def test_a_leading_copy_of_the_signature_is_dropped(install: Install) -> None:
    install({"zoo.py": 'def f(a, b):\n  """f(a, b=(1, 2)) -> int\n\n  Adds two numbers."""'})
    assert collect("zoo")["zoo.f"].text == "zoo f: Adds two numbers."


def test_titles_of_modules(install: Install) -> None:
    install(
        {
            "zoo/__init__.py": '"""\n====\nzoo\n====\n\nAnimals of all kinds."""',
            "zoo/a.py": '"""Tall ones\n=========\n\nGiraffes and such."""',
        }
    )
    found = collect("zoo")
    assert found["zoo"].summary == "Animals of all kinds."
    assert found["zoo.a"].text == "zoo a: Tall ones. Giraffes and such."


def test_a_function_hides_the_module_of_its_name(install: Install) -> None:
    install(
        {
            "zoo/__init__.py": "from .feed import feed",
            "zoo/feed.py": '"""The module about feeding."""\ndef feed(): "Give them some food."',
        }
    )
    assert collect("zoo")["zoo.feed"].kind == "function"


def test_what_cannot_be_read_or_is_not_for_readers_is_left_out(install: Install) -> None:
    good = 'def f(): "A good function."'
    install(
        {
            "zoo/__init__.py": good,
            "zoo/broken.py": "def f(:",
            "zoo/latin.py": b'"""caf\xe9 without a declared coding"""',
            "zoo/null.py": b"\0\0\0",
            "zoo/huge.py": f"{good}\nx = '{'a' * 1_100_000}'",
            "zoo/tests/test_f.py": good,
            "zoo/test_g.py": good,
            "zoo/_vendor/other.py": good,
            "zoo/circle_a.py": "from .circle_b import *",
            "zoo/circle_b.py": "from .circle_a import *",
            "zoo-1.0.dist-info/x.py": good,
            "zoo/short.py": 'def f(): "!!!"',
        }
    )
    (Path(site.getsitepackages()[0]) / "zoo" / "gone.py").symlink_to("nowhere.py")
    assert sorted(collect("zoo")) == ["zoo.f"]


def test_a_package_is_not_credited_with_others(install: Install) -> None:
    install({"zoo/__init__.py": "from json import loads\nfrom far import g", "far.py": 'def g(): "Far away function."'})
    assert sorted(collect("zoo", "far")) == ["far.g"]


def test_unknown_packages_are_refused() -> None:
    with pytest.raises(ValueError, match="no_such_package"):
        python_documentation(["json", "no_such_package"])


def test_the_real_libraries() -> None:
    found = collect("json", "numpy", "posixpath")
    assert {"json", "json.loads", "json.JSONDecoder.decode", "numpy.linalg.svd", "os.path.join"} <= found.keys()
    assert not any("._" in name for name in found)
    assert found["numpy.linalg.inv"].text == (
        "linalg inv: Compute the inverse of a matrix. Given a square matrix a, return the matrix ainv satisfying "
        "a @ ainv = ainv @ a = eye(a.shape[0])."
    )
    assert list(found) == sorted(found)


@pytest.mark.slow
def test_thousands_of_real_objects_each_named_once() -> None:
    documents = python_documentation(["numpy", "scipy", "sklearn"])
    assert len(documents) >= 2_500
    assert len({document.id for document in documents}) == len(documents)
    assert max(len(document.text) for document in documents) < 400
