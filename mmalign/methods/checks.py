"""Whether a method keeps the contract: for those here, and for one of your own.

    check_method(create(modalities, encoder=...), modalities)

Few windows and random parameters, so that it takes seconds.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from mmalign.methods.contract import JOINT, NEEDS, Method, Modality, Target
from mmalign.methods.example_windows import example_batch, in_gaps, lacking, read
from mmalign.methods.trial import Trial, programs, reading, require

_ODD = 29  # windows, a length that no other axis has


def check_method(
    method: Method,
    modalities: Mapping[str, Modality],
    *,
    targets: Mapping[str, Target] | None = None,
    batch: Mapping[str, Any] | None = None,
    key: jax.Array | None = None,
    variables: Mapping[str, Any] | None = None,
) -> None:
    """Looks whether a method does what `Method` promises.

    Args:
      method: Method. modalities: {name: Modality}, those that it was made for.
      targets: {task: Target}, those that it was made for.
      batch: windows, some of which lack a modality; None for an `example_batch`.
      key: of everything that is drawn.
      variables: what it is tried with; None for what `init` draws, moved a little, as parameters
        that start at zero would hide what is looked for.
    Raises: AssertionError with a sentence for the first promise that it breaks; ValueError for a
      batch of which nothing can be told.
    """
    key = jax.random.key(0) if key is None else key
    batch = example_batch(modalities, targets) if batch is None else batch
    if all(np.all(present) for present in batch["present"].values()):
        raise ValueError("all windows of the batch are complete: give some that lack a modality")
    require(set(method.needs) <= NEEDS, f"needs must be of {sorted(NEEDS)}, got {method.needs}")
    shapes = _check_init(method, modalities, batch, key)
    variables = _drawn(method, batch, key) if variables is None else variables
    trial = Trial(method, tuple(modalities), variables, batch, key)
    _check_loss(trial)
    _check_embed(trial)
    _check_gaps(trial)
    _check_labels(trial)
    if "some_pairs" in method.needs:
        _check_some_pairs(trial)
    if method.fuse is not None:
        _check_fuse(trial)
    if method.common is not None:
        _check_common(trial)
    _check_means(trial, shapes.get("means"))


def _check_init(method, modalities, batch, key):
    """Shapes of the variables that it draws."""
    init = jax.jit(lambda batch: method.init(key, batch))
    rows = lambda x: jax.ShapeDtypeStruct((_ODD, *x.shape[1:]), x.dtype)
    lowered = reading("init", init.lower, jax.tree.map(rows, read(batch)))
    shapes = lowered.out_info
    require(
        isinstance(shapes, dict) and {"params"} <= set(shapes) <= {"params", "state", "means"},
        f"init must return a dict of params, and of state and means if it has them, got {shapes}",
    )
    require(
        "means" not in shapes or set(shapes["means"]) == set(modalities),
        f"init must return means for each modality, got {sorted(shapes.get('means', ()))}",
    )
    # jax leaves out arguments that no result depends on
    arguments = lowered.as_text().partition("@main(")[2].partition("->")[0]
    require(f"tensor<{_ODD}x" not in arguments, "init reads more of the batch than shapes")
    return shapes


def _check_loss(trial):
    (_, aux), grads = learnt = trial.loss(trial.batch)
    require(_finite(learnt), "loss, its metrics or its gradient is not finite")
    require(any(map(np.any, jax.tree.leaves(grads))), "loss has a gradient of zeros")
    require(_equal(learnt, trial.loss(trial.batch)), "loss is another at the same key")
    for watch in trial.method.watches:
        require(watch.metric in aux["metrics"], f"watches {watch.metric!r}, which is no metric")


def _check_embed(trial):
    parts, rows = trial.embed(trial.batch), len(trial.batch["present"][trial.names[0]])
    require(
        {*trial.names, JOINT} <= set(parts),
        f"embed must return a part for each modality and {JOINT!r}, got {sorted(parts)}",
    )
    for part, z in parts.items():
        require(
            z.ndim == 2 and len(z) == rows and z.dtype == np.float32,
            f"embed must return float32 [windows, width], {part!r} is {z.dtype} {[*z.shape]}",
        )
    require(_finite(parts), "embed returns values that are not finite")
    require(
        trial.method.answers == ("logits" in parts),
        f"answers is {trial.method.answers}, and embed returns {sorted(parts)}: a method answers "
        "itself if it has logits",
    )
    for m in trial.names:
        present = trial.batch["present"][m]
        require(not parts[m][~present].any(), f"embed: {m!r} is not zeros where it is absent")
        require(parts[m][present].any(), f"embed: {m!r} is zeros where it is present, too")
    # from call to call of a program, and from program to program
    program = lambda: jax.jit(lambda *args: trial.method.embed(*args))
    texts = {program().lower(trial.variables, read(trial.batch)).as_text() for _ in range(2)}
    require(
        len(texts) == 1 and _equal(parts, trial.embed(trial.batch)),
        "embed is not deterministic: the same windows come out differently",
    )
    order = np.random.default_rng(0).permutation(rows)
    shuffled = trial.embed(jax.tree.map(lambda x: x[order], read(trial.batch)))
    require(
        _close(shuffled, {part: z[order] for part, z in parts.items()}),
        "embed of a window depends on the others in the batch",
    )


def _check_gaps(trial):
    """What was not measured is not read, and breaks nothing."""
    for name in ("loss", "embed"):
        ask = getattr(trial, name)
        require(
            _equal(ask(trial.batch), ask(in_gaps(trial.batch, np.nan))),
            f"{name} reads inputs where nothing was measured: NaN there changed what it returns",
        )
        for gone in (trial.names[-1:], trial.names):
            found = ask(lacking(trial.batch, *gone))
            require(_finite(found), f"{name} is not finite where all windows lack {[*gone]}")


def _check_labels(trial):
    if "labels" in trial.method.needs:
        return
    said = "and does not need 'labels'"
    given = ("inputs", "present", "valid", "row", *(["weight"] * ("weights" in trial.method.needs)))
    unlabelled = {name: x for name, x in trial.batch.items() if name in given}
    variables = trial.variables | {"target": trial.variables["params"]}
    loss = functools.partial(jax.eval_shape, trial.method.loss)
    reading("loss", loss, variables, unlabelled, trial.key, said=said)
    garbage = {k: jax.tree.map(_garbage, trial.batch[k]) for k in ("targets", "group")}
    require(
        _equal(trial.loss(trial.batch), trial.loss({**trial.batch, **garbage})),
        f"loss reads the targets or the group of the batch, {said}",
    )


def _check_some_pairs(trial):
    whole = trial.loss(trial.batch)
    rows = len(trial.batch["present"][trial.names[0]])
    half = trial.loss({**trial.batch, "paired": np.arange(rows) < rows // 2})
    require(_finite(half), "loss is not finite where half of the rows are no pairs")
    require(
        not _equal(whole, half),
        "loss does not read `paired`, and needs no more than 'some_pairs'",
    )


def _check_fuse(trial):
    fused, embedded = _answer(trial), trial.embed(trial.batch)
    what = f"fuse returns {sorted(fused)}, embed {sorted(embedded)}"
    require(set(fused) == set(embedded), what)
    for part, z in embedded.items():
        require(
            _close(fused[part], z),
            f"fuse and embed differ in {part!r} of the same windows with the same modalities",
        )


def _check_common(trial):
    found, other = (trial.common(batch) for batch in (trial.batch, in_gaps(trial.batch, np.nan)))
    widths = {m: z.shape[1] for m, z in found.items()}
    require(
        set(widths) == set(trial.names) and len(set(widths.values())) == 1,
        f"common must return a part of one width for each modality, got {widths}",
    )
    require(_equal(found, other), "common reads inputs where nothing was measured")
    for m, z in found.items():
        absent = ~trial.batch["present"][m]
        require(not z[absent].any(), f"common: {m!r} is not zeros where it is absent")


def _check_means(trial, declared):
    """Means are in "joint" where a modality is absent, and nowhere else."""
    beside = {name: x for name, x in trial.variables.items() if name != "means"}
    ask = lambda variables: _answer(trial._replace(variables=variables))
    without = ask(beside)
    dims = {m: (without[m].shape[1],) for m in trial.names}
    zeros, ones = (
        ask(beside | {"means": {m: np.full(d, fill, np.float32) for m, d in dims.items()}})
        for fill in (0, 1)
    )
    require(_equal(zeros, without), "without means it must answer as with means of zeros")
    if declared is None:
        require(_equal(zeros, ones), "means are read, and init returns none")
        return
    shapes = {m: x.shape for m, x in declared.items()}
    require(shapes == dims, f"means must be as wide as the embeddings, {dims}, got {shapes}")
    incomplete = ~np.logical_and.reduce([*trial.batch["present"].values()])
    require(
        np.array_equal((zeros[JOINT] != ones[JOINT]).any(axis=1), incomplete)
        and all(_equal(zeros[m], ones[m]) for m in trial.names),
        f"means must change {JOINT!r} where a modality is absent, and nothing else",
    )


def _answer(trial):
    """Parts of the windows: from the embeddings of complete ones, where that is possible."""
    present = trial.batch["present"]
    if trial.method.fuse is None:
        return trial.embed(trial.batch)
    complete = {**trial.batch, "present": {m: np.ones_like(p) for m, p in present.items()}}
    parts = trial.embed(complete)
    return trial.fuse({m: parts[m] for m in trial.names}, present)


def _drawn(method, batch, key) -> dict[str, Any]:
    """Variables of `init`, the parameters moved from where they start."""
    rng = np.random.default_rng(0)
    noise = lambda x: (x + 0.1 * rng.standard_normal(x.shape)).astype(x.dtype)
    variables = jax.device_get(programs(method).init(key, read(batch)))
    moved = {name: jax.tree.map(noise, x) for name, x in variables.items() if name != "state"}
    return variables | moved


def _garbage(x):
    return np.full_like(x, np.nan) if x.dtype.kind == "f" else np.roll(x, 1) + 1


def _finite(tree):
    return all(np.isfinite(x).all() for x in jax.tree.leaves(tree))


def _equal(a, b):
    return all(map(np.array_equal, jax.tree.leaves(a), jax.tree.leaves(b)))


def _close(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b))
    return all(np.allclose(x, y, rtol=1e-5, atol=1e-5) for x, y in pairs)
