from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import nearfield as nf


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert nf.__version__ == project["project"]["version"]


@pytest.mark.parametrize("name", nf.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(nf, name) is not None
    assert name in dir(nf)


def test_unknown_names_are_said() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Shop'"):
        _ = nf.Shop


ORDERS = (
    "import nearfield as nf",
    "import nearfield.survey, nearfield.tune; import nearfield as nf",
    "from nearfield.tune import tune; from nearfield.survey import effective_rank; import nearfield as nf",
    "import nearfield as nf; nf.survey; nf.tune; import nearfield.survey.rank, nearfield.tune.plan",
)


@pytest.mark.parametrize("order", ORDERS)
def test_two_rooms_can_be_called_however_they_were_imported(order: str) -> None:
    code = (
        f"{order}\nimport numpy as np\nx = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)\n"
        "print(nf.survey(x)['effective_rank'].value > 1, nf.tune(x, recall=0.9).met, nf.survey.Survey.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True True Survey\n", done.stderr


def test_the_readmes_day(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    with nf.Store.create(tmp_path / "papers.nf", dim=16) as store:
        store.add(np.arange(200), vectors)
        assert store.search(vectors[5], k=1).ids == [5]
