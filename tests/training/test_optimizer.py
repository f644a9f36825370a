import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from mmalign.training import make_optimizer, make_schedule, path_names
from mmalign.training.optimizer import gradient_norms


def ones(*shape):
    return np.ones(shape, np.float32)


PARAMS = {
    "encoder": {
        "dense": {"kernel": ones(3, 2), "bias": ones(2)},
        "token": ones(1, 2),
    },
    "critics": {"out": {"kernel": ones(2, 2), "bias": ones(2)}},
}


def updates(config, grads, *, params=PARAMS, steps=1, num_steps=10):
    return run(make_optimizer(config, num_steps), grads, params, steps)


def run(tx, grads, params, steps):
    @jax.jit
    def step(params, state):
        change, state = tx.update(grads, state, params)
        return optax.apply_updates(params, change), state

    state = tx.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return params, state


def full(encoder, critics):
    fill = lambda value, tree: jax.tree.map(lambda x: np.full_like(x, value), tree)
    return {
        "encoder": fill(encoder, PARAMS["encoder"]),
        "critics": fill(critics, PARAMS["critics"]),
    }


def test_one_group_is_plain_adamw():
    grads = jax.tree.map(
        lambda x: x * np.arange(x.size, dtype=np.float32).reshape(x.shape) / 7, PARAMS
    )
    got, _ = updates({"lr": 0.1, "clip_norm": 1e9}, grads, steps=3)
    tx = optax.adamw(optax.cosine_decay_schedule(0.1, 10), weight_decay=0.0)
    want = run(tx, grads, PARAMS, 3)[0]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, want)


def test_each_group_is_clipped_by_its_own_norm():
    config = {"lr": 0.1, "clip_norm": 1.0, "eps": 1.0, "groups": {"critics": {}}}
    calm, state = updates(config, full(0.1, 0.1))
    loud, loud_state = updates(config, full(0.1, 1e4))
    jax.tree.map(np.testing.assert_array_equal, calm["encoder"], loud["encoder"])
    assert not np.allclose(calm["critics"]["out"]["kernel"], loud["critics"]["out"]["kernel"])
    norms = gradient_norms(full(0.1, 1e4), loud_state)
    assert set(norms) == {"grad_norm", "grad_norm_main", "grad_norm_critics"}
    np.testing.assert_allclose(norms["grad_norm_main"], 0.1 * np.sqrt(10), rtol=1e-6)
    np.testing.assert_allclose(norms["grad_norm_critics"], 1e4 * np.sqrt(6), rtol=1e-6)
    total = optax.tree.norm(full(0.1, 0.1))
    np.testing.assert_allclose(gradient_norms(None, state)["grad_norm"], total, rtol=1e-6)


def test_clipping_scales_the_whole_group_to_the_norm():
    grads = full(3.0, 3.0)  # norm 12 over 16 numbers
    clipped, _ = updates({"lr": 1.0, "clip_norm": 1.2, "eps": 1e3}, grads)
    unclipped, _ = updates({"lr": 1.0, "clip_norm": 0, "eps": 1e3}, grads)
    moved = lambda params: optax.tree.norm(optax.tree.sub(params, PARAMS))
    np.testing.assert_allclose(moved(clipped) / moved(unclipped), 0.1, rtol=1e-2)


def test_frozen_parameters_stay_bit_identical_and_cost_no_gradient():
    config = {
        "lr": 0.1,
        "weight_decay": 0.5,
        "freeze": ("encoder",),
        "groups": {"critics": {"lr_scale": 2}},
    }
    params, state = updates(config, full(1.0, 1.0), steps=3)
    jax.tree.map(np.testing.assert_array_equal, params["encoder"], PARAMS["encoder"])
    assert not np.allclose(params["critics"]["out"]["bias"], 1)
    np.testing.assert_allclose(gradient_norms(None, state)["grad_norm"], np.sqrt(6), rtol=1e-6)
    kept = jax.tree.leaves(path_names(state))
    assert not any("encoder" in path for path in kept)


def test_the_compiler_drops_the_backward_pass_of_frozen_parameters():
    params = {name: {"kernel": ones(64, 64)} for name in ("first", "second")}

    def step(params, state, x, tx):
        loss = lambda p: jnp.tanh(x @ p["first"]["kernel"] @ p["second"]["kernel"]).sum()
        grads = jax.grad(loss)(params)
        change, state = tx.update(grads, state, params)
        return optax.apply_updates(params, change), gradient_norms(grads, state)

    def products(freeze):
        tx = make_optimizer({"lr": 0.1, "clip_norm": 1.0, "freeze": freeze}, 10)
        run = jax.jit(lambda params, state, x: step(params, state, x, tx))
        text = run.lower(params, tx.init(params), ones(64, 64)).compile().as_text()
        return text.count(" dot(") + text.count("custom-call(")

    assert products(("first",)) == products(()) - 2


def test_only_kernels_decay():
    params = {
        "attention": {"query": {"kernel": ones(2, 2, 2), "bias": ones(2, 2)}},
        "norm": {"scale": ones(2)},
        "mask_token": ones(1, 1, 2),
        "position": ones(4, 2),
        "labels": {"embedding": ones(4, 2)},
        "cell": {"input_kernel": ones(2, 2)},
        "gain": {"kernel": ones(2)},
    }
    zeros = jax.tree.map(np.zeros_like, params)
    got, _ = updates({"lr": 0.1, "weight_decay": 0.5}, zeros, params=params)
    want = jax.tree.map(np.ones_like, params)
    want["attention"]["query"]["kernel"] *= 0.95
    want["cell"]["input_kernel"] *= 0.95
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, want)


def test_groups_take_their_own_settings_and_the_rest_from_the_config():
    config = ConfigDict(
        {"lr": 0.1, "eps": 0.0, "b1": 0.0, "b2": 0.0, "warmup_steps": 0, "clip_norm": 1.0}
    )
    config.groups = {
        "heads": {"match": "critics/(out|in)", "lr_scale": 3.0},
        "encoder": {"lr": 0.4},
    }
    config.weight_decay = None  # a placeholder left empty
    params, _ = updates(config, full(1.0, -1.0))  # Adam without memory: the sign of the gradient
    np.testing.assert_allclose(params["critics"]["out"]["bias"], 1 + 0.3, rtol=1e-6)
    np.testing.assert_allclose(params["encoder"]["dense"]["bias"], 1 - 0.4, rtol=1e-6)


def test_schedule_rises_to_the_peak_then_falls_to_the_floor():
    rates = np.array([make_schedule(1.0, 4, 20, 0.1)(step) for step in range(21)])
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-6)
    assert np.all(np.diff(rates[4:]) < 0)
    np.testing.assert_allclose(rates[12], 0.55, rtol=1e-6)
    np.testing.assert_allclose(rates[20], 0.1, rtol=1e-6)
    np.testing.assert_allclose(make_schedule(1.0, 0, 20)(0), 1.0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"lr": 1.0, "freeze": ("decoder",)},
            "'decoder' covers no parameter.*critics/out, encoder/d",
        ),
        ({"lr": 1.0, "groups": {"heads": {}}}, "'heads' covers no parameter"),
        (
            {"lr": 1.0, "groups": {"critics": {}, "b": {"match": ".*/out"}}},
            "'critics/out/bias' is in",
        ),
        ({"lr": 1.0, "lrr": 1.0}, "optim: unknown lrr; expected lr, warmup_steps"),
        ({"warmup_steps": 1}, "optim: lr is missing"),
        ({"lr": 1.0, "groups": {"critics": {"lrr": 1}}}, "optim.groups.critics: unknown lrr"),
        ({"lr": 1.0, "groups": {"critics": {"lr": 1, "lr_scale": 1}}}, "lr or lr_scale, not both"),
        ({"lr": 1.0, "groups": {"main": {}}}, "second group named 'main'"),
        ({"lr": 1.0, "warmup_steps": 10}, "warmup_steps=10 does not fit a stage of 10 steps"),
    ],
)
def test_config_that_does_not_fit_says_what_would(config, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(config, 10).init(PARAMS)
