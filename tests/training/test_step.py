import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmalign import training

DATA = jnp.arange(12.0).reshape(6, 2)


def loss(variables, batch, key):
    value = jnp.sum((variables["params"]["w"] - batch["x"].mean(axis=0)) ** 2)
    return value, {"metrics": {"noise": jax.random.uniform(key), "share": batch["progress"]}}


def prepare(data, rows):
    return {"x": data[rows]}


def run(steps, *, ema=0.0, name="fit", seed=0, tx=None):
    tx = optax.sgd(0.1) if tx is None else tx
    params, nobody = {"w": jnp.zeros(2)}, {"w": jnp.full(2, 9.0)}
    state = training.TrainState(jnp.int32(0), params, tx.init(params), ema=nobody if ema else None)
    step = training.make_train_step(loss, tx, prepare, num_steps=4, ema=ema)
    data, history = training.with_key(DATA, seed, name), []
    for index in range(steps):
        state, metrics = jax.jit(step)(state, data, jnp.array([index, index + 1]))
        history.append((state, metrics))
    return history


def test_update_and_average_follow_the_formulas():
    w, average = np.zeros(2), np.zeros(2)
    for index, (state, metrics) in enumerate(run(3, ema=0.75)):
        target = np.arange(12.0).reshape(6, 2)[[index, index + 1]].mean(axis=0)
        gradient = 2 * (w - target)
        np.testing.assert_allclose(metrics["loss"], np.sum((w - target) ** 2), rtol=1e-6)
        np.testing.assert_allclose(metrics["grad_norm"], np.linalg.norm(gradient), rtol=1e-6)
        w = w - 0.1 * gradient
        average = 0.75 * average + 0.25 * w  # of weights since the first step alone
        np.testing.assert_allclose(state.params["w"], w, rtol=1e-6)
        np.testing.assert_allclose(state.ema["w"], average / (1 - 0.75 ** (index + 1)), rtol=1e-5)
        assert int(state.step) == index + 1


def test_key_comes_from_seed_name_and_step():
    noise = lambda **changes: [float(metrics["noise"]) for _, metrics in run(2, **changes)]
    drawn = [*noise(), *noise(seed=1), *noise(name="other")]
    assert len(set(drawn)) == 6 and noise() == drawn[:2]
    want = jax.random.uniform(training.stream_key(0, "fit", 1))
    np.testing.assert_array_equal(drawn[1], want)


def test_the_batch_tells_the_share_of_steps_done():
    assert [float(metrics["share"]) for _, metrics in run(4)] == [0.0, 0.25, 0.5, 0.75]


def test_metrics_hold_the_norm_of_each_group():
    tx = training.make_optimizer({"lr": 0.1, "groups": {"w": {}}}, 10)
    metrics = run(1, tx=tx)[0][1]
    assert set(metrics) == {"noise", "share", "loss", "grad_norm", "grad_norm_main", "grad_norm_w"}


def test_average_asked_for_but_not_in_the_state_is_an_error():
    tx = optax.sgd(0.1)
    step = training.make_train_step(loss, tx, prepare, num_steps=4, ema=0.9)
    state = training.TrainState(jnp.int32(0), {"w": jnp.zeros(2)}, ())
    with pytest.raises(ValueError, match=r"ema=0.9, but the state has no average"):
        step(state, training.with_key(DATA, 0, "fit"), jnp.array([0]))


def test_state_goes_from_step_to_step_and_the_target_lags_behind():
    def counted(variables, batch, key):
        seen = variables["state"] + 1
        apart = jnp.abs(variables["target"]["w"] - variables["params"]["w"]).sum()
        value, aux = loss(variables, batch, key)
        return value, aux | {"state": seen, "metrics": {"apart": apart}}

    tx, params = optax.sgd(0.1), {"w": jnp.zeros(2)}
    state = training.TrainState(jnp.int32(0), params, tx.init(params), jnp.int32(5), params)
    step = jax.jit(training.make_train_step(counted, tx, prepare, num_steps=4, ema=0.75))
    for index in range(3):
        state, metrics = step(state, training.with_key(DATA, 0, "fit"), jnp.array([index]))
        assert (float(metrics["apart"]) > 0) == (index > 1)  # one step is its own mean
    assert int(state.state) == 8
