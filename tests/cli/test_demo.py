from __future__ import annotations

import json
from pathlib import Path

import pytest

from nearfield.store import Store

pytest.importorskip("wordllama", reason="needs nearfield[text]")


def test_all_stages_on_a_few_packages(run, tmp_path: Path) -> None:
    answer = run("demo", "--packages", "numpy,json,html,asyncio,email", "--store", "d.nf")
    assert answer.code == 0, answer.err
    stages = ("found ", "encoded ", "surveyed ", "stored ", "tuned ", "judged ", "left behind ")
    places = [answer.out.index(stage) for stage in stages]
    assert places == sorted(places)
    assert "? solve a system of linear equations\n" in answer.out
    assert answer.out.count("\n? ") == 6
    assert "? what should I cook for dinner with chicken and rice\n  nothing relevant (the nearest is" in answer.out
    with Store.open(tmp_path / "d.nf", read_only=True) as store:
        assert len(store) > 1000
        assert store.plan is not None
        assert store.verify(sample=100).ok
    hits = run("search", "d.nf", "decode JSON text", "--where", "package = 'json'", "--json").json["hits"]
    assert hits[0]["id"].startswith("json.")
    # An earlier demo is replaced.
    packages = "html,logging,csv,gzip,zipfile,tarfile,shutil"
    told = run("demo", "--packages", packages, "--store", "d.nf", "--json").json
    assert [len(told[name]) > 0 for name in ("survey", "plan", "judge", "seconds")] == [True] * 4
    assert len(told["questions"]) == 6 and told["questions"][5]["hits"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["d.nf"]
    assert run("search", "d.nf", "copy a file", "-k", 1, "--json").json["hits"][0]["id"].startswith("shutil.")


def test_what_is_no_demo_is_left_alone(run, tmp_path: Path) -> None:
    (tmp_path / "mine.nf").mkdir()
    answer = run("demo", "--packages", "json", "--store", "mine.nf")
    assert (answer.code, "exists already" in answer.err) == (2, True)


def test_too_little_or_unknown(run, tmp_path: Path) -> None:
    assert "at least 100 documented objects" in run("demo", "--packages", "json").err
    assert "no_such_package" in run("demo", "--packages", "no_such_package").err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_its_own_dependencies_document(command, tmp_path: Path) -> None:
    # Not all that is installed, as without --packages: beside other projects' tests that is many times as much.
    answer = command("demo", "--packages", "numpy,scipy,sklearn,sqlglot,pyarrow")
    assert answer.code == 0, answer.err
    found = int(answer.out.split()[1].replace(",", ""))
    assert found >= 4_000
    for name in ("numpy.linalg.solve(a, b)", "sklearn.ensemble.RandomForestClassifier", "scipy.spatial.KDTree"):
        assert name in answer.out
    assert "nothing relevant" in answer.out
    suggested = command("search", "nearfield-demo.nf", "translate SQL from one dialect to another", "--json")
    assert json.loads(suggested.out)["hits"][0]["id"].startswith("sqlglot.")
