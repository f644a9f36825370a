"""MMBind from its config: who has what, pairs as an artifact, trainings that learn from them."""

import json
import pathlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import mmalign
from experiments import binding as experiment
from experiments import tables
from mmalign import binding, evaluation, fit, plan, walk
from mmalign.configs import mmbind
from mmalign.data import catalogue
from mmalign.data.dataset import TRAIN
from mmalign.files import read_arrays

ROWS = ("chance", "autoencoder", "random_binding", "mmbind")


def small(**changes):
    """Two steps of a small encoder."""
    config = mmbind.get_config("smoke")
    tiny = {"encoder.width": 4, "encoder.dim": 8, "encoder.statistics": 4, "rows": ROWS,
            "augment.pool": ("scaling",), "evaluation.fractions": (1.0,)}  # fmt: skip
    with config.unlocked():
        config.update_from_flattened_dict(tiny | changes)
        config.encoder.update(depth=1, segments=2, hidden=8)
    return config


@pytest.fixture(scope="module")
def made(run_small, tmp_path_factory):
    """(folder, results) of one run."""
    folder = tmp_path_factory.mktemp("mmbind") / "run"
    return folder, run_small(small(), folder)


def test_each_row_is_probed_and_the_pairs_are_told_of(made):
    folder, results = made
    labels = {"Chance", "Unimodal autoencoders", "Random binding", "MMBind"}
    assert {r["row"] for r in results["records"]} == labels
    assert {r["part"] for r in results["records"]} == {
        "joint",
        "emg",
        "gyro",
    }  # nobody tested has acc
    assert set(results["binding"]) == {"Random binding", "MMBind"}
    for records in results["binding"].values():
        assert [(r["from"], r["to"]) for r in records] == [(0, 2), (2, 0)]
        assert all(r["right"] is not None and 0 < r["chance"] < 1 for r in records)
    assert results["data"]["sources"] == ["first", "labelled", "second"]
    page = (folder / "report.html").read_text()
    assert "Which windows were bound" in page and ">second</td>" in page


def test_pairs_are_an_artifact_that_can_be_traced_to_its_windows(made):
    folder, _ = made
    (home,) = folder.glob("artifacts/binding-binding-*")
    node = json.loads((home / "node.json").read_text())
    assert [name.split("-")[0] for name in node["inputs"]] == ["data", "embedding"]
    pairs = read_arrays(home / "pairs.npz")
    data = catalogue.load(small().data)
    z = read_arrays(next(folder.glob("artifacts/embedding-autoencoder-*")) / "embedding.npz")["acc"]
    unit = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)  # absent: zeros
    ways = {(0, 2), (2, 0)}
    assert len(pairs["reference"]) == (np.isin(data.source, (0, 2)) & (data.split == TRAIN)).sum()
    for i, j, s in zip(pairs["reference"], pairs["partner"], pairs["similarity"]):
        assert (data.source[i], data.source[j]) in ways and data.split[i] == data.split[j] == TRAIN
        np.testing.assert_allclose(unit[i] @ unit[j], s, rtol=1e-4)
    training = json.loads(
        (next(folder.glob("artifacts/training-mmbind-*")) / "node.json").read_text()
    )
    assert home.name in training["inputs"] and "pairs" not in training["spec"]["sampler"]


def test_what_is_there_is_not_computed_again(made, devices, monkeypatch, tmp_path):
    """Another weight of the pairs trains MMBind alone; its binding is found."""
    devices(1)
    folder, results = made
    monkeypatch.setattr(binding, "bind", lambda *args, **more: pytest.fail("bound again"))
    started, begin = [], fit.fit

    def noted(folder, stage, *args):
        started.append(stage.name)
        return begin(folder, stage, *args)

    monkeypatch.setattr(fit, "fit", noted)
    shared = folder / "artifacts"
    assert walk.run(small(), tmp_path / "again", shared)["records"] == results["records"]
    assert started == []
    walk.run(small(**{"mmbind.sampler.weight": "one"}), tmp_path / "other", shared)
    assert started == ["mmbind"]


def test_killed_while_it_binds_it_binds_again_and_does_nothing_else_twice(
    made, devices, monkeypatch, tmp_path
):
    devices(1)
    folder, results = made
    shared = tmp_path / "artifacts"
    shutil.copytree(folder / "artifacts", shared)
    (home,) = shared.glob("binding-binding-*")
    (home / "complete.json").unlink()  # as a kill in the middle of the pairs leaves it
    pairs = (home / "pairs.npz").read_bytes()
    (home / "pairs.npz").unlink()
    (home / "pairs.npz.part").write_bytes(pairs[: len(pairs) // 2])
    for later in shared.glob("*-mmbind*"):  # its training, its evaluations, the report
        shutil.rmtree(later)
    done, bind, begin = [], binding.bind, fit.fit
    monkeypatch.setattr(binding, "bind", lambda *a, **more: done.append("bind") or bind(*a, **more))
    monkeypatch.setattr(fit, "fit", lambda at, of, *a: done.append(of.name) or begin(at, of, *a))
    assert walk.run(small(), tmp_path / "run", shared)["records"] == results["records"]
    assert done == ["bind", "mmbind"]
    assert read_arrays(home / "pairs.npz").keys() and not (home / "pairs.npz.part").exists()


def test_a_trained_model_embeds_what_it_never_saw_together(made):
    folder, _ = made
    data = catalogue.load(small().data)
    z = mmalign.load(folder).embed({m: data.inputs[m][:3] for m in ("emg", "gyro")})
    assert not z["acc"].any() and np.isfinite(z["joint"]).all()


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        ("sampler.pairs must name a block with `bind`, got None", {"mmbind.sampler.pairs": None}),
        ("config.nobody, whose pairs stage 'mmbind' learns from, is missing",
         {"mmbind.sampler.pairs": "nobody"}),
        ("config.mimm, which stage mmbind starts from|config.mimm.* is missing",
         {"binding.bind.features": "mimm"}),
        ("no stage of bind.features is called 'supervised'",
         {"binding.bind.features": "supervised"}),
        ("no two sources have bind.shared='emg' in common: first has acc, emg; second has acc, gyro",
         {"binding.bind.shared": "emg"}),
        ("a binding by classes needs labels, and first has none",
         {"binding.bind.by": "label", "binding.bind.features": None}),
        ("sampler.source must be one of .*'first'.*, got 'third'",
         {"autoencoder.sampler.source": ("third",)}),
        ("no sampler.weight is called 'cubed'", {"mmbind.sampler.weight": "cubed"}),
        ("config.data.parties.first gets no window", {"data.parties.first.people": 0.0001}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_any_training(match, changes):
    config = small(**changes)
    with pytest.raises(ValueError, match=match):
        plan.plan(config, catalogue.load(config.data))


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "least", "most"), [(0.05, 2.0, 6.0), (50.0, 0.6, 1.5)])
def test_an_autoencoder_finds_partners_by_what_is_shared_and_none_in_noise(
    noise, least, most, devices, tmp_path
):
    """Share of right partners over chance."""
    devices(1)
    config = small(**{"rows": (), "autoencoder.steps": 80, "data.options.windows": 64,
                      "data.options.noise": noise, "encoder.width": 8, "encoder.dim": 24,
                      "encoder.statistics": 24})  # fmt: skip
    planned = plan.plan(config, catalogue.load(config.data))
    found = walk.Walk(planned, walk.Store(tmp_path)).pairs("binding")
    for r in evaluation.binding_quality(planned.dataset, found):
        assert least < r["right"] / r["chance"] < most


def test_the_experiment_tells_what_runs_found(made, tmp_path, monkeypatch, capsys):
    _, results = made
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    tuned = [r | {"row": f"{r['row']}, fine-tuned", "protocol": "network"}
             for r in results["records"]
             if r["row"] in ("MMBind", "Random binding") and r["protocol"] == "linear"]  # fmt: skip
    tuned += [
        r | {"row": row, "protocol": "linear"} for r in tuned[:1] for row in ("MIM", "Upper bound")
    ]
    of = lambda seed: (
        results | {"records": [r | {"seed": seed} for r in results["records"] + tuned]}
    )
    experiment.write("test", [of(0), of(1)])
    page = (tmp_path / "test.md").read_text()
    assert page.strip() == capsys.readouterr().out.strip()
    f1 = next(r["macro_f1"] for r in results["records"]
              if (r["row"], r["part"], r["protocol"]) == ("MMBind", "joint", "linear"))  # fmt: skip
    assert f"| MMBind | {100 * f1:.1f} ± 0.0 |" in page and "test: 2 seed(s)" in page
    assert "first: emg, acc of 40 % of the people" in page and "have emg and gyro" in page
    quality = results["binding"]["MMBind"][0]
    assert f"| MMBind | 0 | {quality['pairs']:,} |" in page
    assert f"| {100 * quality['right']:.1f} | {100 * quality['chance']:.1f} |" in page
    ahead = json.loads((tmp_path / "test.json").read_text())["ahead"]
    others = {"Chance", "Unimodal autoencoders", "Random binding", "Random binding, fine-tuned"}
    others |= {"MIM", "Upper bound"}
    assert set(ahead["MMBind"]["1"]) == others | {"MMBind, fine-tuned"}
    assert ahead["Upper bound"]["1"]["MIM"][0] == 0
    among = ahead["MMBind, fine-tuned"]["1"]
    assert among == {"Random binding, fine-tuned": ahead["MMBind"]["1"]["Random binding"]}
    assert page.count(" minus the row, ") == 3
    assert (tmp_path / "test.png").stat().st_size > 1000


def test_windows_of_ones_own_fit_once_it_is_said_who_has_what(tmp_path):
    rng, n = np.random.default_rng(0), 240
    rates = {f"rate_hz_{m}": 20.0 for m in ("hat", "sock", "glove")}
    arrays = {m: rng.standard_normal((n, 40, 3)) for m in ("hat", "sock", "glove")}
    np.savez(tmp_path / "mine.npz", **arrays, **rates, label=np.arange(n) % 2,
             group=np.arange(n) // 12)  # fmt: skip
    config = mmbind.get_config("npz,smoke")
    config.data.path = str(tmp_path / "mine.npz")
    every = "first.modalities, .*second.modalities, config.data.test_modalities names none"
    with pytest.raises(ValueError, match=f"{every}: say which each has, of glove, hat, sock"):
        catalogue.load(config.data)
    said = {"data.parties.first.modalities": ("hat", "sock"), "dcm.method.anchor": "hat",
            "data.parties.second.modalities": ("hat", "glove"),
            "data.parties.labelled.modalities": ("sock", "glove"),
            "data.test_modalities": ("sock", "glove")}  # fmt: skip
    config.update_from_flattened_dict(said)
    planned = plan.plan(config, catalogue.load(config.data))
    (way, _) = planned.bindings["binding"].binding.directions
    assert planned.dataset.modalities[way.shared] == "hat"


DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "sp_sw_har").is_dir(), reason=f"no sp_sw_har and uci_har in {DATA}")
def test_two_data_sets_that_never_met_are_bound_by_the_phone(tmp_path):
    config = mmbind.get_config("cross_dataset,smoke")
    config.data.cache_dir = str(tmp_path)
    for name, folder in (("waist", "uci_har"), ("watch", "sp_sw_har")):
        config.data.options.sources[name].dir = str(DATA / folder)
    planned = plan.plan(config, catalogue.load(config.data))
    data = planned.dataset
    train = data.split == TRAIN
    number = {name: i for i, name in enumerate(data.description.sources)}
    people = {p: len(np.unique(data.group[train & (data.source == i)])) for p, i in number.items()}
    # of UCI HAR all; the others of the 16 of sp-sw-har that are not tested
    assert people == {"first": 30, "second": 10, "labelled": 6}
    assert data.description.unit["phone_acc"] == "m/s^2"
    gravity = np.linalg.norm(data.inputs["phone_acc"].mean(axis=1), axis=1)[train]
    for of in (data.source[train] == number["first"], data.source[train] == number["second"]):
        assert 8 < np.median(gravity[of]) < 11
    way, back = planned.bindings["binding"].binding.directions
    assert data.modalities[way.shared] == data.modalities[back.shared] == "phone_acc"


@pytest.mark.parametrize("name", [name for name, of in mmbind.SENSORS.items() if of])
def test_each_data_set_has_its_three_sensors(name):
    data = mmbind.get_config(name).data
    c, a, b = mmbind.SENSORS[name]
    assert data.parties.first.modalities == (a, c) and data.test_modalities == (a, b)


def test_every_row_of_the_experiment_fits():
    args = SimpleNamespace(data="synthetic", dir=None, rows=None, features="dcm", shared="gyro")
    config = experiment.config(args, 3)
    assert config.data.parties_seed == config.seed == 3
    parties = {name: tuple(of.modalities) for name, of in config.data.parties.items()}
    assert parties == {
        "first": ("acc", "gyro"),
        "second": ("emg", "gyro"),
        "labelled": ("acc", "emg"),
    }
    assert config.data.test_modalities == ("acc", "emg") and config.dcm.method.anchor == "gyro"
    with config.unlocked():
        config.data.options.update(subjects=10, windows=32, test_subjects=2)
        config.encoder.update(depth=1, segments=2, hidden=8, width=4, dim=8, statistics=4)
    planned = plan.plan(config, catalogue.load(config.data))
    assert planned.bindings["binding"].binding.features == "dcm"
    assert {"imagebind", "random_binding", "upper", "mmbind_tuned_2"} <= set(planned.stages)
    args.data, args.dir, args.shared = "cross_dataset", "/all", "usual"
    config = experiment.config(args, 0)
    assert config.data.options.sources.waist.dir == "/all/uci_har" and "upper" not in config.rows
