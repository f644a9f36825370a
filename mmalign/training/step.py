"""One update: gather, differentiate, apply. A pure function, jitted by the loop."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from mmalign.training.optimizer import gradient_norms
from mmalign.training.state import TrainState

TrainStep = Callable[[TrainState, Any, Any], tuple[TrainState, dict[str, jax.Array]]]
KEPT = 16  # steps, and programs of them, that whoever asks for the same again finds


@functools.lru_cache(KEPT)
def make_train_step(
    loss: Callable[..., tuple[jax.Array, dict[str, Any]]], tx: optax.GradientTransformation,
    prepare: Callable[[Any, Any], Mapping[str, Any]], *, num_steps: int, ema: float = 0.0,
) -> TrainStep:  # fmt: skip
    """Turns a method's loss into `step(state, data, rows) -> (state, metrics)`.

    loss: (variables, batch, key) -> (scalar, {"metrics": {name: scalar}, optional "state": ...}).
      variables hold "params", "state" if the method has one, and "target", the averaged weights,
      if the stage has `ema`.
    data: as `with_key` makes it; its key and the step give the step's key, so no key is stored and
      resuming is exact.
    prepare: (data, rows) -> batch, pure: gathers and normalises on the device.
    num_steps: of the stage; the batch gets `progress`, the share of them done, for schedules.
    ema: decay of the averaged weights, in [0, 1), of all weights since the first step; 0 if the
      state has none.
    metrics: the loss's own, "loss", and "grad_norm" before clipping.
    Asked for by the same objects it is the same function, whose program the loop finds compiled:
    seeds and folds of one training differ in data alone.
    """

    def train_step(state, data, rows):
        if (ema > 0) != (state.ema is not None):
            raise ValueError(f"ema={ema}, but the state has {'no' if ema else 'an'} average")
        batch = {**prepare(data["data"], rows), "progress": state.step / num_steps}
        key = jax.random.fold_in(jax.random.wrap_key_data(data["key"]), state.step)

        beside = {"state": state.state, "target": state.ema}
        beside = {name: tree for name, tree in beside.items() if tree is not None}

        def objective(params):
            return loss({"params": params, **beside}, batch, key)

        (value, aux), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        average = None
        if ema:  # the first weights, which nobody trained, count for nothing
            share = (1 - ema) / (1 - ema ** (state.step + 1))
            average = optax.incremental_update(params, state.ema, share)
        metrics = {**aux["metrics"], "loss": value, **gradient_norms(grads, opt_state)}
        kept = aux.get("state", state.state)
        return TrainState(state.step + 1, params, opt_state, kept, average), metrics

    return train_step
