import json
import subprocess
import sys

import numpy as np
import pytest

from nearfield.index import Flat, Graph
from nearfield.tune import Recipe

RECIPES = [
    Recipe("flat", bits=32),
    Recipe("flat", bits=16),
    Recipe("flat", bits=8, rescore="vectors", candidates=40),
    Recipe("flat", pca=6, bits=4, rescore=16, candidates=50),
    Recipe("graph", bits=8, beam=32),
    Recipe("graph", bits=4, rescore=8, degree=16, build_beam=50, beam=40, candidates=40),
    Recipe("graph", pca=8, bits=8, rescore=32, beam=40, candidates=40),
    Recipe("graph", bits=8, degree=32, beam=40, alpha=1.1, layout="fast"),
]


@pytest.fixture(scope="module")
def rows():
    x = np.random.default_rng(0).standard_normal((400, 12)) * np.arange(1, 13) ** -0.7 + 0.2
    return x.astype(np.float32)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_recipe_builds_and_searches_what_it_says(recipe, metric, rows):
    index = recipe.make(metric).build(rows)
    assert isinstance(index, Flat if recipe.kind == "flat" else Graph)
    assert index.metric.name == metric
    exact = Flat(metric).build(rows).search(rows[:30], 5)
    found = index.search(rows[:30], 5, **recipe.search_settings())
    assert (found.rows[:, :, None] == exact.rows[:, None, :]).any(2).mean() > 0.9
    if recipe.kind == "graph":
        links = (index.degree, index.build_beam, index.alpha, index.layout)
        assert links == (recipe.degree, recipe.build_beam, recipe.alpha, recipe.layout)
    if recipe.pca is not None:
        assert index.transform.center == (metric == "l2")
        assert index.transform.n_components_ == recipe.pca


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_json_round_trip_and_hash(recipe):
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe and hash(again) == hash(recipe)


def test_text_names_what_matters_and_differs():
    assert len({str(recipe) for recipe in RECIPES}) == len(RECIPES)
    assert str(RECIPES[3]) == "flat scan of 4-bit codes of 6 components, rescored by half floats, 50 candidates"
    assert str(RECIPES[5]) == "graph of 4-bit codes, rescored by 8-bit codes, degree 16, beam 40"


def test_recipes_of_an_older_version_are_read():
    old = {"kind": "graph", "pca": None, "bits": 8, "rescore": None, "degree": 32, "build_beam": 100, "beam": 32}
    assert Recipe.from_dict({**old, "candidates": None}) == Recipe("graph", beam=32)


def test_links_are_shared_by_recipes_that_differ_in_rescoring_and_width_alone():
    recipe = Recipe("graph", bits=4)
    assert recipe.links == Recipe("graph", bits=4, rescore="vectors", beam=50, candidates=50).links
    others = [Recipe("graph"), Recipe("graph", bits=4, layout="fast"), Recipe("graph", bits=4, alpha=1.1)]
    others += [Recipe("graph", bits=4, pca=8), Recipe("graph", bits=4, degree=16), Recipe("flat", bits=4)]
    assert len({recipe.links, *(other.links for other in others)}) == 7


def test_search_settings_leave_defaults_alone():
    assert Recipe("graph").search_settings() == {}
    assert Recipe("flat", beam=9, candidates=9).search_settings() == {}
    assert RECIPES[2].search_settings() == {"candidates": 40}
    assert [recipe.exact for recipe in RECIPES] == [True] + [False] * 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "ivf"),
        ("bits", 5),
        ("bits", True),
        ("rescore", 4),
        ("rescore", "codes"),
        ("pca", 0),
        ("beam", 0),
        ("candidates", -1),
        ("degree", 1),
        ("build_beam", 0),
        ("alpha", 0.5),
        ("layout", "wide"),
    ],
)
def test_bad_fields_are_named(field, value):
    with pytest.raises(ValueError, match=f"{field}: expected"):
        Recipe(**{field: value})


def test_reading_recipes_and_plans_loads_nothing_slow():
    code = "import sys; from nearfield.tune import Plan, Recipe; Recipe(pca=3); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_bad_types_and_unknown_fields():
    with pytest.raises(TypeError, match="beam: expected"):
        Recipe(beam=1.5)
    with pytest.raises(ValueError, match="got also \\['lists'\\]"):
        Recipe.from_dict({"kind": "flat", "lists": 3})
