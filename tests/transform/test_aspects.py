import numpy as np
import pytest

from nearfield.transform import Aspects


def made(rows=900, dim=24, seed=0):
    rng = np.random.default_rng(seed)
    topic, language = rng.integers(5, size=rows), rng.integers(3, size=rows)
    x = rng.standard_normal((5, dim))[topic] + rng.standard_normal((3, dim))[language]
    return (x + 1.2 * rng.standard_normal((rows, dim))).astype(np.float32), topic, language


def fitted(**options):
    x, topic, language = made()
    return Aspects(**options).fit(x, {"topic": topic, "language": language}), x, topic, language


def share(scores, labels, own, count=30):
    best = np.argsort(-scores)[1 : count + 1]
    return float((labels[best] == own).mean())


def test_each_aspect_finds_its_own_labels_and_not_those_of_the_other():
    aspects, x, topic, language = fitted()
    rows = aspects.transform(x)
    plain = x / np.linalg.norm(x, axis=1, keepdims=True)
    for name, own, other in (("topic", topic, language), ("language", language, topic)):
        scores = rows @ aspects.queries(x[:60], name).T
        mine = np.mean([share(scores[:, i], own, own[i]) for i in range(60)])
        generic = np.mean([share(plain @ plain[i], own, own[i]) for i in range(60)])
        theirs = np.mean([share(scores[:, i], other, other[i]) for i in range(60)])
        assert mine > 0.9 and mine > generic + 0.05
        assert theirs < 1 / len(set(other)) + 0.1


def test_the_inner_product_is_the_weighted_sum_of_cosines():
    aspects, x, *_ = fitted()
    rows, asked = aspects.transform(x), aspects.queries(x[:4], {"topic": 2.0, "language": -0.5})
    expected = 0
    for name, weight in (("topic", 2.0), ("language", -0.5)):
        mapped = aspects.maps_[name].transform(x)
        mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
        expected = expected + weight * mapped[:4] @ mapped.T
    assert asked @ rows.T == pytest.approx(expected, abs=1e-5)
    for columns in aspects.slices().values():
        assert np.linalg.norm(rows[:, columns], axis=1) == pytest.approx(1, abs=1e-5)


def test_a_label_may_be_asked_for_in_place_of_an_items_own():
    aspects, x, topic, language = fitted()
    rows = aspects.transform(x)
    asked = aspects.queries(x[:50], {"topic": 1.0, "language": 1.0}, to={"language": 2})
    best = np.argsort(-(asked @ rows.T), axis=1)[:, :5]
    assert (topic[best] == topic[:50, None]).mean() > 0.9 and (language[best] == 2).mean() > 0.9


def test_what_is_to_be_unlike_goes_to_the_end():
    aspects, x, topic, _ = fitted()
    rows = aspects.transform(x)
    first, second = np.flatnonzero(topic == 0)[0], np.flatnonzero(topic == 1)[0]
    asked = aspects.queries(x[first][None], "topic", unlike=x[second], avoid=1.0)
    assert (topic[np.argsort(asked @ rows.T, axis=1)[0, :20]] == 1).mean() > 0.8


def test_items_without_a_label_are_left_out_and_rare_labels_too():
    x, topic, language = made()
    some = [None if i % 3 else int(t) for i, t in enumerate(topic)]
    some[1] = "alone"
    aspects = Aspects().fit(x, {"topic": some, "language": language})
    assert sorted(aspects.labels_["topic"]) == [0, 1, 2, 3, 4]


def test_arrays_give_the_same_rows_back():
    aspects, x, *_ = fitted()
    again = Aspects.from_arrays(aspects.to_arrays(), aspects.labels_)
    assert again.transform(x).tobytes() == aspects.transform(x).tobytes()
    assert again.queries(x[:3], "topic").tobytes() == aspects.queries(x[:3], "topic").tobytes()
    assert again.queries(x[:3], to={"language": 1}).tobytes() == aspects.queries(x[:3], to={"language": 1}).tobytes()
    with pytest.raises(ValueError, match="arrays: expected maps"):
        Aspects.from_arrays({}, {})
    with pytest.raises(ValueError, match=r"expected 'topic\.matrix'"):
        Aspects.from_arrays({}, aspects.labels_)


def test_labels_as_columns():
    x, topic, language = made()
    both = Aspects().fit(x, np.column_stack([topic, language]))
    assert both.names_ == ["0", "1"]
    assert both.transform(x).shape == (900, 4 + 2)


def test_one_row_alone_and_in_a_batch():
    aspects, x, *_ = fitted()
    assert aspects.transform(x[:1]).tobytes() == aspects.transform(x)[:1].tobytes()


def test_degenerate_items():
    _, topic, language = made()
    flat = np.zeros((900, 4), np.float32)
    flat[:, 0] = topic
    aspects = Aspects().fit(flat, {"topic": topic})
    assert np.isfinite(aspects.transform(flat)).all()
    assert np.isfinite(
        Aspects().fit(np.ones((900, 3), np.float32), {"language": language}).transform(flat[:, :3])
    ).all()


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda a, x: a.fit(x, {}), ValueError, "at least one aspect"),
        (lambda a, x: a.fit(x, {"t": [1] * 900}), ValueError, "two labels that two items have"),
        (lambda a, x: a.fit(x, {"t": [1, 2]}), ValueError, "expected 900 labels"),
        (lambda a, x: a.fit(x, {3: [1, 2] * 450}), TypeError, "names of aspects"),
        (lambda a, x: a.queries(x, "colour"), ValueError, "weights: expected one of the aspects"),
        (lambda a, x: a.queries(x, {}), TypeError, "weights: expected the name"),
        (lambda a, x: a.queries(x, {"topic": np.nan}), ValueError, r"weights\['topic'\]"),
        (lambda a, x: a.queries(x, to={"topic": "nowhere"}), ValueError, "seen in fit"),
        (lambda a, x: a.queries(x[:, :3]), ValueError, "24 dimensions"),
        (lambda a, x: a.queries(x, unlike=x[0, :3]), ValueError, "unlike: expected 24"),
        (lambda a, x: a.queries(np.full((1, 24), np.nan)), ValueError, "NaN"),
    ],
)
def test_bad_input_is_named(act, error, text):
    aspects, x, *_ = fitted()
    with pytest.raises(error, match=text):
        act(aspects, x)
