import json

import numpy as np
import pytest

from nearfield.survey import survey
from nearfield.survey.labelled import LABELLED


def labelled(rows=600, classes=12, seed=0):
    rng = np.random.default_rng(seed)
    kind = np.arange(rows) % classes
    x = np.eye(classes, 16)[kind] + 0.3 * rng.standard_normal((rows, 16))
    return x.astype(np.float32), [f"class {c}" for c in kind]


@pytest.fixture(scope="module")
def surveyed():
    x, kind = labelled()
    return survey(x, labels=kind, sample=200)


def test_labels_add_their_measures_and_a_sentence(surveyed):
    assert tuple(surveyed)[-len(LABELLED) :] == LABELLED
    for name in LABELLED:
        measure = surveyed[name]
        assert measure.name == name and measure.low <= measure.value <= measure.high
        assert measure.meaning.endswith(".") and measure.source and measure.verdict != "unknown"
    assert surveyed.summary()[3].startswith("Labels: ")
    assert max(map(len, str(surveyed).splitlines())) <= 100
    json.dumps(surveyed.to_dict(arrays=True), allow_nan=False)


def test_what_needs_no_labels_stays_as_it_was(surveyed):
    plain = survey(labelled()[0], sample=200)
    assert plain.to_dict()["measures"].items() <= surveyed.to_dict()["measures"].items()


def test_the_report_has_a_section_with_plots(surveyed, tmp_path):
    pytest.importorskip("matplotlib")
    page = surveyed.save(tmp_path / "r.html").read_text("utf-8")
    assert "Do the labels show in the space?" in page
    for name in LABELLED:
        card = page[page.index(f'id="{name}"') :]
        assert "<svg" in card[: card.index("</article>")]
    assert "Do the labels" not in survey(labelled()[0], sample=200).save(tmp_path / "p.html").read_text("utf-8")


RNG = np.random.default_rng(0)
CASES = {
    "all alone": (RNG.standard_normal((30, 4)), range(30)),
    "one class": (RNG.standard_normal((30, 4)), [1] * 30),
    "none labelled": (RNG.standard_normal((30, 4)), [None] * 30),
    "two classes": (RNG.standard_normal((60, 4)), [1, 2] * 30),
    "equal rows": (np.ones((60, 4)), [1, 2, 3] * 20),
    "corners": (np.eye(3).repeat(20, 0), [1] * 20 + [2] * 20 + [3] * 20),
    "one dimension": (RNG.standard_normal((60, 1)), [1, 2, 3] * 20),
    "one direction": ((RNG.random((60, 1)) + 0.1) * np.ones(5), [1, 2, 3] * 20),
    "huge": (RNG.standard_normal((60, 4)) * 1e30, [1, 2, 3] * 20),
    "tiny": (RNG.standard_normal((60, 4)) * 1e-40, [1, 2, 3] * 20),
    "wide": (RNG.standard_normal((30, 300)), [1, 2, 3] * 10),
    "one row": (np.ones((1, 3)), ["a"]),
    "long tail": (RNG.standard_normal((200, 4)), np.minimum(RNG.zipf(1.5, 200), 50)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("case", CASES)
def test_strange_data_gives_values_or_reasons(case, metric):
    x, kind = CASES[case]
    found = survey(np.asarray(x, np.float32), labels=kind, metric=metric, sample=30)
    json.dumps(found.to_dict(arrays=True), allow_nan=False)
    assert str(found)
    for name in LABELLED:
        if not found[name].known:
            assert found[name].meaning.startswith("Unknown: ") and found[name].verdict == "unknown"
