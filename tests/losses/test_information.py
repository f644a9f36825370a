import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign import losses

density_ratio = jax.jit(losses.density_ratio, static_argnames="axis_name")
private_information = jax.jit(losses.private_information)
shared_information = jax.jit(losses.shared_information, static_argnames="form")
gaussian_mutual_information = jax.jit(losses.gaussian_mutual_information)
total_correlation = jax.jit(losses.total_correlation)
entropy = jax.jit(losses.entropy)


def _softplus(x):
    return np.logaddexp(0, np.asarray(x, np.float64))


# density_ratio


def test_a_critic_at_chance_costs_two_log_two(per_example):
    zeros = np.zeros(8, np.float32)
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_allclose(per_example(density_ratio, zeros, zeros), 2 * np.log(2))


def test_density_ratio_equals_the_cross_entropy_of_the_classifier(rng):
    """InfoMAE eq. 6 with R = sigmoid(T): -log R on joint rows, -log(1 - R) on the others."""
    joint, product = rng.standard_normal(6), rng.standard_normal((3, 6))
    real, fake = 1 / (1 + np.exp(-joint)), 1 / (1 + np.exp(-product))
    want = [-np.log(real[i]) - np.mean([np.log(1 - f[i]) for f in fake]) for i in range(6)]
    np.testing.assert_allclose(density_ratio(joint, product), want, rtol=1e-5)
    np.testing.assert_allclose(
        density_ratio(joint, product[0]), density_ratio(joint, product[:1]), rtol=0
    )


def test_the_number_of_negatives_does_not_move_the_loss(rng):
    joint, product = rng.standard_normal((2, 6))
    want = density_ratio(joint, product)
    np.testing.assert_allclose(density_ratio(joint, np.stack([product] * 5)), want, rtol=1e-6)


def test_extreme_logits_stay_finite():
    def total(*logits):
        values = losses.density_ratio(*logits)
        return values.sum(), values

    joint, product = np.array([1e4, -1e4]), np.array([-1e4, 1e4])
    grads, values = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))(joint, product)
    np.testing.assert_allclose(values, [0, 2e4])
    np.testing.assert_allclose(grads, [[0, -1], [0, 1]])


def test_each_side_is_the_mean_of_the_logits_that_count(rng):
    joint, product = rng.standard_normal(6), rng.standard_normal((2, 6))
    where = np.array([True, True, False, True, True, False])
    partner = where & np.stack([np.roll(where, 1), np.roll(where, 2)])
    got = density_ratio(
        joint, np.where(partner, product, np.nan), where=where, product_where=partner
    )
    want = _softplus(-joint[where]).mean() + _softplus(product[partner]).mean()
    np.testing.assert_allclose(np.asarray(got).mean(), want, rtol=1e-6)
    one = density_ratio(joint, product[0], where=where, product_where=partner[0])
    want = _softplus(-joint[where]).mean() + _softplus(product[0, partner[0]]).mean()
    np.testing.assert_allclose(np.asarray(one).mean(), want, rtol=1e-6)


RHO, GAIN, NOISE = 0.8, 0.7, 0.5


def _gaussian_nodes(gain):
    """Quadrature of x1, x2 of correlation RHO and u = gain x1 + noise: x2, joint u, other u."""
    node, weight = np.polynomial.hermite_e.hermegauss(16)
    z = np.stack(np.meshgrid(node, node, node, indexing="ij")).reshape(3, -1)
    w = np.prod(np.stack(np.meshgrid(weight, weight, weight)).reshape(3, -1), axis=0)
    x1 = RHO * z[0] + (1 - RHO**2) ** 0.5 * z[1]
    return z[0], gain * x1 + NOISE * z[2], gain * z[1] + NOISE * z[2], w / w.sum()


def _quadratic_critic(weights, x, u):
    return jnp.stack([jnp.ones_like(x), x * x, u * u, x * u], axis=1) @ weights


def test_a_quadratic_critic_learns_the_gaussian_information_and_its_gradient():
    @jax.jit
    @jax.value_and_grad
    def closed(gain):
        return losses.gaussian_mutual_information(RHO * gain / jnp.hypot(gain, NOISE))

    @jax.jit
    def fit():
        x, joint_u, other_u, w = _gaussian_nodes(GAIN)

        def loss(weights):
            joint = _quadratic_critic(weights, x, joint_u)
            product = _quadratic_critic(weights, x, other_u)
            return jnp.vdot(w, losses.density_ratio(joint, product))

        def newton(weights, _):
            return weights - jnp.linalg.solve(
                jax.hessian(loss)(weights), jax.grad(loss)(weights)
            ), 0

        return jax.lax.scan(newton, jnp.zeros(4), length=12)[0]

    @jax.jit
    @jax.value_and_grad
    def encoder_loss(gain, weights):
        x, u, _, w = _gaussian_nodes(gain)
        logits = _quadratic_critic(weights, x, u)
        return jnp.vdot(w, losses.shared_information(jnp.zeros_like(logits), logits, beta=0.0))

    with jax.enable_x64(True):
        (want, want_slope), (value, slope) = closed(GAIN), encoder_loss(GAIN, fit())
    assert round(float(want), 4) == 0.2756
    np.testing.assert_allclose(-value, want, rtol=1e-3)
    np.testing.assert_allclose(-slope, want_slope, rtol=1e-3)


# shared_information


def _discrete(rng, sizes=(6, 5), codes=3):
    """p(x1, x2, u) with u a random function of x1, as a table."""
    pair = rng.dirichlet(np.ones(sizes[0] * sizes[1])).reshape(sizes)
    code = rng.integers(0, codes, sizes[0])
    return pair[:, :, None] * (code[:, None] == np.arange(codes))[:, None, :]


def _mutual_information(table):
    """Sum p log p / (p q), from the definition."""
    p, q = table.sum(axis=1), table.sum(axis=0)
    return sum(
        table[i, j] * np.log(table[i, j] / (p[i] * q[j]))
        for i, j in np.ndindex(table.shape)
        if table[i, j] > 0
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), beta=st.floats(0, 0.99))
def test_the_three_ratios_are_conditional_information_plus_the_price_of_entropy(seed, beta):
    table = _discrete(np.random.default_rng(seed))
    p_u = table.sum(axis=(0, 1))
    conditional = sum(p * _mutual_information(table[:, :, u] / p) for u, p in enumerate(p_u) if p)
    price = -beta * sum(p * np.log(p) for p in p_u if p)
    own, other = (_mutual_information(table.sum(axis=axis)) for axis in (1, 0))

    # The exact critics' logits at every possible (x1, x2, u), weighted by its probability.
    i, j, u = np.nonzero(table)
    p1, p2, p1u, p2u = (table.sum(axis=a) for a in ((1, 2), (0, 2), 1, 0))
    t_joint = np.log(table[i, j, u] / (p1[i] * p2[j] * p_u[u]))
    t_own, t_other = np.log(p1u[i, u] / (p1[i] * p_u[u])), np.log(p2u[j, u] / (p2[j] * p_u[u]))
    with jax.enable_x64(True):
        run = functools.partial(shared_information, t_own, t_other, beta=beta)
        right = np.vdot(table[i, j, u], run(t_joint, form="three_ratio"))
        printed = np.vdot(table[i, j, u], run(t_joint, form="three_ratio_printed"))
        reduced = np.vdot(table[i, j, u], run(form="two_ratio"))
    np.testing.assert_allclose(right, conditional + price, rtol=0, atol=1e-10)
    np.testing.assert_allclose(printed, right + 2 * (1 - beta) * own + 2 * other, atol=1e-10)
    constant = _mutual_information(table.sum(axis=2))  # I(x1; x2): no code changes it
    np.testing.assert_allclose(reduced, right - constant, rtol=0, atol=1e-10)


def test_forms_are_what_they_say(rng):
    own, joint = rng.standard_normal((2, 5))
    other = rng.standard_normal((3, 5))
    run = functools.partial(shared_information, own, other, beta=0.2)
    mean = other.mean(axis=0)
    np.testing.assert_allclose(run(), 0.2 * own - mean, atol=1e-6)
    np.testing.assert_allclose(run(joint, form="three_ratio"), joint - 0.8 * own - mean, atol=1e-6)
    np.testing.assert_allclose(
        run(joint, form="three_ratio_printed"), joint + 0.8 * own + mean, atol=1e-6
    )
    np.testing.assert_allclose(
        shared_information(own, other[0], beta=0.2),
        shared_information(own, other[:1], beta=0.2),
        rtol=0,
    )


@pytest.mark.parametrize("form", ["two_ratio", "three_ratio", "three_ratio_printed"])
def test_rows_without_a_partner_pay_for_what_they_hold_and_no_more(rng, form):
    own, other, joint = rng.standard_normal((3, 8))
    pairs, present = np.arange(8) < 3, np.arange(8) != 5
    joint = None if form == "two_ratio" else joint
    with jax.enable_x64(True):
        run = functools.partial(losses.shared_information, form=form)
        clean = lambda x, rows: None if x is None else np.where(rows, x, np.nan)
        got = run(clean(own, present), clean(other, pairs), clean(joint, pairs), beta=0.2,
                  where=pairs, own_where=present).mean()  # fmt: skip
        of = lambda rows, beta: np.mean(
            run(own, other, joint, beta=beta)[rows]  # no price where beta is 0
        )
        price = np.mean((0.2 if form != "three_ratio_printed" else -0.2) * own[present])
        np.testing.assert_allclose(got, of(pairs, 0.0) + price, atol=1e-12)
        everyone = run(own, other, joint, beta=0.2, where=present, own_where=present).mean()
        np.testing.assert_allclose(everyone, of(present, 0.2), atol=1e-12)


def test_beta_can_be_ramped_inside_jit(rng):
    own, other = rng.standard_normal((2, 5))
    run = jax.jit(lambda step: losses.shared_information(own, other, beta=0.1 * step / 10))
    for step in (0, 10):
        np.testing.assert_allclose(run(step), 0.01 * step * own - other, atol=1e-6)


def test_the_encoder_gradient_comes_through_the_code_alone(rng):
    """Weights held fixed get none; the code gets the critic's slope, not through the negatives."""
    x, u = rng.standard_normal((2, 6)).astype(np.float32)

    def loss(weight, u):
        logits = jax.lax.stop_gradient(weight) * x * u
        return losses.shared_information(jnp.zeros(6), logits, beta=0.1).sum()

    weight_grad, u_grad = jax.jit(jax.grad(loss, argnums=(0, 1)))(1.5, u)
    assert weight_grad == 0
    np.testing.assert_allclose(u_grad, -1.5 * x, rtol=1e-6)


def test_private_information_weighs_its_two_terms(rng):
    own, shared = rng.standard_normal((2, 5))
    got = private_information(own, shared, gamma=0.01, epsilon=0.1)
    np.testing.assert_allclose(got, 0.01 * own + 0.1 * shared, atol=1e-6)


# closed forms


def test_gaussian_information_matches_the_determinant_formula():
    for rho in (0.0, 1e-3, -0.6, 0.99):
        covariance = np.array([[2.0, 3 * 2**0.5 * rho], [3 * 2**0.5 * rho, 9.0]])
        want = 0.5 * np.log(2.0 * 9.0 / np.linalg.det(covariance))
        np.testing.assert_allclose(gaussian_mutual_information(rho), want, rtol=1e-5, atol=1e-9)


def test_total_correlation_matches_its_definition(rng):
    table = rng.dirichlet(np.ones(24)).reshape(2, 3, 4)
    pair = table.sum(axis=2)
    marginals = [table.sum(axis=a) for a in ((1, 2), (0, 2), (0, 1))]
    product = np.einsum("i,j,k->ijk", *marginals)
    with jax.enable_x64(True):
        total = np.sum(table * np.log(table / product))
        np.testing.assert_allclose(total_correlation(table), total, atol=1e-12)
        np.testing.assert_allclose(total_correlation(product), 0, atol=1e-12)
        np.testing.assert_allclose(total_correlation(pair), _mutual_information(pair), atol=1e-12)
        np.testing.assert_allclose(entropy(np.full((4, 2), 1 / 8)), np.log(8), atol=1e-12)
        assert entropy(np.eye(3)[0]) == 0


# errors


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"form": "four_ratio"}, r"form must be .*got 'four_ratio'"),
        ({"form": "three_ratio"}, "joint is missing with form='three_ratio'"),
        ({"form": "three_ratio_printed"}, "joint is missing"),
        ({"joint": np.ones(4)}, "joint is not used with form='two_ratio'"),
        ({"beta": 1.0}, r"beta must lie in \[0, 1\), got 1.0"),
        ({"beta": -0.1}, r"beta must lie in \[0, 1\), got -0.1"),
        ({"own_where": np.ones(3, bool)}, r"own_where must be of shape \[4\], got \[3\]"),
        ({"own": np.ones((4, 1))}, r"own must be \[batch\], got shape \(4, 1\)"),
        ({"other": np.ones((4, 2))}, r"other must be .* batch = 4, got shape \(4, 2\)"),
        ({"other": np.ones((0, 4))}, "other must be"),
        ({"joint": np.ones(3), "form": "three_ratio"}, r"joint must be \[batch\] = \[4\], got \[3"),
    ],
)
def test_bad_arguments_of_shared_information_are_named(knobs, message):
    knobs = {"own": np.ones(4), "other": np.ones(4), "beta": 0.1} | knobs
    with pytest.raises(ValueError, match=message):
        losses.shared_information(**knobs)


def test_bad_arguments_of_the_others_are_named():
    row = np.ones(4)
    with pytest.raises(ValueError, match=r"joint must be \[batch\], got shape \(4, 1\)"):
        losses.density_ratio(row[:, None], row)
    with pytest.raises(ValueError, match=r"product must be .* batch = 4, got shape \(3,\)"):
        losses.density_ratio(row, row[:3])
    with pytest.raises(ValueError, match=r"product_where must be of shape \[2, 4\], got \[1, 4\]"):
        losses.density_ratio(row, np.ones((2, 4)), product_where=row > 0)
    with pytest.raises(TypeError, match="product_where must be bool, got float"):
        losses.density_ratio(row, row, product_where=np.ones(4, np.float32))
    with pytest.raises(ValueError, match=r"shared must be \[batch\] = \[4\], got \[3\]"):
        losses.private_information(row, row[:3], gamma=1.0, epsilon=1.0)
    with pytest.raises(ValueError, match=r"own must be \[batch\]"):
        losses.private_information(row[None], row, gamma=1.0, epsilon=1.0)
