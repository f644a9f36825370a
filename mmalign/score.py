"""Rows of the table as artifacts: embeddings of the windows, and what is known of them."""

import functools
import json
import pathlib
from collections.abc import Mapping

import jax
import numpy as np

from mmalign import binding, evaluation
from mmalign.data.dataset import TEST, TRAIN, Dataset
from mmalign.data.pairs import Pairs
from mmalign.files import read_arrays, write_arrays, write_text
from mmalign.fit import Resources
from mmalign.methods import JOINT
from mmalign.plan import Row
from mmalign.report import plain
from mmalign.stages import Stage

ARRAYS, FOUND, PAIRS, PROBE = "embedding.npz", "found.json", "pairs.npz", "probe.npz"


def embed(folder: pathlib.Path, stage: Stage, variables: Mapping, use: Resources) -> None:
    """Embeddings by a trained stage, of all windows or, if it answers itself, of the test's."""
    parts = evaluation.embed_all(
        stage.method.embed, variables, data=use.arrays, rows=_rows(stage, use.dataset),
        mesh=use.mesh,
    )  # fmt: skip
    write_arrays(folder / ARRAYS, parts)


def describe_windows(folder: pathlib.Path, use: Resources) -> None:
    """Window statistics, in place of an embedding."""
    write_arrays(folder / ARRAYS, evaluation.window_statistics(use.dataset))


def load_embedding(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """{part: [n, d]} as `embed` left it."""
    return read_arrays(folder / ARRAYS)


def bind(
    folder: pathlib.Path, made: binding.Binding, parts: Mapping | None, use: Resources, seed: int
) -> None:
    """The pairs of a binding; parts: embeddings of all windows, where they are compared."""
    pairs = binding.bind(made, parts, use.dataset, seed=seed, mesh=use.mesh)
    write_arrays(folder / PAIRS, pairs._asdict())


def load_pairs(folder: pathlib.Path) -> Pairs:
    """What `bind` left."""
    return Pairs(**read_arrays(folder / PAIRS))


def evaluate(folder: pathlib.Path, node, row: Row, parts, variables, use: Resources) -> None:
    """One evaluation of a row.

    node: what to find out, and how. parts: () -> embeddings, or the pairs that are looked at.
    variables: () -> those of the stage.
    """
    if node.spec["what"] == "probe":
        found = _probe(node.spec, row, parts, use, functools.partial(_keep_probe, folder, use))
    else:
        found = EVALUATIONS[node.spec["what"]](node.spec, row, parts, variables, use)
    write_text(folder / FOUND, json.dumps(plain(found)) + "\n")


def load_found(folder: pathlib.Path) -> object:
    """What `evaluate` left."""
    return json.loads((folder / FOUND).read_text())


def _keep_probe(folder, use, features, cell, probe):
    """The joint embedding's probe, for whoever asks the model for classes; the last one stays."""
    if cell.part == JOINT:
        test = evaluation.test_rows(use.dataset)
        made = evaluation.stored(probe, features[JOINT][test], use.dataset.label[test])
        write_arrays(folder / PROBE, made._asdict())


def _probe(spec, row, parts, use, keep):
    """Records of the row's cells of the table; keep: told (features, cell, fitted probe)."""
    dataset, seed = use.dataset, spec["seed"]
    if row.name == "chance":
        return evaluation.chance(row.name, dataset, spec["fractions"], seed)
    cells = None
    if row.name == "raw_windows":
        features = evaluation.raw_features(dataset)
    elif row.name == "window_statistics":
        features = evaluation.filled(parts(), dataset, dataset.present)
    elif row.name == "random_forest":
        features, cells = parts(), [evaluation.Cell(JOINT, "forest", f) for f in spec["fractions"]]
    elif row.stage.answers:
        return [_answered(row, parts()["logits"], dataset, seed)]
    else:
        features = parts()
    return evaluation.evaluate(
        {row.name: features}, dataset, cells=cells, fractions=spec["fractions"], seed=seed,
        keep=lambda _, cell, probe: keep(features, cell, probe),
    )  # fmt: skip


def _answered(row, logits, dataset, seed):
    """Record of a network's own answers, its logits of the test windows."""
    cell = evaluation.Cell(JOINT, "network", row.stage.fraction)
    answers = {"predictions": logits.argmax(axis=-1)}
    return evaluation.record(row.name, cell, dataset, answers, row.stage.sampler.windows, seed)


def _missing(spec, row, parts, variables, use):
    """What the row still knows when sensors are missing."""
    options, dataset = spec["missing"], use.dataset
    sets = _sensor_sets(spec, dataset)
    if row.stage is None:
        answer = lambda present: evaluation.filled(parts(), dataset, present)[JOINT]
        contender = evaluation.Contender(answer(dataset.present), answer)
    else:
        contender = _contender(row, parts(), variables(), use)
    return evaluation.missing_sensors(
        {row.name: contender}, dataset, sets, evaluation.patterns(options),
        heads=options["heads"], seed=spec["seed"],
    )  # fmt: skip


def _recalled(spec, row, parts, variables, use):
    """Which test windows are found again when sensors are missing, where no label tells more."""
    contender = _contender(row, parts(), variables(), use)
    sets = _sensor_sets(spec, use.dataset)
    return evaluation.recalled(contender.complete, contender.embed, use.dataset, sets)


def _sensor_sets(spec, dataset):
    options = spec["missing"]
    return evaluation.sensor_sets(
        evaluation.tested_modalities(dataset),
        devices=options["devices"], limit=options["limit"], seed=spec["seed"],
    )  # fmt: skip


def _contender(row, parts, variables, use):
    """How the row answers when sensors are missing: as its method does, and so `Trained.embed`."""
    method, rows = row.stage.method, _rows(row.stage, use.dataset)
    part = "logits" if row.stage.answers else JOINT
    if method.fuse is None:
        ask = functools.partial(
            evaluation.embed_all, method.embed, variables, data=use.arrays, rows=rows, mesh=use.mesh
        )
        answer = lambda present: ask(present={m: p[rows] for m, p in present.items()})[part]
    else:
        alone = {m: parts[m] for m in use.dataset.modalities}
        fuse = jax.jit(method.fuse)
        answer = lambda present: jax.device_get(
            fuse(variables, alone, {m: p[rows] for m, p in present.items()})[part]
        )
    return evaluation.Contender(parts[part], answer, row.stage.answers)


def _information(spec, row, parts, variables, use):
    """R^2 from each part of the embedding to every known factor."""
    del spec, row, variables
    dataset, z = use.dataset, parts()
    train, test = dataset.split == TRAIN, dataset.split == TEST
    of = lambda rows: {name: x[rows] for name, x in dataset.factors.items()}
    return {
        part: evaluation.factor_r2(z[part][train], of(train), z[part][test], of(test))
        for part in ("shared", "private", JOINT)
        if part in z
    }


def _label_free(spec, row, parts, variables, use):
    """What its embeddings are like without labels."""
    del spec, variables
    z = parts()
    if row.stage is None:
        z = evaluation.filled(z, use.dataset, use.dataset.present)
    return evaluation.without_labels(z, use.dataset)


def _across(spec, row, parts, variables, use):
    """What one sensor tells of another in the space that the method has for them."""
    del parts
    rows = np.arange(len(use.dataset))
    common = evaluation.embed_all(
        row.stage.method.common, variables(), data=use.arrays, rows=rows, mesh=use.mesh
    )
    return evaluation.across_sensors(common, use.dataset, spec["seed"])


def _targets(spec, row, parts, variables, use):
    """What its joint embedding gives away of every target."""
    del variables
    z = parts()
    if row.stage is None:
        z = evaluation.filled(z, use.dataset, use.dataset.present)
    return evaluation.probe_targets(z[JOINT], use.dataset, spec["seed"])


def _binding(spec, row, parts, variables, use):
    """How good the pairs are that it learnt from."""
    del spec, row, variables
    return [*evaluation.binding_quality(use.dataset, parts())]


EVALUATIONS = {
    "missing": _missing,
    "recalled": _recalled,
    "information": _information,
    "label_free": _label_free,
    "across": _across,
    "targets": _targets,
    "binding": _binding,
}


def _rows(stage: Stage, dataset: Dataset) -> np.ndarray:
    """Numbers of the windows that a stage's embedding is of."""
    return evaluation.test_rows(dataset) if stage.answers else np.arange(len(dataset))
