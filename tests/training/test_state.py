import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmalign import training


def init(key, batch):
    kernel = jax.random.normal(key, (batch["x"].shape[-1], 3))
    return {"params": {"acc": {"kernel": kernel}, "gyro": {"kernel": 2 * kernel}}}


BATCH = {"x": jax.ShapeDtypeStruct((4, 5), jnp.float32)}


def test_keys_differ_by_seed_name_and_step_and_are_the_same_in_every_process():
    cases = [(0, "init"), (1, "init"), (0, "train"), (0, "train", 1), (0, "train", 2)]
    numbers = [tuple(jax.random.key_data(training.stream_key(*case)).tolist()) for case in cases]
    assert len(set(numbers)) == len(cases)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 0x5C66E4A3), 2)
    traced = jax.jit(lambda step: training.stream_key(0, "train", step))(2)
    np.testing.assert_array_equal(jax.random.key_data(traced), numbers[-1])
    np.testing.assert_array_equal(jax.random.key_data(key), numbers[-1])


def test_state_starts_at_step_zero_on_the_mesh_with_the_average_equal_to_the_weights():
    mesh, tx = training.data_mesh(), optax.adam(1e-3)
    key = training.stream_key(0, "init")
    state = training.init_state(init, tx, key, BATCH, mesh=mesh, ema=True)
    assert state.step.dtype == jnp.int32 and int(state.step) == 0
    assert {x.sharding for x in jax.tree.leaves(state)} == {training.replicated(mesh)}
    jax.tree.map(np.testing.assert_array_equal, state.ema, state.params)
    assert training.init_state(init, tx, key, BATCH).ema is None


def test_abstract_and_real_batches_start_alike():
    key = training.stream_key(0, "init")
    real = training.init_state(init, optax.sgd(1.0), key, {"x": jnp.ones((4, 5))})
    abstract = training.init_state(init, optax.sgd(1.0), key, BATCH)
    jax.tree.map(np.testing.assert_array_equal, real, abstract)


def test_warm_start_survives_the_donation_of_the_state():
    source = {"acc": {"kernel": jnp.ones((5, 3))}}
    key = training.stream_key(0, "init")
    state = training.init_state(
        init, optax.sgd(1.0), key, BATCH, source=source, patterns=("acc",), ema=True
    )
    np.testing.assert_array_equal(state.params["acc"]["kernel"], 1)
    np.testing.assert_array_equal(state.ema["acc"]["kernel"], 1)
    assert not np.allclose(state.params["gyro"]["kernel"], 1)
    jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)(state)
    np.testing.assert_array_equal(source["acc"]["kernel"], 1)


def test_state_of_a_stage_lists_its_fields():
    with pytest.raises(TypeError):
        training.TrainState(step=0, params={}, opt_state=(), momentum=0)
