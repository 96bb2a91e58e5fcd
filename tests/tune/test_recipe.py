import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from nearfield.index import IVF, Flat, Graph
from nearfield.quantize import RotatedQuantizer
from nearfield.store import Store
from nearfield.transform import PCA, LinearMap, Subspace
from nearfield.transform.chain import linear_map
from nearfield.tune import Plan, Recipe, tune

RECIPES = [
    Recipe("flat", bits=32),
    Recipe("flat", bits=16),
    Recipe("flat", bits=8, rescore="vectors", candidates=40),
    Recipe("flat", pca=6, bits=4, rescore=16, candidates=50),
    Recipe("graph", bits=8, beam=32),
    Recipe("graph", bits=4, rescore=8, degree=16, build_beam=50, beam=40, candidates=40),
    Recipe("graph", pca=8, bits=8, rescore=32, beam=40, candidates=40),
    Recipe("graph", bits=8, degree=32, beam=40, alpha=1.1, layout="fast"),
    Recipe("graph", bits=8, beam=90, slack=True, slack_from=5),
    Recipe("graph", leanvec=8, bits=4, rotated=True, rescore=8, beam=90, slack=0.1, candidates=40, queries=True),
    Recipe("ivf", bits=8, lists=20, probes=15),
    Recipe("ivf", bits=1, rotated=True, rescore="vectors", probes=40, candidates=200),
    Recipe("flat", bits=2, rotated=True, rescore=16, candidates=100),
    Recipe("graph", bits=8, beam=40, alpha=1.1, layout="fast", link_bits=4, link_dims=12),
]
KINDS = {"flat": Flat, "graph": Graph, "ivf": IVF}


@pytest.fixture(scope="module")
def rows():
    x = np.random.default_rng(0).standard_normal((400, 12)) * np.arange(1, 13) ** -0.7 + 0.2
    return x.astype(np.float32)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_recipe_builds_and_searches_what_it_says(recipe, metric, rows):
    index = recipe.make(metric).build(rows, queries=rows[:100] if recipe.queries else None)
    assert type(index) is KINDS[recipe.kind]
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
    if recipe.leanvec is not None:
        assert index.transform.n_components_ == recipe.leanvec and index.transform.n_queries_ == 100
    assert isinstance(index.codec, RotatedQuantizer) == recipe.rotated


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_json_round_trip_and_hash(recipe):
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe and hash(again) == hash(recipe)


def test_text_names_what_matters_and_differs():
    assert len({str(recipe) for recipe in RECIPES}) == len(RECIPES)
    assert str(RECIPES[3]) == "flat scan of 4-bit codes of 6 components, rescored by half floats, 50 candidates"
    assert str(RECIPES[5]) == "graph of 4-bit codes, rescored by 8-bit codes, degree 16, beam 40"
    assert str(RECIPES[8]) == "graph of 8-bit codes, beam 90 with slack"
    assert str(RECIPES[11]) == "lists of 1-bit rotated codes, rescored by the vectors, 40 probes"


def test_recipes_of_an_older_version_are_read():
    old = {"kind": "graph", "pca": None, "bits": 8, "rescore": None, "degree": 32, "build_beam": 100, "beam": 32}
    assert Recipe.from_dict({**old, "candidates": None}) == Recipe("graph", beam=32)


def test_links_are_shared_by_recipes_that_differ_in_rescoring_and_width_alone():
    recipe = Recipe("graph", bits=4)
    assert recipe.links == Recipe("graph", bits=4, rescore="vectors", beam=50, candidates=50).links
    others = [Recipe("graph"), Recipe("graph", bits=4, layout="fast"), Recipe("graph", bits=4, alpha=1.1)]
    others += [Recipe("graph", bits=4, pca=8), Recipe("graph", bits=4, degree=16), Recipe("flat", bits=4)]
    others += [Recipe("graph", bits=4, rotated=True), Recipe("graph", bits=4, queries=True)]
    others += [Recipe("graph", bits=4, leanvec=8), Recipe("graph", bits=4, link_bits=1)]
    assert len({recipe.links, *(other.links for other in others)}) == 11
    assert recipe.links == Recipe("graph", bits=4, slack=True).links


def test_search_settings_leave_defaults_alone():
    assert Recipe("graph").search_settings() == {}
    assert Recipe("flat", beam=9, candidates=9).search_settings() == {}
    assert RECIPES[2].search_settings() == {"candidates": 40}
    assert [recipe.exact for recipe in RECIPES] == [True] + [False] * 13
    assert RECIPES[8].search_settings() == {"beam": 90, "slack": 90 / 1200, "slack_from": 5}
    assert RECIPES[9].search_settings() == {"beam": 90, "slack": 0.1, "candidates": 40}
    assert RECIPES[10].search_settings() == {"probes": 15}
    assert Recipe("graph", slack=False, slack_from=10).search_settings() == {}
    assert RECIPES[8].search_settings(filtered=True) == {"beam": 60}
    assert RECIPES[9].search_settings(filtered=True) == {"beam": 90, "candidates": 40}
    assert RECIPES[5].search_settings(filtered=True) == RECIPES[5].search_settings()


def test_a_width_is_what_each_kind_makes_of_it():
    assert Recipe("graph").with_width(20, 10) == Recipe("graph", beam=20)
    assert Recipe("graph", rescore=8).with_width(20, 10) == Recipe("graph", rescore=8, beam=20, candidates=20)
    assert Recipe("flat", rescore=8).with_width(20, 10) == Recipe("flat", rescore=8, candidates=20)
    assert Recipe("flat").with_width(20, 10) == Recipe("flat") and not Recipe("flat").has_width
    paired = Recipe("graph", rescore=8, slack=True).with_width(20, 10)
    assert paired == Recipe("graph", rescore=8, slack=True, beam=30, candidates=20, slack_from=10)
    assert paired.search_settings() == {"beam": 30, "slack": 0.025, "slack_from": 10, "candidates": 20}
    fixed = Recipe("graph", slack=0.1).with_width(20, 10)
    assert fixed == Recipe("graph", slack=0.1, beam=20, slack_from=10)
    assert Recipe("ivf").with_width(20, 10) == Recipe("ivf", probes=20)
    lean = Recipe("ivf", bits=1, rotated=True, rescore=8)
    assert lean.with_width(20, 10) == replace(lean, probes=20, candidates=160)
    assert replace(lean, candidates=50).with_width(20, 10) == replace(lean, probes=20, candidates=50)
    for recipe in (Recipe("graph", slack=True), Recipe("graph"), lean, Recipe("flat", rescore=8)):
        assert recipe.with_width(33, 10).width == 33


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "tree"),
        ("bits", 2),
        ("slack", -1.0),
        ("slack_from", 0),
        ("lists", 0),
        ("probes", 0),
        ("leanvec", 0),
        ("link_bits", 5),
        ("link_dims", 0),
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
    with pytest.raises(TypeError, match="rotated: expected True or False"):
        Recipe(rotated=1)
    with pytest.raises(ValueError, match=r"bits: expected one of \(8, 4, 2, 1\), got 32"):
        Recipe(rotated=True, bits=32)
    with pytest.raises(ValueError, match="leanvec: expected None beside pca=3"):
        Recipe(pca=3, leanvec=3)
    with pytest.raises(ValueError, match="got also \\['trees'\\]"):
        Recipe.from_dict({"kind": "flat", "trees": 3})


def fitted_map():
    x = np.random.default_rng(0).standard_normal((300, 12)).astype(np.float32) * np.arange(1, 13, dtype=np.float32)
    return make_pipeline(Subspace(1, center=False), PCA(6, center=False)).fit(x), x


def test_a_map_of_its_own_is_kept_and_told_apart():
    pipeline, _ = fitted_map()
    recipe = Recipe("flat", bits=8, rescore="vectors", candidates=40, transform=pipeline)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe and hash(again) == hash(recipe)
    other = Recipe("flat", bits=8, rescore="vectors", candidates=40, transform=LinearMap(np.eye(12)))
    assert other != recipe and other.codes != recipe.codes
    assert "after a map to 6 dimensions" in str(recipe) and not recipe.exact


def test_an_index_and_a_store_are_built_after_it(tmp_path):
    pipeline, x = fitted_map()
    recipe = Recipe("graph", bits=8, rescore="vectors", transform=pipeline)
    plan = tune(x, metric="l2", recall=0.8, recipes=[recipe])
    assert plan.recipe.transform == linear_map(pipeline)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    with Store.create(tmp_path / "s.nf", dim=12, metric="l2") as store:
        store.add(list(range(300)), x)
        assert store.optimize(recall=0.8, recipes=[recipe]).recipe.transform == recipe.transform
        before = store.search(x[5], k=3).distances
    with Store.open(tmp_path / "s.nf") as store:
        assert store.stats()["plan"] and (store.search(x[5], k=3).distances == before).all()
        assert store.search(x[5], k=1).ids == [5] and store.verify().ok


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"transform": PCA(2)}, ValueError, "a fitted one"),
        ({"transform": "pca"}, TypeError, "expected a LinearMap"),
        ({"transform": LinearMap(np.eye(3)), "pca": 2}, ValueError, "beside pca=2"),
        ({"transform": {"matrix": 3}}, ValueError, "'shape' and 'float32'"),
    ],
)
def test_bad_maps_are_named(options, error, text):
    with pytest.raises(error, match=text):
        Recipe("flat", **options)
