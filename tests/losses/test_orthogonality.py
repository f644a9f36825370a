import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses

orthogonality = jax.jit(losses.orthogonality, static_argnames=("form", "axis_name"))
FORMS = {"hinge": lambda c: max(c, 0), "square": lambda c: c**2, "absolute": abs}
every_form = pytest.mark.parametrize("form", FORMS)


@every_form
def test_angles_of_known_cosine(form):
    angle = np.radians([0, 45, 60, 90, 120, 180])
    shared = np.stack([np.ones(6), np.zeros(6)], axis=1)
    private = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    want = [FORMS[form](c) for c in (1, 0.5**0.5, 0.5, 0, -0.5, -1)]
    np.testing.assert_allclose(orthogonality(shared, private, form=form), want, atol=1e-6)


@every_form
def test_it_is_its_equation(rng, form):
    a, b = rng.standard_normal((2, 7, 4))
    cosine = [sum(s * p for s, p in zip(*r)) / np.hypot.reduce(r[0]) / np.hypot.reduce(r[1])
              for r in zip(a, b)]  # fmt: skip
    with jax.enable_x64(True):
        got = orthogonality(a, b, form=form)
    np.testing.assert_allclose(got, [FORMS[form](c) for c in cosine], rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31 - 1),
    scales=st.tuples(*[st.floats(1e-4, 1e30)] * 2),
    form=st.sampled_from(sorted(FORMS)),
)
def test_scale_order_turning_and_roles_do_not_matter(seed, scales, form):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 7, 4)).astype(np.float32)
    turn, order = np.linalg.qr(rng.standard_normal((4, 4)))[0], rng.permutation(7)
    want = np.asarray(orthogonality(a, b, form=form))
    turned = [np.asarray(s * (z @ turn)[order], np.float32) for s, z in zip(scales, (b, a))]
    np.testing.assert_allclose(orthogonality(*turned, form=form), want[order], atol=2e-6)


@every_form
def test_a_zero_row_costs_nothing_and_gets_no_gradient(form):
    zero, other = np.zeros((3, 4)), np.ones((3, 4))
    of = lambda *x: losses.orthogonality(*x, form=form).sum()
    run = jax.jit(jax.value_and_grad(of, argnums=(0, 1)))
    with jax.enable_x64(True):
        for arrays in ((zero, other), (other, zero), (zero, zero)):
            value, grads = run(*arrays)
            assert value == 0
            np.testing.assert_array_equal(grads, 0)


@every_form
def test_gradients_are_those_of_finite_differences(rng, check_slopes, form):
    with jax.enable_x64(True):
        of = lambda *x: losses.orthogonality(*x, form=form).mean()
        check_slopes(of, rng.standard_normal((2, 5, 3)))


def test_random_directions_cost_what_the_docstring_says(rng):
    a, b = rng.standard_normal((2, 20000, 64), np.float32)
    mean = {form: np.asarray(orthogonality(a, b, form=form)).mean() for form in FORMS}
    np.testing.assert_allclose(mean["square"], 1 / 64, rtol=0.05)
    np.testing.assert_allclose(mean["absolute"], (2 / np.pi / 64) ** 0.5, rtol=0.03)
    np.testing.assert_allclose(mean["hinge"], mean["absolute"] / 2, rtol=0.03)


@pytest.mark.parametrize("entry", [np.inf, -np.inf])
def test_an_infinite_entry_is_a_direction_and_nan_comes_out(entry):
    a = np.ones((2, 3), np.float32)
    a[0, 1] = entry
    along = np.array([[0, np.sign(entry), 0]] * 2, np.float32)
    run = jax.jit(jax.value_and_grad(lambda a, b: losses.orthogonality(a, b).sum()))
    value, grad = jax.device_get(run(a, along))
    np.testing.assert_allclose(value, 1 + max(np.sign(entry) / 3**0.5, 0), atol=1e-5)
    assert np.isfinite(grad).all() and grad[0, 1] == 0
    a[0, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(orthogonality(a, along)), [True, False])


def test_bad_arguments_are_named():
    z = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"form must be .*got 'cosine'"):
        losses.orthogonality(z, z, form="cosine")
    with pytest.raises(ValueError, match=r"arrays alike, got \(4, 3\) and \(4, 2\)"):
        losses.orthogonality(z, z[:, :2])
    with pytest.raises(ValueError, match=r"two \[batch, dim\] arrays alike, got \(4,\)"):
        losses.orthogonality(z[:, 0], z[:, 0])
