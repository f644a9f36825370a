"""A trained run as a function from windows to embeddings."""

import json
import os
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from mmalign import methods
from mmalign.data import feed, standardise
from mmalign.described import DATA, RUN
from mmalign.fit import load_variables
from mmalign.graph import COMPLETE, NODE
from mmalign.workdir import CONFIG


def load(workdir: str | os.PathLike, stage: str | None = None) -> "Trained":
    """The model that a run left in its workdir.

    Args:
      workdir: as given to `run`.
      stage: name of a stage of the config; None: the last, the aligned model. One that learns from
        labels has a name for each share of them, such as "finetune_100", and embeds "logits", too.
        "random_encoder" is the untrained network.
    Returns: Trained.
    Raises: ValueError if the folder holds no finished run of that stage.
    """
    folder = pathlib.Path(workdir).expanduser().absolute()
    if not (folder / RUN).exists():
        raise ValueError(f"{folder} holds no run: {RUN} is missing")
    config, data, made = (json.loads((folder / name).read_text()) for name in (CONFIG, DATA, RUN))
    name = config["stages"][-1] if stage is None else stage
    if name not in made["trainings"]:
        names = ", ".join(made["trainings"])
        raise ValueError(f"the run in {folder} has no stage {name!r}; it has {names}")
    home = folder / made["artifacts"] / made["trainings"][name]
    if not (home / COMPLETE).exists():
        raise ValueError(f"stage {name!r} in {folder} is not finished: start the run again")
    modalities = {
        m: methods.Modality(d["kind"], tuple(d["shape"]), d["rate_hz"])
        for m, d in data["modalities"].items()
    }
    spec = json.loads((home / NODE).read_text())["spec"]
    targets = {task: methods.Target(*target) for task, target in data["targets"].items()}
    length = spec.get("sampler", {}).get("length", 1)
    method = methods.create(spec["method"], modalities, targets=targets, length=length)
    variables = load_variables(
        home, method, _blank(modalities, 2), steps=spec["steps"], ema=bool(spec.get("ema"))
    )
    statistics = jax.tree.map(
        lambda x: np.asarray(x, np.float32), data["statistics"],
        is_leaf=lambda x: isinstance(x, list),
    )  # fmt: skip
    by_subject = config["data"].get("standardise") == "subject"
    return Trained(method, variables, modalities, statistics, by_subject=by_subject)


class Trained:
    """Embeds windows.

    modalities: {name: Modality}, which sensors it knows. variables: of its method, parameters among
    them. statistics: {name: {"mean", "std"}} of channels, in the unit of the training data.
    """

    def __init__(
        self, method: methods.Method, variables: Mapping, modalities: Mapping, statistics: Mapping,
        *, by_subject: bool = False,
    ):  # fmt: skip
        """As `load` puts them together."""
        self.modalities, self._by_subject = modalities, by_subject
        self.variables, self.statistics = variables, statistics
        self._program = jax.jit(
            lambda variables, batch: method.embed(variables, feed.normalise(batch, statistics))
        )

    def embed(
        self, inputs: Mapping[str, np.ndarray], *, subject: np.ndarray | None = None,
        batch_size: int = 256,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """Embeddings of windows in the unit of the training data.

        Args:
          inputs: {modality: [n, *shape]}, a series [n, time, channels], of any of the run's
            modalities. A modality left out is absent in all windows, a window that is NaN
            throughout in that window; samples of a series that are NaN are gaps.
          subject: [n], of whom each window is, where the run has data.standardise="subject": a
            person's windows are then seen relative to all of theirs that are given here.
          batch_size: windows at a time.
        Returns: {modality: [n, d], ..., "joint": [n, d]} for all modalities of the run, zeros where
          one is absent. "joint" is what the report scored, for windows that lack sensors, too.
        Raises: ValueError for unknown names, other shapes, values that are not finite, or a subject
          that is missing or not asked for.
        """
        inputs, present, valid = self._checked(inputs)
        if self._by_subject or subject is not None:
            subject = self._checked_subject(subject, inputs)
            inputs = standardise.relative(inputs, present, subject, valid)
        out = []
        for start in range(0, len(next(iter(inputs.values()))), batch_size):
            rows = slice(start, start + batch_size)
            batch = {"inputs": inputs, "present": present} | ({"valid": valid} if valid else {})
            batch = jax.tree.map(lambda x: _padded(x[rows], batch_size), batch)  # noqa: B023
            count = len(next(iter(present.values()))[rows])
            z = jax.device_get(self._program(self.variables, batch))
            out.append({part: x[:count] for part, x in z.items()})
        return {part: np.concatenate([z[part] for z in out]) for part in out[0]}

    def _checked(self, inputs):
        """(inputs, present, valid) of all modalities, zeros where nothing was given."""
        unknown = sorted(set(inputs) - set(self.modalities))
        if unknown or not inputs:
            raise ValueError(
                f"inputs has {', '.join(map(repr, unknown)) or 'no modality'}; the model knows "
                f"{', '.join(map(repr, self.modalities))}"
            )
        n = len(next(iter(inputs.values())))
        if not n:
            raise ValueError("inputs hold no window; give at least one")
        filled, present, valid = {}, {}, {}
        for m, modality in self.modalities.items():
            shape = (n, *modality.shape)
            x = np.asarray(inputs.get(m, np.full(shape, np.nan, np.float32)), np.float32)
            if x.shape != shape:
                axes = "time, channels" if modality.kind == "series" else "..."
                raise ValueError(
                    f"inputs[{m!r}] has shape {x.shape}, expected {shape}: [windows, {axes}] as in "
                    f"training, the same windows in every modality"
                )
            filled[m], present[m], gaps = _gaps_apart(m, x, modality.kind)
            if gaps is not None:
                valid[m] = gaps
        return filled, present, valid

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


def _gaps_apart(m, x, kind):
    """(x, present [n], valid [n, time] or None where there are no gaps) of a modality's windows."""
    within = tuple(range(1, x.ndim))
    missing = np.isnan(x)
    present = ~missing.all(axis=within)
    if (infinite := np.flatnonzero(np.isinf(x).any(axis=within))).size:
        raise ValueError(f"inputs[{m!r}] is not finite in window {infinite[0]}: repair it")
    partly = np.flatnonzero(present & missing.any(axis=within))
    if not partly.size:
        return x, present, None
    if kind != "series":
        raise ValueError(
            f"inputs[{m!r}] is not finite in window {partly[0]}: repair it, or set the whole "
            f"window to NaN to mark it absent"
        )
    valid = ~missing.any(axis=2)
    return np.where(valid[..., None], x, np.float32(0)), present, valid


def _blank(modalities, n):
    """A batch of nothing but zeros."""
    return {
        "inputs": {m: jnp.zeros((n, *modality.shape)) for m, modality in modalities.items()},
        "present": dict.fromkeys(modalities, jnp.ones(n, bool)),
    }


def _padded(x, size):
    """Rows of zeros (absent windows) up to one size, so that one program serves all."""
    return x if len(x) == size else np.pad(x, [(0, size - len(x)), *[(0, 0)] * (x.ndim - 1)])
