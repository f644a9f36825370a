import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import losses


def _embed(params, batch):
    hidden = {
        name: jnp.tanh(x @ params["first"]) @ params["second"] for name, x in batch["x"].items()
    }
    noise = jax.vmap(lambda key: jax.random.normal(key, (4,), hidden["a"].dtype))(batch["key"])
    return {**hidden, "a": hidden["a"] + 0.1 * noise}


LOSSES = {
    "info_nce": lambda params, z: losses.info_nce(
        z["a"], z["b"], temperature=jnp.exp(params["log_temperature"])
    ),
    "nt_xent_tiled": lambda params, z: losses.nt_xent(z["a"], z["b"], tile=5),
    "vicreg": lambda params, z: sum(losses.vicreg(z["a"], z["b"]).values()),
    "supcon": lambda params, z: losses.supcon([z["a"], z["b"]], jnp.arange(24) % 5),
    "sequences": lambda params, z: losses.sequence_ranking(z["a"], length=3),
}


def _problem(rng):
    params = {
        "first": rng.standard_normal((6, 8)), "second": rng.standard_normal((8, 4)),
        "log_temperature": np.log(0.3),
    }  # fmt: skip
    batch = {
        "x": {name: rng.standard_normal((24, 6)) for name in "ab"},
        "key": jax.random.split(jax.random.key(0), 24),
    }
    return params, batch


@pytest.mark.parametrize(("name", "pieces"), [("info_nce", 1), *((name, 4) for name in LOSSES)])
def test_value_and_gradient_are_those_of_the_full_batch(rng, name, pieces):
    loss = LOSSES[name]
    full = jax.value_and_grad(lambda params, batch: jnp.mean(loss(params, _embed(params, batch))))
    with jax.enable_x64(True):
        params, batch = _problem(rng)
        want, want_grads = jax.jit(full)(params, batch)
        run = jax.jit(losses.value_and_grad_in_pieces(_embed, loss, pieces=pieces))
        got, grads = run(params, batch)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    for key in params:
        np.testing.assert_allclose(grads[key], want_grads[key], rtol=1e-9, atol=1e-12)


def test_what_the_loss_reads_beside_floats_comes_through(rng):
    """Labels, a mask and keys, in the batch and in what is embedded."""
    params, batch = _problem(rng)
    batch |= {"label": np.arange(24) % 5, "where": np.arange(24) % 4 > 0}

    def embed(params, batch):
        same = {name: batch[name] for name in ("label", "where", "key")}
        return {"z": batch["x"]["a"] @ params["first"], **same}

    def loss(params, z):
        noise = jax.vmap(lambda key: jax.random.normal(key, (8,)))(z["key"])
        return losses.supcon([z["z"], z["z"] + noise], z["label"], where=z["where"])

    want = jax.jit(jax.value_and_grad(lambda params: jnp.mean(loss(params, embed(params, batch)))))
    run = jax.jit(losses.value_and_grad_in_pieces(embed, loss, pieces=4))
    value, grads = want(params)
    got, found = run(params, batch)
    np.testing.assert_allclose(got, value, rtol=1e-5)
    np.testing.assert_allclose(found["first"], grads["first"], rtol=1e-4, atol=1e-6)


def test_memory_is_that_of_a_piece():
    def embed(params, x):
        for _ in range(4):
            x = jnp.tanh(x @ params)
        return x[:, :8]

    def temporaries(pieces):
        loss = lambda params, z: losses.info_nce(z, jnp.flip(z, 1), tile=64)
        run = losses.value_and_grad_in_pieces(embed, loss, pieces=pieces)
        shapes = jnp.zeros((256, 256)), jnp.zeros((1024, 256))
        return jax.jit(run).lower(*shapes).compile().memory_analysis().temp_size_in_bytes

    assert temporaries(16) < 0.5 * temporaries(1)


def test_bad_pieces_are_named(rng):
    params, batch = _problem(rng)
    with pytest.raises(ValueError, match="pieces must be a whole number, 1 or more, got 0"):
        losses.value_and_grad_in_pieces(_embed, LOSSES["info_nce"], pieces=0)
    run = losses.value_and_grad_in_pieces(_embed, LOSSES["info_nce"], pieces=5)
    with pytest.raises(ValueError, match="pieces must divide the batch of 24, got 5"):
        run(params, batch)
