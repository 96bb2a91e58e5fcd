import re

import numpy as np
import pytest

from nearfield.survey import compare

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 300)
    x = (np.eye(8)[kind] * 3 + rng.standard_normal((300, 8))).astype(np.float32)
    y = (x @ rng.standard_normal((8, 8)) + rng.standard_normal((300, 8))).astype(np.float32)
    return compare(x, y, labels=kind)


@pytest.fixture(scope="module")
def page(found, tmp_path_factory):
    return found.save(tmp_path_factory.mktemp("report") / "two.html", title="<old> & new").read_text("utf-8")


def test_every_measure_has_a_card_a_plot_and_its_chance(found, page):
    assert page.count("<article") == page.count("<svg") == len(found) == 12
    assert page.count("Rows paired at random:") == 12
    for measure in found.measures.values():
        assert f'id="{measure.name}"' in page
    assert page.count("<div") == page.count("</div>") and page.count("<section") == page.count("</section>") == 2


def test_says_what_the_comparison_says(found, page):
    from html import escape

    for text in [*found.summary(), *(measure.meaning for measure in found.measures.values())]:
        assert escape(text) in page
    assert "&lt;old&gt; &amp; new" in page and "<old>" not in page


def test_is_one_file_with_unique_ids(page):
    assert set(re.findall(r"https?://[^\s\"'<>)]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "#030303" not in page and "var(--second)" in page


def test_measures_without_a_value_have_a_card_too(tmp_path):
    x = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    page = compare(x, x[:, :3].copy()).save(tmp_path / "few.html").read_text("utf-8")
    assert "no value" in page and page.endswith("</html>\n")
