import jax
import numpy as np
import pytest

from mmalign import losses


def _contrast(z, partner, i, others):
    """-log softmax of the partner among others: Yue et al., eq. 1 and 2."""
    return -np.log(np.exp(z[i] @ z[partner]) / sum(np.exp(z[i] @ z[k]) for k in others))


def _from_the_equations(z_a, z_b, alpha):
    n, out, levels = len(z_a), 0, 0
    while True:
        time, level = z_a.shape[1], np.zeros(n)
        for t in range(time):
            z = np.concatenate([z_a[:, t], z_b[:, t]])
            for i in range(2 * n):
                others = [k for k in range(2 * n) if k != i]
                level[i % n] += alpha * _contrast(z, (i + n) % (2 * n), i, others) / (2 * time)
        for i in range(n if time > 1 else 0):
            z = np.concatenate([z_a[i], z_b[i]])
            for t in range(2 * time):
                others = [k for k in range(2 * time) if k != t]
                loss = _contrast(z, (t + time) % (2 * time), t, others)
                level[i] += (1 - alpha) * loss / (2 * time)
        out, levels = out + level, levels + 1
        if time == 1:
            return out / levels
        halved = time // 2 * 2
        z_a, z_b = (np.maximum(z[:, :halved:2], z[:, 1:halved:2]) for z in (z_a, z_b))


def test_it_is_its_equations_and_has_its_published_values(rng):
    run = jax.jit(losses.hierarchical_contrast, static_argnames="tile")
    z_a = [[[1, 0], [0, 1], [1, 1], [0.5, 0]], [[0, 1], [1, 0], [0, 0.5], [1, 1]]]
    z_b = [[[1, 0.5], [0, 1], [0.5, 1], [0, 0]], [[0, 1], [0.5, 0], [0, 1], [1, 0.5]]]
    with jax.enable_x64(True):
        got = run(np.array(z_a, float), np.array(z_b))
        np.testing.assert_allclose(got, [0.96523833, 0.96746265], atol=1e-8)
        z_a, z_b = rng.standard_normal((2, 4, 5, 2))
        want = _from_the_equations(z_a, z_b, 0.3)
        for tile in (None, 3):
            np.testing.assert_allclose(run(z_a, z_b, alpha=0.3, tile=tile), want, rtol=1e-9)


def test_chance_is_a_mean_over_levels():
    z = np.zeros((2, 4, 3), np.float32)
    np.testing.assert_allclose(losses.hierarchical_contrast(z, z), 1.05672655, rtol=1e-6)


def test_what_does_not_fit_is_named():
    z = np.ones((2, 4, 3), np.float32)
    with pytest.raises(ValueError, match=r"two \[batch, time, dim\] arrays alike, got \(2, 4, 3\)"):
        losses.hierarchical_contrast(z, z[:, :3])
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\], got 2"):
        losses.hierarchical_contrast(z, z, alpha=2)
