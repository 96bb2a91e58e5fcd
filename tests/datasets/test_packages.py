import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from nearfield.datasets import DebianPackages, debian_packages
from nearfield.store import Filter

INDEX = """\
Package: nano
Version: 7
Installed-Size: 2871
Section: editors
Priority: important
Size: 690000
Tag: interface::text-mode, role::program,
 uitoolkit::ncurses
Description-en: small, friendly text editor
 GNU nano is an easy-to-use text editor.

Package: nano
Version: 8
Section: editors
Size: 700000
Description: small editor, newer

Package: bare
Description: nothing else is known

Package: silent
Section: misc
"""


@pytest.mark.parametrize("kind", ["", ".gz", ".xz"])
def test_an_index_is_read_whatever_packs_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"Packages{kind}"
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[kind]
    path.write_bytes(pack(INDEX.encode()))
    found = debian_packages(path)
    assert isinstance(found, DebianPackages) and found.names == ["bare", "nano"]
    assert found.texts[1] == "nano: small editor, newer" and found.attributes["size"] == [None, 700000]
    assert found.attributes["section"] == ["", "editors"] and set(found.attributes) == set(found.SCHEMA)
    path.write_bytes(pack(INDEX.partition("Package: nano\nVersion: 8")[0].encode()))
    assert "uitoolkit::ncurses" in debian_packages(path).attributes["tags"][0]


def test_the_variable_names_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "Packages"
    path.write_text(INDEX)
    monkeypatch.setenv("NEARFIELD_PACKAGES", str(path))
    assert len(debian_packages()) == 2
    monkeypatch.delenv("NEARFIELD_PACKAGES")
    for named in (None, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match="apt-cache dumpavail > Packages"):
            debian_packages(named)


def invented(n: int = 3000) -> DebianPackages:
    rng = np.random.default_rng(0)
    sections = [f"section{i}" for i in (rng.zipf(1.5, n) % 30)]
    tags = [", ".join(f"tag::{i}" for i in rng.integers(0, 40, 3)) for _ in range(n)]
    columns = {"section": sections, "priority": ["optional"] * n, "tags": tags}
    columns |= {name: rng.integers(10, 10_000, n).tolist() for name in ("size", "installed")}
    names = [f"package{i}" for i in range(n)]
    return DebianPackages(names, [f"{name}: text" for name in names], columns)


def test_conditions_pass_between_half_and_one_in_two_thousand() -> None:
    import pyarrow as pa

    packages = invented()
    texts = packages.conditions(60)
    assert len(set(texts)) == 60 and texts == packages.conditions(60) != packages.conditions(60, random_state=1)
    table = pa.table({name: packages.attributes[name] for name in packages.SCHEMA})
    shares = [Filter(text, packages.SCHEMA).mask(table).mean() for text in texts]
    assert 0.0005 <= min(shares) < 0.02 and 0.1 < max(shares) <= 0.5


def test_some_of_them() -> None:
    packages = invented(50)
    some = packages.take(np.array([3, 7]))
    assert some.names == ["package3", "package7"] and len(some.attributes["size"]) == len(some) == 2
