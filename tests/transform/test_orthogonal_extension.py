import numpy as np
import pytest

from nearfield.transform import OrthogonalExtension


@pytest.mark.parametrize(
    ("d_new", "d_old", "extra"), [(8, 5, None), (8, 5, 0), (8, 5, 2), (5, 8, None), (5, 8, 3), (5, 8, 4)]
)
def test_orthogonal_and_all_inner_products_kept(d_new, d_old, extra) -> None:
    rng = np.random.default_rng(0)
    new = rng.standard_normal((100, d_new))
    old = new @ rng.standard_normal((d_new, d_old)) + rng.standard_normal((100, d_old))
    fitted = OrthogonalExtension(extra=extra).fit(new, old)
    size = d_new + (d_old if extra is None else extra)
    assert fitted.rotation_.shape == (size, size) and fitted.n_old_ == d_old
    np.testing.assert_allclose(fitted.rotation_.T @ fitted.rotation_, np.eye(size), atol=1e-12)
    turned = fitted.transform(new)
    np.testing.assert_allclose(turned @ turned.T, new @ new.T, atol=1e-10)
    np.testing.assert_allclose(fitted.inverse_transform(turned), new, atol=1e-10)
    values = np.linalg.svd(fitted.matrix_[:d_old], compute_uv=False)
    firm = d_old - (d_old if extra is None else extra)
    assert (np.abs(values[: max(firm, 1)] - 1) < 1e-9).all()


def test_the_first_part_is_the_old_space_along_a_chain() -> None:
    rng = np.random.default_rng(0)
    things = rng.standard_normal((300, 6))
    models = [things @ rng.standard_normal((6, 6)) for _ in range(3)]
    second = OrthogonalExtension().fit(models[1], models[0]).transform(models[1])
    third = OrthogonalExtension().fit(models[2], second).transform(models[2])
    for turned in (second, third):
        part = turned[:, :6]
        cosines = (part * models[0]).sum(axis=1)
        cosines /= np.linalg.norm(part, axis=1) * np.linalg.norm(models[0], axis=1)
        assert cosines.min() > 0.999


def test_too_few_extra_dimensions_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="extra: expected an integer of at least 3"):
        OrthogonalExtension(extra=2).fit(rng.standard_normal((20, 5)), rng.standard_normal((20, 8)))
