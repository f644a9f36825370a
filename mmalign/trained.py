"""A trained run as a function from windows to embeddings."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import config_dict

from mmalign import methods, plan, training
from mmalign.data import feed, standardise


def load(workdir, stage=None):
    """The model that a run left in its workdir.

    Args:
      workdir: as given to `run`.
      stage: name of a stage of the config; None: the last, the aligned model. One that learns from
        labels has a name for each share of them, such as "finetune_100", and embeds "logits", too.
    Returns: Trained.
    Raises: ValueError if the folder holds no finished run of that stage.
    """
    folder = pathlib.Path(workdir).expanduser().absolute()
    if not (folder / "data.json").exists():
        raise ValueError(f"{folder} holds no run: config.json and data.json are missing")
    config = config_dict.ConfigDict(json.loads((folder / "config.json").read_text()))
    data = json.loads((folder / "data.json").read_text())
    name = config.stages[-1] if stage is None else stage
    known = {
        training: block
        for block_name in (*config.stages, *config.references)
        for training, block in plan.expanded(block_name, config[block_name].to_dict(), config)
    }
    if name not in known:
        raise ValueError(f"the run in {folder} has no stage {name!r}; it has {', '.join(known)}")
    modalities = {
        m: methods.Modality(tuple(d["shape"]), d["rate_hz"]) for m, d in data["modalities"].items()
    }
    block = known[name]
    method = plan.stage_method(block, config, modalities, len(data["classes"]))
    batch = {
        "inputs": {m: jnp.zeros((2, *modality.shape)) for m, modality in modalities.items()},
        "present": dict.fromkeys(modalities, jnp.ones(2, bool)),
    }
    params = jax.eval_shape(method.init, jax.random.key(0), batch)["params"]
    part = "ema" if block.get("ema") else "params"
    home = folder / "checkpoints" / name
    # Looked at first: opening removes unfinished saves, and the run may be training just now.
    done = max((int(x.name) for x in home.glob("*") if x.name.isdigit()), default=0)
    if done != block["steps"]:
        raise ValueError(
            f"stage {name!r} in {folder} has saved {done} of {block['steps']} steps: start the run "
            f"again to finish it"
        )
    with training.Checkpoints(home, 1) as checkpoints:
        params = checkpoints.load(None, {part: params}, partial=True)[part]
    stats = jax.tree.map(
        lambda x: np.asarray(x, np.float32), data["statistics"],
        is_leaf=lambda x: isinstance(x, list),
    )  # fmt: skip
    by_subject = config.data.get("standardise") == "subject"
    return Trained(method, {"params": params}, modalities, stats, by_subject=by_subject)


class Trained:
    """Embeds windows. `modalities` tells which sensors, of which shape and rate, it knows."""

    def __init__(self, method, variables, modalities, statistics, *, by_subject=False):
        """As `load` puts them together."""
        self.modalities, self._by_subject = modalities, by_subject
        self._variables, self._statistics = variables, statistics
        self._program = jax.jit(
            lambda variables, batch: method.embed(variables, feed.normalise(batch, statistics))
        )

    def embed(self, inputs, *, subject=None, batch_size=256):
        """Embeddings of windows in the unit of the training data.

        Args:
          inputs: {modality: [n, time, channels]}, of any of the run's modalities. A modality left
            out is absent in all windows, a window that is NaN throughout in that window.
          subject: [n], of whom each window is, where the run has data.standardise="subject": a
            person's windows are then seen relative to all of theirs that are given here.
          batch_size: windows at a time.
        Returns: {modality: [n, d], ..., "joint": [n, d]} for all modalities of the run, zeros where
          one is absent.
        Raises: ValueError for unknown names, other shapes, values that are not finite, or a subject
          that is missing or not asked for.
        """
        inputs, present = self._checked(inputs)
        if self._by_subject or subject is not None:
            inputs = standardise.relative(inputs, present, self._checked_subject(subject, inputs))
        out = []
        for start in range(0, len(next(iter(inputs.values()))), batch_size):
            rows = slice(start, start + batch_size)
            batch = {
                "inputs": {m: _padded(x[rows], batch_size) for m, x in inputs.items()},
                "present": {m: _padded(p[rows], batch_size) for m, p in present.items()},
            }
            here = len(present[next(iter(present))][rows])
            z = jax.device_get(self._program(self._variables, batch))
            out.append({part: x[:here] for part, x in z.items()})
        return {part: np.concatenate([z[part] for z in out]) for part in out[0]}

    def _checked(self, inputs):
        unknown = sorted(set(inputs) - set(self.modalities))
        if unknown or not inputs:
            raise ValueError(
                f"inputs has {', '.join(map(repr, unknown)) or 'no modality'}; the model knows "
                f"{', '.join(map(repr, self.modalities))}"
            )
        n = len(next(iter(inputs.values())))
        if not n:
            raise ValueError("inputs hold no window; give at least one")
        whole, present = {}, {}
        for m, modality in self.modalities.items():
            shape = (n, *modality.shape)
            x = np.asarray(inputs.get(m, np.full(shape, np.nan, np.float32)), np.float32)
            if x.shape != shape:
                raise ValueError(
                    f"inputs[{m!r}] has shape {x.shape}, expected {shape}: [windows, time, "
                    f"channels] as in training, the same windows in every modality"
                )
            present[m] = ~np.isnan(x).all(axis=(1, 2))
            bad = np.flatnonzero(present[m] & ~np.isfinite(x).all(axis=(1, 2)))
            if len(bad):
                raise ValueError(
                    f"inputs[{m!r}] is not finite in window {bad[0]}: repair it, or set the whole "
                    f"window to NaN to mark it absent"
                )
            whole[m] = x
        return whole, present

    def _checked_subject(self, subject, inputs):
        if not self._by_subject:
            raise ValueError(
                "subject is not used: the run standardised its channels by all training windows"
            )
        n = len(next(iter(inputs.values())))
        if np.shape(subject) != (n,):
            raise ValueError(
                f"subject must be [{n}], one for each window, got shape {np.shape(subject)}: the "
                "run standardised its channels by subject"
            )
        return np.asarray(subject)


def _padded(x, size):
    """Rows of zeros (absent windows) up to one size, so that one program serves all."""
    return x if len(x) == size else np.pad(x, [(0, size - len(x)), *[(0, 0)] * (x.ndim - 1)])
