import json
import subprocess
import sys

import numpy as np
import pytest

import nearfield.survey
from nearfield.survey import Survey, survey


@pytest.fixture(scope="module")
def surveyed():
    x = np.random.default_rng(0).standard_normal((1500, 12)).astype(np.float32)
    return survey(x, metric="l2", sample=400)


def test_every_measure_is_there_with_an_interval_and_a_meaning(surveyed):
    assert isinstance(surveyed, Survey)
    assert len(surveyed) == len(list(surveyed)) == 18
    for name in surveyed:
        measure = surveyed[name]
        assert measure.name == name
        assert measure.low <= measure.value <= measure.high
        assert measure.meaning.endswith(".") and measure.detail and measure.source
        assert measure.verdict != "unknown"


def test_the_truth_is_inside(surveyed):
    for name in ("intrinsic_dimension_twonn", "intrinsic_dimension_mle", "local_intrinsic_dimension", "effective_rank"):
        assert surveyed[name].low <= 12 <= surveyed[name].high
    assert surveyed["isotropy"].high == 1 or surveyed["isotropy"].value > 0.98


def test_text(surveyed):
    text = str(surveyed)
    assert text.startswith("Survey of 1,500 vectors with 12 dimensions, metric l2")
    assert "What to expect from search:" in text
    for name in surveyed:
        assert surveyed[name].title in text
    assert max(map(len, text.splitlines())) <= 100


def test_dict_is_json(surveyed):
    made = surveyed.to_dict(arrays=True)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert set(made["measures"]) == set(surveyed)


def test_an_unknown_name_lists_the_known(surveyed):
    with pytest.raises(KeyError, match="effective_rank"):
        surveyed["rank"]


def test_same_seed_same_numbers(surveyed):
    x = np.random.default_rng(0).standard_normal((1500, 12)).astype(np.float32)
    assert survey(x, metric="l2", sample=400).to_dict(arrays=True) == surveyed.to_dict(arrays=True)
    assert survey(x, metric="l2", sample=400, random_state=1).to_dict() != surveyed.to_dict()


def test_under_inner_product_hubness_is_its_own_and_the_rest_euclidean():
    x = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    x[:5] *= 10
    found = survey(x, metric="ip", sample=100)
    assert found["hubness"].value == nearfield.survey.hubness(x, metric="ip", sample=500).value
    assert found["hubness"].value > 2 * survey(x, metric="l2", sample=100)["hubness"].value
    assert found["contrast"].value == survey(x, metric="l2", sample=100)["contrast"].value


def test_float16_and_float32_agree():
    x = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float16)
    assert survey(x).to_dict() == survey(x.astype(np.float32)).to_dict()


rng = np.random.default_rng(0)
CASES = {
    "one row": [[1, 2, 3]],
    "two rows": [[1, 2], [2, 1]],
    "twelve rows": rng.standard_normal((12, 4)),
    "equal rows": np.ones((200, 8)),
    "two equal rows": np.ones((2, 8)),
    "few distinct rows": np.repeat(rng.standard_normal((5, 8)), 50, 0),
    "many repeats": np.repeat(rng.standard_normal((50, 8)), 10, 0),
    "one dimension": rng.standard_normal((200, 1)),
    "one direction": (rng.random((200, 1)) + 0.1) * np.ones(7),
    "scaled copies": rng.standard_normal((20, 6))[rng.integers(0, 20, 200)] * (rng.random((200, 1)) + 0.1),
    "integers": rng.integers(1, 4, (300, 3)),
    "grid": np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 3) + 1,
    "one hot": np.eye(40),
    "huge": rng.standard_normal((200, 6)) * 1e30,
    "tiny": rng.standard_normal((200, 6)) * 1e-41,
    "mixed sizes": 10.0 ** rng.uniform(-30, 30, (200, 6)),
    "wide": rng.standard_normal((40, 600)),
    "an outlier": np.vstack([rng.standard_normal((200, 6)), np.full((1, 6), 1e6)]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("case", CASES)
def test_strange_data_gives_values_or_reasons(case, metric):
    found = survey(np.asarray(CASES[case], np.float32), metric=metric, sample=200)
    json.dumps(found.to_dict(arrays=True), allow_nan=False)
    assert str(found)
    for name in found:
        if not found[name].known:
            assert found[name].meaning.startswith("Unknown: ")
            assert found[name].verdict == "unknown"


@pytest.mark.parametrize(
    ("x", "options", "text"),
    [
        (np.float32([[1, np.nan]]), {}, "row 0"),
        (np.zeros((4, 3), np.float32), {}, r"zeros in 4 row\(s\)"),
        (np.ones(5, np.float32), {}, "shape"),
        (np.eye(3, dtype=np.float32), {"metric": "dot"}, "metric"),
        (np.eye(3, dtype=np.float32), {"sample": 5}, "sample"),
        (np.eye(3, dtype=np.float32), {"random_state": -1}, "random_state"),
        (np.eye(3, dtype=np.float32), {"pairs": [[0, 3]]}, "pairs"),
    ],
)
def test_bad_input(x, options, text):
    with pytest.raises(ValueError, match=text):
        survey(x, **options)


def test_the_room_can_be_called():
    x = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    assert nearfield.survey(x).rows == 60


def test_names_stay_functions_and_imports_stay_light():
    script = (
        "import sys, nearfield.survey as s\n"
        "heavy = {'sklearn', 'scipy', 'pyarrow', 'sqlglot', 'rich', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import nearfield.survey.hubness, nearfield.survey.survey\n"
        "from nearfield.survey import survey, hubness\n"
        "assert all(callable(getattr(s, name)) for name in s.__all__)\n"
        "assert survey.__name__ == 'survey' and hubness.__name__ == 'hubness'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_wordnet(data_folder):
    found = survey(np.load(data_folder / "wordnet" / "minilm.npy", mmap_mode="r"))
    assert found["intrinsic_dimension_mle"].value == pytest.approx(16, abs=2)
    assert found["effective_rank"].value == pytest.approx(313, abs=2)
    assert found["duplicates"].parts["exact_rows"] == 0
    assert found["norm_spread"].verdict == "good"
