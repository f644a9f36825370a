"""What a run leaves, and that how it is run does not show in what it learns."""

import json
import re
import shutil

import chex
import numpy as np
import pytest

import mmalign
from mmalign import evaluation, fit, plan, training, walk
from mmalign.configs import common
from mmalign.data import catalogue, feed
from mmalign.score import load_embedding
from mmalign.stages import first_batch

TRAINED = ("Joint pretraining on the pairs", "Unaligned concatenation", "InfoMAE")
FRACTIONS = (0.1, 1.0)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder, stage):
    """[steps, metrics] of a stage."""
    own = [line for line in lines(folder) if f"{stage}/loss" in line]
    return np.array([[line[key] for key in sorted(line) if key != "step"] for line in own])


def test_a_run_leaves_what_it_says(tiny_run):
    names = {path.name for path in tiny_run.folder.iterdir()}
    assert names == {"config.json", "data.json", "run.json", "metrics.jsonl", "results.json",
                     "report.html", "artifacts", ".lock"}  # fmt: skip
    trained = ("pretrain", "align", "joint_pretrain", "supervised_10", "supervised_100")
    rows = ("random_encoder", *trained)
    embedded, other = ("window_statistics", *rows), ("chance", "raw_windows", "random_forest")
    found = set(tiny_run.artifacts)
    assert found == {
        *(f"training-{name}" for name in rows), *(f"embedding-{name}" for name in embedded),
        *(f"evaluation-{name}_probe" for name in (*other, *embedded)),
        *(f"evaluation-{name}_missing" for name in embedded if name != "supervised_10"),
        *(f"evaluation-{name}_label_free" for name in embedded if "supervised" not in name),
        *(f"evaluation-{name}_across" for name in ("align", "joint_pretrain")),
        "evaluation-align_information", "report-align",
    }  # fmt: skip
    for folder in tiny_run.artifacts.values():
        assert (folder / "complete.json").exists()
    for name in trained:
        folder = tiny_run.artifacts[f"training-{name}"]
        assert next((folder / "tensorboard").glob("events.out.tfevents.*"))
        assert (folder / "checkpoints" / ("2" if "supervised" in name else "6")).is_dir()
    assert set(tiny_run.results["seconds"]) == set(rows)
    assert tiny_run.results["evaluation_seconds"] > 0
    assert "s, evaluation " in tiny_run.printed
    told = re.findall(r"\[(\d+) of \d+(.*)\] training (\w+)", tiny_run.printed)
    assert [name for _, _, name in told] == [name for name in tiny_run.results["seconds"]
                                             if name != "random_encoder"]  # fmt: skip
    assert told[0][:2] == ("0", "") and "min left" in told[-1][1]


def test_neighbours_are_asked_while_it_trains(tiny_run):
    seen = {}
    for line in lines(tiny_run.folder):
        for name, value in line.items():
            if name.endswith("/knn_accuracy"):
                assert 0 < value <= 1
                seen.setdefault(name.partition("/")[0], []).append(line["step"])
    without_labels = ("pretrain", "align", "joint_pretrain")
    assert seen == {stage: [4, 6] for stage in without_labels}


def test_stored_results_are_the_returned_ones(tiny_run):
    stored = json.loads((tiny_run.folder / "results.json").read_text())
    assert stored == json.loads(json.dumps(tiny_run.results))
    assert stored["config"] == json.loads((tiny_run.folder / "config.json").read_text())


def test_every_row_has_its_numbers_at_every_share_of_labels(tiny_run):
    records = tiny_run.results["records"]
    joint = {(r["row"], r["protocol"], r["fraction"]) for r in records if r["part"] == "joint"}
    probed = ("Raw windows", "Window statistics", "Random encoder", *TRAINED)
    assert joint == {
        *(("Chance", "majority", f) for f in FRACTIONS),
        *(("Supervised network", "network", f) for f in FRACTIONS),
        *(("Random forest on window statistics", "forest", f) for f in FRACTIONS),
        *((row, "linear", f) for row in probed for f in FRACTIONS),
        *((row, "knn", 1.0) for row in probed),
    }
    alone = {(r["row"], r["part"]) for r in records if r["part"] != "joint"}
    assert alone == {(row, m) for row in probed for m in ("acc", "emg")}
    for fraction in FRACTIONS:  # the same windows for all
        used = {r["train_windows"] for r in records if r["fraction"] == fraction}
        assert len(used) == 1
    assert {r["test_windows"] for r in records} == {64}


def test_the_table_is_printed_and_ends_with_the_method(tiny_run):
    names = ("Chance", "Raw windows", "Random encoder", "Supervised network", *TRAINED)
    places = [tiny_run.printed.index(f"\n{name}  ") for name in names]
    assert places == sorted(places)
    assert "10 % labels" in tiny_run.printed and "100 % labels" in tiny_run.printed
    assert tiny_run.printed.splitlines()[-1] == f"Report: {tiny_run.folder / 'report.html'}"
    page = (tiny_run.folder / "report.html").read_text()
    assert all(name in page for name in names) and page.count("<img") >= 4
    assert "Embedding map by class" in page and "Embedding map by person" in page


def test_known_factors_are_read_back_from_each_part(tiny_run):
    information = tiny_run.results["information"]
    assert set(information) == {"shared", "private", "joint"}
    for part, r2 in information.items():
        assert set(r2) == {"shared", "private_acc", "private_emg", "synergy"}
        assert all(value <= 1 for value in r2.values())
        assert f"R^2 from {part}: " in tiny_run.printed


def test_every_row_is_tried_with_every_set_of_sensors(tiny_run):
    missing, records = tiny_run.results["missing"], tiny_run.results["records"]
    tried = {}
    for r in missing["sets"]:
        tried.setdefault((r["row"], r["head"]), []).append(r["present"])
    rows = ("Window statistics", "Random encoder", *TRAINED)
    probed = [(row, head) for row in rows for head in evaluation.HEADS]
    assert set(tried) == {*probed, ("Supervised network", "network")}
    assert all(sets == [["acc", "emg"], ["acc"], ["emg"]] for sets in tried.values())
    for r in missing["sets"]:  # with all sensors, and all labels, it is what the table says
        if len(r["present"]) == 2:
            same = [x["accuracy"] for x in records
                    if (x["row"], x["part"], x["fraction"]) == (r["row"], "joint", 1.0)
                    and x["protocol"] in ("linear", "network")]  # fmt: skip
            assert [r["accuracy"]] == same
    assert {r["pattern"]["kind"] for r in missing["patterns"]} == {"independent", "burst"}
    assert {(s["row"], s["head"]) for s in missing["summary"]} == set(tried)


def test_spaces_are_told_of_without_labels_and_across_sensors(tiny_run):
    found, across = (tiny_run.results[what] for what in ("label_free", "across"))
    assert set(found) == {"Window statistics", "Random encoder", *TRAINED}
    assert all(values["rankme"] >= 1 for values in found.values())
    assert set(across) == {"InfoMAE", "Joint pretraining on the pairs"}  # which have a common space
    assert {(r["from"], r["to"]) for r in across["InfoMAE"]} == {("acc", "emg"), ("emg", "acc")}
    page = (tiny_run.folder / "report.html").read_text()
    assert "Without labels" in page and "From one sensor to another" in page


def test_every_step_is_on_record_once_and_finite(tiny_run):
    steps = {}
    for line in lines(tiny_run.folder):
        stage, _, metric = next(key for key in line if key != "step").partition("/")
        if metric != "knn_accuracy":
            steps.setdefault(stage, []).append(line["step"])
        assert all(value is not None for value in line.values())
    six, two = list(range(1, 7)), [1, 2]
    assert steps == {"pretrain": six, "align": six, "joint_pretrain": six,
                     "supervised_10": two, "supervised_100": two}  # fmt: skip


def test_data_json_describes_the_sensors_and_holds_their_statistics(tiny_run, tiny):
    data = json.loads((tiny_run.folder / "data.json").read_text())
    assert data["modalities"]["emg"] == {
        "kind": "series", "shape": [256, 2], "rate_hz": 100.0, "unit": "mV"
    }  # fmt: skip
    assert (data["windows"], data["subjects"], len(data["classes"])) == (256, 8, 6)
    for m, stats in feed.statistics(catalogue.load(tiny.config().data)).items():
        for name, value in stats.items():
            np.testing.assert_array_equal(np.float32(data["statistics"][m][name]), value)


def test_a_step_is_traced_once_by_all_stages_that_share_it_and_the_thread_ahead_of_them(tiny_run):
    assert tiny_run.traces == [1] * 3


def test_fifty_steps_are_traced_once(tiny):
    config = tiny.config({"pretrain.steps": 50, "stages": ("pretrain",), "rows": ()})
    planned, mesh = plan.plan(config, catalogue.load(config.data)), training.data_mesh()
    stage, data = planned.stages["pretrain"], feed.arrays(planned.dataset, planned.statistics)
    key = training.stream_key(0, "init")
    step = training.make_train_step(stage.method.loss, stage.tx, feed.gather, num_steps=50)
    state = training.train(
        lambda: training.init_state(
            stage.method.init, stage.tx, key, first_batch(stage, data), mesh=mesh
        ),
        chex.assert_max_traces(step, n=1),
        training.with_key(data, 0, "pretrain"),
        training.drawn(stage.sampler.rows, mesh),
        50,
        mesh=mesh,
        record=training.Record("pretrain", 50),
    )
    assert int(state.step) == 50


@pytest.fixture
def started(monkeypatch):
    """Names of the trainings that are begun from here on."""
    names, begin = [], fit.fit

    def noted(folder, stage, *args):
        names.append(stage.name)
        return begin(folder, stage, *args)

    monkeypatch.setattr(fit, "fit", noted)
    return names


@pytest.fixture
def copied(tiny_run, tmp_path):
    """A copy of the finished run."""
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_run_started_again_computes_nothing(tiny_run, copied, devices, monkeypatch):
    devices(1)
    for module, name in ((fit, "fit"), (walk.score, "embed"), (walk.score, "evaluate")):
        monkeypatch.setattr(module, name, lambda *args: pytest.fail("computed"))
    before = {path: path.read_bytes() for path in copied.glob("*.json*")}
    assert mmalign.run(tiny_run.config, copied) == tiny_run.results
    assert {path: path.read_bytes() for path in before} == before


def test_another_evaluation_and_other_rows_train_nothing(tiny, copied, started, devices):
    devices(1)
    rows = ("chance", "joint_pretrain", "align")
    changes = {"evaluation.fractions": (0.5, 1.0), "evaluation.missing.rates": (0.25,),
               "rows": rows, "joint_pretrain.label": "Renamed"}  # fmt: skip
    results = mmalign.run(tiny.config(changes), copied)
    assert started == []
    assert list(dict.fromkeys(r["row"] for r in results["records"])) == [
        "Chance", "Renamed", "InfoMAE"
    ]  # fmt: skip
    assert {r["fraction"] for r in results["records"]} == {0.5, 1.0}
    assert {r["pattern"]["rate"] for r in results["missing"]["patterns"]} == {0.25}


def test_configs_share_what_both_need_in_one_workdir_or_one_folder(
    tiny, tiny_run, copied, started, devices, tmp_path, capsys
):
    devices(1)
    config = tiny.config({"align.sampler.fraction": 0.75, "rows": ("pretrain",)})
    want = copied / "report.html"
    first = want.read_text()
    mmalign.run(config, copied)
    assert started == ["align"]  # not what it starts from
    said = capsys.readouterr().out
    assert "holds a run of another config" in said and '"fraction": 0.75' in said
    assert want.read_text() != first
    reports = {path.read_text() for path in copied.glob("artifacts/report-align-*/report.html")}
    assert reports == {first, want.read_text()}  # nothing is lost
    mmalign.run(config, tmp_path / "other", copied / "artifacts")
    assert started == ["align"]
    assert not (tmp_path / "other" / "artifacts").exists()
    z = mmalign.load(tmp_path / "other")
    assert z.modalities == mmalign.load(copied).modalities


def test_a_label_and_the_order_of_rows_change_no_number(tiny, tiny_run, copied, devices):
    devices(1)
    names = {"pretrain.label": "A", "align.label": "B", "joint_pretrain.label": "C"}
    results = mmalign.run(
        tiny.config(names | {"rows": ("align", "joint_pretrain", "random_encoder")}), copied
    )
    scores = lambda results: sorted(
        (r["part"], r["protocol"], r["fraction"], r["accuracy"]) for r in results["records"]
        if r["row"] in ("B", "C", "InfoMAE", "Joint pretraining on the pairs", "Random encoder")
    )  # fmt: skip
    assert scores(results) == scores(tiny_run.results)


def test_what_does_not_fit_leaves_no_folder(tiny, tmp_path):
    np.savez(tmp_path / "one.npz", acc=np.ones((9, 8, 1)), rate_hz_acc=8, label=np.zeros(9, int))
    npz = {"data.path": str(tmp_path / "one.npz")}
    for match, config in (
        ("placement must be one of", tiny.config({"data.placement": "disk"})),
        ("'pretrain': warmup_steps=9", tiny.config({"pretrain.optim.warmup_steps": 9})),
        (r"two modalities or more, got \['acc'\]", tiny.config(npz, "npz")),
    ):
        with pytest.raises(ValueError, match=match):
            mmalign.run(config, tmp_path / "run")
        assert not (tmp_path / "run").exists()


@pytest.fixture
def train_only():
    """(plan, folder) -> ({stage: folder of its training}, its Walk)."""

    def train(planned, folder):
        steps = walk.Walk(planned, walk.Store(folder))
        return {name: steps.training(name) for name in planned.config["stages"]}, steps

    return train


STREAMED = """
import pathlib, runpy, sys
import jax, numpy as np
from mmalign import plan, walk
from mmalign.data import catalogue

def trained(placement):
    config = runpy.run_path(sys.argv[1])["get_config"]()
    config.rows, config.data.placement = (), placement
    planned = plan.plan(config, catalogue.load(config.data))
    steps = walk.Walk(planned, walk.Store(pathlib.Path(sys.argv[2], placement)))
    return [steps.variables(stage) for stage in ("pretrain", "align")]

jax.tree.map(np.testing.assert_array_equal, trained("device"), trained("host"))
"""


@pytest.mark.slow
def test_streaming_from_the_host_learns_the_same(chain, start, tmp_path):
    """To the bit, compiled as users' programs are: other emitters round elsewhere."""
    process = start("-c", STREAMED, chain, tmp_path, XLA_FLAGS="")
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert len(list(tmp_path.glob("*/training-*/complete.json"))) == 4


@pytest.mark.slow
def test_one_and_four_devices_have_the_same_losses(tiny_run, train_only, devices, tmp_path):
    devices(4)
    planned = plan.plan(tiny_run.config, catalogue.load(tiny_run.config.data))
    folders, steps = train_only(planned, tmp_path)
    for stage in ("pretrain", "align"):
        found, want = losses(folders[stage], stage), losses(tiny_run.folder, stage)
        assert len(want) == 6
        # estimates of information start at zero: relative alone would compare rounding errors
        np.testing.assert_allclose(want, found, rtol=1e-5, atol=1e-5, err_msg=stage)
    parts = load_embedding(tiny_run.artifacts["embedding-align"])
    for part, z in steps.parts("align").items():
        np.testing.assert_allclose(z, parts[part], rtol=1e-3, atol=1e-3, err_msg=part)


@pytest.mark.slow
def test_the_published_encoder_trains_through_both_stages(tiny, train_only, devices, tmp_path):
    """Of one sensor, beside the encoder of the other."""
    devices(1)
    config = tiny.config({"rows": (), "pretrain.steps": 3, "align.steps": 3}, "smoke,swin")
    config.augment.pool = ("scaling", "phase_shift")
    small = dict(width=8, heads=2, depths=(1, 1), decoder_depth=1, dim=8)
    swin = config.encoder.to_dict() | small
    with config.unlocked():
        config.encoder = common.encoder() | {"dim": 8, "per_modality": {"acc": swin}}
    made, _ = train_only(plan.plan(config, catalogue.load(config.data)), tmp_path)
    for stage in ("pretrain", "align"):
        found = losses(made[stage], stage)
        assert np.isfinite(found).all() and not np.allclose(found[0], found[-1])
