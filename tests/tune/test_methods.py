import pytest

from nearfield.tune.methods import HIT, METHODS, Budget


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("size", [1_800_000, 9_000_000, 18_000_000, 90_000_000])
def test_what_fills_a_budget_never_exceeds_it(name, size):
    budget, method = Budget(117_659, 384, size), METHODS[name]
    sized = budget.fill(method)
    if isinstance(sized, str):
        assert size in (1_800_000, 90_000_000) or name in ("product", "residual", "low-rank", "truncated-8")
        return
    units, kept = sized
    assert 1 <= kept <= 384 and budget.total(method, units, kept) <= size
    if method.books is None and kept < 384:
        assert budget.total(method, units, kept + 16) > size
    elif method.books is not None:
        assert units % 4 == 0 and kept * method.stages >= units
        assert budget.total(method, units, kept) >= HIT * size
        assert not method.even or kept % units == 0


def test_the_reasons():
    assert Budget(1000, 384, 1).fill(METHODS["float16"]) == "its rows take 2 bytes at least"
    assert Budget(1000, 384, 1).fill(METHODS["product"]) == "its rows and what is fitted take more than the budget"
    assert Budget(1000, 384, 10**9).fill(METHODS["truncated-8"]) == "nothing has to be cut off"
    assert Budget(10**6, 384, 10**12).fill(METHODS["product"]) == "it is not tried above 196 MB"
    assert Budget(10, 1, 10**6).fill(METHODS["scalar-8"]) == (0, 1)
