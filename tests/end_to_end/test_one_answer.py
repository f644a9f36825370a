"""Every method answers for absent sensors in one way: the report, `embed()`, and the table agree."""

import jax
import numpy as np
import pytest
from ml_collections import config_dict

import mmalign
from mmalign import evaluation, fit, training
from mmalign.data import catalogue
from mmalign.data.dataset import TRAIN
from mmalign.evaluation import linear, penalty
from mmalign.methods import METHODS
from mmalign.score import load_embedding
from mmalign.stages import first_batch

SENSORS = {"acc": (32, 3), "emg": (48, 2), "ecg": (20, 1)}
PROJECTOR = {"hidden": 8, "out": 8}
HEADS = ("trained on complete",)
OPTIONS = {
    "classifier": {"base": "mae", "hidden": (8,)}, "supcon_tuned": {"base": "mae"},
    "supcon": {"projector": PROJECTOR}, "factorcl": {"out": 6, "hidden": 8},
    "cmc": {"projector": PROJECTOR}, "cocoa": {"projector": PROJECTOR},
    "gmc": {"projector": PROJECTOR}, "simclr": {"projector": PROJECTOR},
    "mmbind": {"head": (12, 10)}, "generator": {"anchor": "acc"},
    "cmg": {"base": {"name": "generator", "anchor": "acc"}, "head": (12, 10)},
    "simsiam": {"projector": PROJECTOR, "bottleneck": 4},
    "cpc": {"pieces": 4, "horizon": 2, "context": 8},
    "infomae": {"negatives": 2, "stem": {"features": (8,), "out": 8},
                "critic": {"hidden": 8, "depth": 1}},
}  # fmt: skip

LABELLED = ("classifier", "supcon", "supcon_tuned", "supervised")

pytestmark = pytest.mark.slow


def windows(folder):
    """A file of three sensors, each missing from 40 % of the windows of its own draw."""
    rng, n = np.random.default_rng(0), 192
    label = np.arange(n) % 2
    arrays = {
        m: (rng.standard_normal((n, *shape)) * (1 + label[:, None, None])).astype(np.float32)
        for m, shape in SENSORS.items()
    }
    gone = {m: rng.random(n) < 0.4 for m in SENSORS}
    gone["acc"] &= ~(gone["emg"] & gone["ecg"])
    for m, x in arrays.items():
        x[gone[m]] = np.nan
    rates = {f"rate_hz_{m}": 16.0 for m in SENSORS}
    np.savez(folder / "windows.npz", **arrays, **rates, label=label, group=np.arange(n) // 12)
    return folder / "windows.npz"


def made_up(folder, stage, use, source, checkpoints, spent):
    """In place of a training: what a network answers with any weights it answers with trained ones,
    and to compile the first weights and the steps of all methods takes longer than all else.
    """
    rng, key = np.random.default_rng(0), jax.eval_shape(lambda: jax.random.key(0))
    shapes = jax.eval_shape(stage.method.init, key, first_batch(stage, use.arrays))["params"]
    params = jax.tree.map(lambda x: 0.4 * rng.standard_normal(x.shape, np.float32), shapes)
    state = training.TrainState(np.int32(1), params, ())
    state = training.replicate(state, use.mesh)
    checkpoints.save(1, state, force=True)
    return state


@pytest.fixture(autouse=True, scope="module")
def _one_strength():
    """Of every probe: where two are level, the last bit of an embedding would choose."""
    choice = penalty.Choice(0.1, (), "group", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "choose", lambda *args, **options: choice)
        yield


@pytest.fixture(scope="module")
def run(_one_strength, tiny, run_small, tmp_path_factory):
    """(config, folder, results) of one run with a row for every method."""
    folder = tmp_path_factory.mktemp("every_method")
    config = tiny.config({"data.path": str(windows(folder))}, "npz")
    with config.unlocked():
        config.encoder.update(width=4, depth=1, dim=8, hidden=8, segments=2, patch_s=0.25)
        config.evaluation.fractions, config.evaluation.missing.patterns = (1.0,), ()
        for name in METHODS:
            block = {
                "label": name,
                "method": {"name": name, **OPTIONS.get(name, {})},
                "sampler": {} if name in LABELLED else {"kind": "paired"},
                "steps": 1, "batch_size": 32, "optim": {"lr": 1e-3},
            }  # fmt: skip
            config[name] = config_dict.ConfigDict(block)
        config.stages, config.rows = ("crossl",), tuple(METHODS)
        # one fitted on what misses the same chooses a strength for each set, on a few windows
        config.evaluation.missing.heads = HEADS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "_train", made_up)
        return config, folder / "run", run_small(config, folder / "run")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_records_made_from_embed_are_those_of_the_results(run, name, devices):
    devices(1)
    config, folder, results = run
    dataset = catalogue.load(config.data)
    stage = name if f"{name}_100" not in results["seconds"] else f"{name}_100"
    model = mmalign.load(folder, stage)

    def embed(present):
        shown = {m: np.where(present[m][:, None, None], x, np.nan)
                 for m, x in dataset.inputs.items()}  # fmt: skip
        return model.embed(shown)

    z, test = embed(dataset.present), evaluation.test_rows(dataset)
    (folder_of,) = (folder / "artifacts").glob(f"embedding-{stage}-*")
    stored, rows = load_embedding(folder_of), test if "logits" in z else slice(None)
    assert stored.keys() == z.keys()
    for part, x in stored.items():
        np.testing.assert_allclose(z[part][rows], x, rtol=1e-5, atol=1e-5)
    for m, mean in model.variables.get("means", {}).items():
        seen = dataset.present[m] & (dataset.split == TRAIN)
        np.testing.assert_allclose(mean, z[m][seen].mean(axis=0), rtol=1e-4, atol=1e-5)
    if "logits" in z:
        hit = z["logits"][test].argmax(axis=1) == dataset.label[test]
        (want,) = (r for r in results["records"] if r["row"] == name)
        assert hit.mean() == pytest.approx(want["accuracy"])
    else:
        cells = evaluation.evaluate({name: z}, dataset, fractions=(1.0,), seed=config.seed)
        told = [r for r in results["records"] if r["row"] == name]
        again = evaluation.evaluate({name: stored}, dataset, fractions=(1.0,), seed=config.seed)
        score = lambda r: (r["part"], r["protocol"], r["accuracy"], r["macro_f1"])
        assert [score(r) for r in again] == [score(r) for r in told]
        key = lambda r: (r["part"], r["protocol"])
        assert [key(r) for r in cells] == [key(r) for r in told]
        for found, want in zip(cells, told):  # the last bit may take a window along
            assert abs(found["accuracy"] - want["accuracy"]) < 1.5 / len(test)

    part = "logits" if "logits" in z else "joint"
    contender = evaluation.Contender(
        z[part][test] if part == "logits" else z[part],
        lambda present: embed(present)[part][test] if part == "logits" else embed(present)[part],
        part == "logits",
    )
    sets = [tuple(r["present"]) for r in results["missing"]["sets"] if r["row"] == name]
    found = evaluation.missing_sensors(
        {name: contender}, dataset, list(dict.fromkeys(sets)), heads=HEADS, seed=config.seed
    )["sets"]
    want = [r for r in results["missing"]["sets"] if r["row"] == name]
    assert [(r["present"], r["head"]) for r in found] == [(r["present"], r["head"]) for r in want]
    for one, other in zip(found, want):
        assert abs(one["accuracy"] - other["accuracy"]) < 1.5 / len(test)
