"""A trained run for programs without mmalign: StableHLO, weights, a card, and ONNX on request.

    mmalign.export(workdir, folder)

leaves in the folder, which can be uploaded to a model hub as it is:

    model.stablehlo       serialised `jax.export`: (weights, inputs, present) -> {part: [n, d]}, for
                          any n; normalisation and what stands for missing sensors are inside
    model.safetensors     the weights, {path: array}
    model.onnx            with `onnx=True`: the same for ONNX runtimes, weights inside
    config.json           modalities, shapes, rates, units, classes, the probe, the run's config
    README.md             a model card: data, licence, protocol, numbers

    from jax import export
    from safetensors.numpy import load_file
    model = export.deserialize(bytearray(open("model.stablehlo", "rb").read()))
    weights = load_file("model.safetensors")
    z = model.call(weights, {"acc": acc, "emg": emg}, {"acc": acc_is_there, "emg": emg_is_there})

    import onnxruntime
    session = onnxruntime.InferenceSession("model.onnx")
    (z,) = session.run(["embeddings/joint"], {
        "inputs/acc": acc, "present/acc": acc_is_there,
        "inputs/emg": emg, "present/emg": emg_is_there,
    })
"""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmalign import trained
from mmalign.card import card
from mmalign.data import feed
from mmalign.files import write_text, write_whole
from mmalign.onnx_model import onnx_model
from mmalign.report import read_results
from mmalign.training import flat

PROGRAM, WEIGHTS, CONFIG, CARD = "model.stablehlo", "model.safetensors", "config.json", "README.md"
ONNX = "model.onnx"
FILES = {
    PROGRAM: "serialised `jax.export`, (weights, inputs, present) -> embeddings of any number of "
    "windows",
    WEIGHTS: "its weights",
    ONNX: "the same for ONNX runtimes, weights inside",
    CONFIG: "modalities, shapes, rates, units, classes, the probe, the run's config",
}
DESCRIBED = ("method", "modalities", "classes", "probe", "config")  # what CONFIG has
PLATFORMS = ("cpu", "cuda", "tpu")


def export(
    workdir: str | os.PathLike, folder: str | os.PathLike, *, stage: str | None = None,
    onnx: bool = False,
) -> pathlib.Path:  # fmt: skip
    """Writes the model of a run into a folder, for programs that do not have mmalign.

    Args:
      workdir: of a finished run. stage: as `mmalign.load` takes it.
      folder: made if missing; the files of an earlier export there are written anew.
      onnx: whether there shall be a model.onnx, too. Without it one that is there is removed, as it
        may be of another model.
    Returns: path of the folder.
    Raises: ValueError for a folder with files of these names that no export wrote, such as a run's;
      for a run that `mmalign.load` refuses, one whose channels are standardised by subject, as a
      program of single windows cannot know whose they are, or with `onnx` one of a method that has
      an operation which cannot be written, such as a sort; ImportError without the extra `export`,
      or `onnx`. Nothing is written then.
    """
    try:
        import flatbuffers  # noqa: F401  `jax.export` serialises by it
        from safetensors.numpy import save
    except ImportError as error:
        raise ImportError("for exports: pip install 'mmalign[export]'") from error
    folder = pathlib.Path(folder).expanduser()
    _check_own(folder)
    model = trained.load(workdir, stage)
    if model.by_subject:
        raise ValueError("the run standardises channels by subject, which needs all windows of one")
    weights = {name: np.asarray(x) for name, x in flat(jax.device_get(model.variables)).items()}
    contents = {
        **({ONNX: onnx_model(model)} if onnx else {}),
        PROGRAM: program(model, weights).serialize(),
        WEIGHTS: save({name: np.ascontiguousarray(x) for name, x in weights.items()}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ONNX).unlink(missing_ok=True)
    for name, content in contents.items():
        with write_whole(folder / name) as file:
            file.write(content)
    results = read_results(pathlib.Path(workdir).expanduser() / "results.json")
    write_text(folder / CONFIG, json.dumps(described(model, results), indent=2) + "\n")
    files = {name: what for name, what in FILES.items() if name in contents or name == CONFIG}
    write_text(folder / CARD, card(model, results, files))
    return folder


def _check_own(folder):
    """Raises ValueError where the export would replace a file that is none of an export."""
    there = [name for name in (*FILES, CARD) if (folder / name).exists()]
    try:
        earlier = {*json.loads((folder / CONFIG).read_text())} == set(DESCRIBED)
    except (OSError, ValueError, TypeError):
        earlier = False
    if there and not earlier:
        raise ValueError(
            f"{folder} has a {there[0]} that no export wrote: name a new folder, or move it away"
        )


def program(model: trained.Trained, weights: Mapping[str, np.ndarray]) -> jax.export.Exported:
    """(weights, inputs, present) -> {part: [n, d]}, for any number n of windows.

    inputs: {modality: float32 [n, *shape]} of all modalities, what is absent of any numbers that
    are finite. present: {modality: bool [n]}.
    """
    embed, structure = model.recipe.made().embed, jax.tree.structure(model.variables)
    names = list(flat(model.variables))

    def call(weights, inputs, present):
        variables = jax.tree.unflatten(structure, [weights[name] for name in names])
        batch = {"inputs": inputs, "present": present}
        return embed(variables, feed.normalise(batch, model.statistics))

    (n,) = jax.export.symbolic_shape("n")
    of = lambda shape, kind: jax.ShapeDtypeStruct(shape, kind)
    inputs = {m: of((n, *d.shape), jnp.float32) for m, d in model.modalities.items()}
    present = {m: of((n,), bool) for m in model.modalities}
    shapes = {name: of(x.shape, x.dtype) for name, x in weights.items()}
    return jax.export.export(jax.jit(call), platforms=PLATFORMS)(shapes, inputs, present)


def described(model: trained.Trained, results: Mapping[str, Any]) -> dict[str, Any]:
    """What a program has to know of the model, in types of JSON."""
    probe = None if model.probe is None else model.probe._asdict()
    found = (
        model.recipe.method["name"],
        results["data"]["modalities"],
        [*model.classes],
        probe and {name: np.asarray(x).tolist() for name, x in probe.items()},
        results["config"],
    )
    return dict(zip(DESCRIBED, found, strict=True))
