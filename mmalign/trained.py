"""A trained run as a function from windows to embeddings, and to what its probe answers."""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmalign import embed_inputs, methods
from mmalign.data import feed, standardise
from mmalign.data.dataset import UNKNOWN
from mmalign.described import DATA, RUN
from mmalign.evaluation import StoredProbe, restored
from mmalign.files import Damaged, read_arrays
from mmalign.fit import load_variables
from mmalign.graph import COMPLETE, NODE
from mmalign.methods import JOINT
from mmalign.score import PROBE
from mmalign.workdir import CONFIG


class Recipe(NamedTuple):
    """What a method is made of: its config, modalities, targets and sequence length."""

    method: Mapping[str, Any]
    modalities: Mapping[str, methods.Modality]
    targets: Mapping[str, methods.Target]
    length: int

    def made(self) -> methods.Method:
        """The method."""
        return methods.create(
            self.method, self.modalities, targets=self.targets, length=self.length
        )


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
    recipe = Recipe(spec["method"], modalities, targets, length)
    try:
        variables = load_variables(
            home, recipe.made(), blank(modalities, 2), steps=spec["steps"],
            ema=bool(spec.get("ema")),
        )  # fmt: skip
    except Damaged as error:
        raise Damaged(
            f"{error}: delete {home} and {home.with_name(made['report'])} and start the run again"
        ) from error
    statistics = jax.tree.map(
        lambda x: np.asarray(x, np.float32), data["statistics"],
        is_leaf=lambda x: isinstance(x, list),
    )  # fmt: skip
    probe = folder / made["artifacts"] / made["probes"].get(name, "") / PROBE
    return Trained(
        recipe, variables, statistics,
        by_subject=config["data"].get("standardise") == "subject", classes=data["classes"],
        probe=restored(read_arrays(probe)) if probe.is_file() else None,
    )  # fmt: skip


class Trained:
    """Embeds windows, and predicts their classes where the run had labels.

    modalities: {name: Modality}, which sensors it knows. variables: of its method, parameters among
    them. statistics: {name: {"mean", "std"}} of channels, in the unit of the training data.
    classes: names of the labels. probe: the linear probe that the report scored, or None.
    It can be pickled, and copied.
    """

    def __init__(
        self, recipe: Recipe, variables: Mapping, statistics: Mapping, *, by_subject: bool = False,
        classes: Sequence[str] = (), probe: StoredProbe | None = None,
    ):  # fmt: skip
        """As `load` puts them together."""
        self.recipe, self.modalities, self.by_subject = recipe, recipe.modalities, by_subject
        self.variables, self.statistics = variables, statistics
        self.classes, self.probe = tuple(classes), probe
        embed = recipe.made().embed
        self._program = jax.jit(
            lambda variables, batch: embed(variables, feed.normalise(batch, statistics))
        )

    def embed(
        self, inputs: Mapping[str, np.ndarray | None], *, subject: np.ndarray | None = None,
        rate_hz: Mapping[str, float] | None = None, batch_size: int = 256,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """Embeddings of windows in the unit of the training data.

        Args:
          inputs: {modality: [n, *shape]}, a series [n, time, channels], of any of the run's
            modalities. A modality left out, or None, is absent in all windows, a window that is
            NaN throughout in that window; samples of a series that are NaN are gaps.
          subject: [n], of whom each window is, where the run has data.standardise="subject": a
            person's windows are then seen relative to all of theirs that are given here.
          rate_hz: {series: samples a second} of those that have another rate than in training; as
            many seconds as a window has are taken from the beginning.
          batch_size: windows at a time.
        Returns: {modality: [n, d], ..., "joint": [n, d]} for all modalities of the run, zeros where
          one is absent. "joint" is what the report scored, for windows that lack sensors, too.
        Raises: ValueError for unknown names, other shapes, values that are not finite, windows of
          which none has any modality, or a subject that is missing or not asked for.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number, 1 or more, got {batch_size!r}")
        inputs, present, valid = embed_inputs.checked(inputs, self.modalities, rate_hz)
        if self.by_subject or subject is not None:
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

    @property
    def answers(self) -> bool:
        """Whether it predicts classes."""
        return self.probe is not None or self.recipe.made().answers

    def predict_proba(self, inputs: Mapping[str, np.ndarray | None], **how: Any) -> np.ndarray:
        """[n, classes] probabilities, in the order of `classes`; arguments as of `embed`.

        By the linear probe of the joint embedding at the largest share of labels, which the report
        scored, or by the network itself where it answers. `probe.calibration_error` tells how far
        they were off on the test people.
        Raises: ValueError where the run had no labels to fit a probe to.
        """
        return self.odds(self.embed(inputs, **how))

    def odds(self, z: Mapping[str, np.ndarray]) -> np.ndarray:
        """[n, classes] probabilities of windows that `embed` gave z of; as `predict_proba`."""
        if "logits" in z:
            return np.asarray(jax.nn.softmax(z["logits"], axis=1))
        if self.probe is None:
            raise ValueError("the run fitted no probe to this stage: it had no labels, or no row")
        out = np.zeros((len(z[JOINT]), len(self.classes)))
        out[:, self.probe.classes] = self.probe.probabilities(z[JOINT])
        return out

    def predict(self, inputs: Mapping[str, np.ndarray | None], **how: Any) -> np.ndarray:
        """[n] names of the likeliest classes; as `predict_proba`."""
        return self.named(self.predict_proba(inputs, **how))

    def named(self, odds: np.ndarray) -> np.ndarray:
        """[n] names of the likeliest classes of [n, classes] probabilities."""
        return np.array(self.classes)[odds.argmax(axis=1)]

    def __repr__(self) -> str:
        rate = lambda d: f" at {d.rate_hz:g} Hz" if d.rate_hz else ""
        of = [
            f"{m}: {d.kind} {' x '.join(map(str, d.shape))}{rate(d)}"
            for m, d in self.modalities.items()
        ]
        answers = f"; classes {', '.join(self.classes)}" if self.answers else ""
        return f"Trained({self.recipe.method['name']}; {'; '.join(of)}{answers})"

    def __getstate__(self) -> dict[str, Any]:
        """All but the compiled program."""
        return {
            "recipe": self.recipe, "variables": jax.device_get(self.variables),
            "statistics": self.statistics, "by_subject": self.by_subject,
            "classes": self.classes, "probe": self.probe,
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The same model again."""
        recipe, variables, statistics = (
            state.pop(x) for x in ("recipe", "variables", "statistics")
        )
        self.__init__(recipe, variables, statistics, **state)

    def _checked_subject(self, subject, inputs):
        if not self.by_subject:
            raise ValueError(
                "subject is not used: the run standardised its channels by all training windows"
            )
        n = len(next(iter(inputs.values())))
        if np.shape(subject) != (n,):
            raise ValueError(
                f"subject must be [{n}], one for each window, got shape {np.shape(subject)}: the "
                "run standardised its channels by subject"
            )
        subject = np.asarray(subject)
        if subject.dtype.kind in "fi" and (subject < 0).any():
            raise ValueError(
                f"subject is unknown, {UNKNOWN}, of {int((subject < 0).sum())} windows: the run "
                "standardised its channels by subject, and windows of nobody known cannot be"
            )
        return subject


def blank(modalities: Mapping[str, methods.Modality], n: int) -> dict[str, Any]:
    """A batch of n windows of nothing but zeros."""
    return {
        "inputs": {m: jnp.zeros((n, *modality.shape)) for m, modality in modalities.items()},
        "present": dict.fromkeys(modalities, jnp.ones(n, bool)),
    }


def _padded(x, size):
    """Rows of zeros (absent windows) up to one size, so that one program serves all."""
    return x if len(x) == size else np.pad(x, [(0, size - len(x)), *[(0, 0)] * (x.ndim - 1)])
