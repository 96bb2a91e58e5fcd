import numpy as np

from nearfield.evidence import attributed


def data(n=1500):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[20:], rows[:20]


def test_filters_are_of_the_share_they_say_and_lie_where_they_say() -> None:
    base, queries = data()
    made = list(attributed.filters(base, queries[0]))
    assert len(made) == 3 * len(attributed.SHARES) - 2
    for kind, share, mask in made:
        assert mask.sum() == max(1, round(share * len(base)))
        inside = (base[mask] @ queries[0]).mean()
        if kind != "random" and share <= 0.5:
            assert (inside > 0.05) == (kind == "near")


def test_lists_and_stages_count_what_they_say() -> None:
    base, queries = data()
    everything = np.ones(len(base), bool)
    (recall, missing), (few, none) = attributed.lists_under(base, queries, [everything, np.arange(len(base)) < 5])
    assert recall > 0.7 and missing == 0 and few == 1 and none == 0
    found = attributed.pruned(base, queries, everything, bits=6, kept=0.5)
    assert found.passing == len(base) and found.after_signs == 0.5 and found.recall > 0.95
    assert 10 / len(base) <= found.after_bounds <= 0.5
