"""The step of CroSSL that `bench.step` times, ours and PyTorch's, from one set of weights."""

import jax
import numpy as np

from mmalign import methods, training
from mmalign.augment import draw_latent_masks, latent_mask
from mmalign.methods.crossl_presets import PRESETS
from mmalign.methods.sensors import named_key

SCHEDULE = 1000  # steps of a stage whose learning rate is constant


def pytorch(case):
    """The same in eager PyTorch; its masks are drawn beforehand."""
    from experiments.bench import peers

    state, data, _ = parts(case)
    mask = latent_mask(_names(case), **_mask(case))
    there = np.ones((case["batch"], case["modalities"]), bool)

    @jax.jit
    def keep(step):
        key = jax.random.fold_in(jax.random.wrap_key_data(data["key"]), step)
        return draw_latent_masks(named_key(key, "masks"), mask, there, 1)

    steps = range(1 + case["steps"] + 3)
    return peers.crossl_step(
        jax.tree.map(np.asarray, state.params),
        list(data["data"].values()),
        [np.asarray(keep(step)).astype(np.float32) for step in steps],
        lr=case["lr"],
        threads=case["cores"],
    )


def _names(case):
    return tuple(f"sensor_{i}" for i in range(case["modalities"]))


def _mask(case):
    return {"strategy": "spatial", "keep_prob": case["keep_prob"], "min_keep": 0}


def parts(case):
    """The first state of a training, all data, and its step."""
    names, shape = _names(case), (case["samples"], case["channels"])
    config = {
        **dict.fromkeys(PRESETS["fixed"]), "name": "crossl", "preset": "fixed", "augment": None,
        "encoder": {"name": "conv", "preset": "crossl"}, "mask": _mask(case),
    }  # fmt: skip
    method = methods.create(config, dict.fromkeys(names, methods.Modality("series", shape, 100.0)))
    rng, there = np.random.default_rng(0), np.ones(case["batch"], bool)
    inputs = {m: rng.standard_normal((case["batch"], *shape), np.float32) for m in names}

    def prepare(inputs, rows):
        del rows  # the same batch at every step, by other masks
        return {"inputs": inputs, "present": dict.fromkeys(inputs, there)}

    tx = training.make_optimizer({"lr": case["lr"], "floor": 1.0, "warmup_steps": 0}, SCHEDULE)
    batch = jax.eval_shape(prepare, inputs, None)
    state = training.init_state(method.init, tx, jax.random.key(0), batch)
    step = training.make_train_step(method.loss, tx, prepare, num_steps=SCHEDULE)
    return state, training.with_key(inputs, 0, "crossl"), step
