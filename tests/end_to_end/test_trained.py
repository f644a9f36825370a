"""A finished run as a function from windows to embeddings."""

import json
import shutil

import numpy as np
import pytest

import mmalign
from mmalign.data import standardise
from mmalign.score import load_embedding


@pytest.fixture(scope="module")
def whole(model, windows):
    return model.embed(windows, batch_size=16)


def test_it_embeds_as_the_run_did(model, dataset, tiny_run):
    z = model.embed(dataset.inputs)
    for part, want in load_embedding(tiny_run.artifacts["embedding-align"]).items():
        np.testing.assert_allclose(z[part], want, rtol=1e-5, atol=1e-5)


def test_every_part_has_a_row_for_every_window(whole, model):
    assert set(whole) == {"acc", "emg", "shared", "private", "joint"}
    assert {len(z) for z in whole.values()} == {10}
    assert list(model.modalities) == ["acc", "emg"]
    assert model.modalities["emg"] == ("series", (256, 2), 100.0, "float32")


def test_batches_do_not_show(model, windows, whole):
    for part, z in model.embed(windows, batch_size=3).items():
        np.testing.assert_allclose(z, whole[part], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", ["left out", "nan throughout"])
def test_a_missing_sensor_keeps_the_shapes_and_is_zeros_in_its_own_part(model, windows, whole, way):
    there = {"acc": windows["acc"]}
    if way == "nan throughout":
        there["emg"] = np.full_like(windows["emg"], np.nan)
    z = model.embed(there, batch_size=16)
    assert {part: x.shape for part, x in z.items()} == {p: x.shape for p, x in whole.items()}
    np.testing.assert_allclose(z["acc"], whole["acc"], rtol=1e-5, atol=1e-5)
    assert not z["emg"].any()
    assert np.isfinite(z["joint"]).all() and np.abs(z["joint"]).sum(axis=1).all()
    assert not np.allclose(z["joint"], whole["joint"])


def test_a_sensor_may_be_missing_from_some_windows_alone(model, windows, whole):
    emg = windows["emg"].copy()
    emg[4] = np.nan
    z = model.embed({"acc": windows["acc"], "emg": emg}, batch_size=16)
    others = np.arange(10) != 4
    np.testing.assert_allclose(z["joint"][others], whole["joint"][others], rtol=1e-5, atol=1e-5)
    alone = model.embed({"acc": windows["acc"]}, batch_size=16)
    np.testing.assert_allclose(z["joint"][4], alone["joint"][4], rtol=1e-5, atol=1e-5)


def test_what_it_cannot_embed_is_named(model, windows):
    acc, emg = windows["acc"], windows["emg"]
    infinite = acc.copy()
    infinite[5, 0, 0] = np.inf
    for match, inputs in (
        ("has 'gyro'; the model knows 'acc', 'emg'", {"acc": acc, "gyro": acc}),
        ("has no modality; the model knows", {}),
        (
            r"inputs\['acc'\] has shape \(10, 100, 3\), expected \(10, 128, 3\)",
            {"acc": acc[:, :100]},
        ),
        (r"inputs\['acc'\] has shape \(128, 3\), expected", {"acc": acc[0]}),
        (r"inputs\['emg'\] has shape \(9, 256, 2\), expected \(10,", {"acc": acc, "emg": emg[:9]}),
        ("hold no window", {"acc": acc[:0]}),
        ("has no modality; the model knows", {"acc": None, "emg": None}),
        (r"expected \(\d+, 128, 3\).*; for a single window give x\[None\]", {"acc": acc[0]}),
        (r"inputs\['acc'\] must be real numbers, got complex64", {"acc": acc + 1j}),
        (r"inputs\['acc'\] must be real numbers, got <U", {"acc": acc.astype(str)}),
        (r"inputs must be windows by modality, \{'acc': .*, got a tuple", (acc, emg)),
        (r"inputs must be windows by modality, .*, got a ndarray", acc),
        (
            "no window has any modality: all that is given is NaN",
            {"acc": np.full_like(acc, np.nan)},
        ),
        (r"inputs\['acc'\] is not finite in window 5", {"acc": infinite}),
    ):
        with pytest.raises(ValueError, match=match):
            model.embed(inputs)
    for size in (0, -3, 2.5, None):
        with pytest.raises(ValueError, match="batch_size must be a whole number, 1 or more, got"):
            model.embed(windows, batch_size=size)


def test_a_sensor_that_is_none_is_left_out(model, windows):
    alone = model.embed({"acc": windows["acc"]}, batch_size=16)
    z = model.embed({"acc": windows["acc"], "emg": None}, batch_size=16)
    np.testing.assert_array_equal(z["joint"], alone["joint"])


def test_a_gap_inside_a_window_is_not_read(model, windows, whole):
    gap, noise = (windows["acc"].copy() for _ in range(2))
    gap[3, 7:20], noise[3, 7:20] = np.nan, 1e3
    z = model.embed({"acc": gap, "emg": windows["emg"]}, batch_size=16)
    others = np.arange(10) != 3
    for part, x in z.items():
        assert np.isfinite(x).all()
        np.testing.assert_allclose(x[others], whole[part][others], rtol=1e-5, atol=1e-5)
    mean = windows["acc"].copy()  # what the encoder sees is the middle of the scale, not the gap
    mean[3, 7:20] = model.statistics["acc"]["mean"]
    filled = model.embed({"acc": mean, "emg": windows["emg"]}, batch_size=16)
    apart = np.abs(z["acc"][3] - filled["acc"][3])
    assert apart.mean() < 0.25 and apart.max() < 0.6


def test_an_earlier_stage_or_a_reference_can_be_loaded(tiny_run, windows, whole):
    for stage in ("pretrain", "joint_pretrain"):
        z = mmalign.load(tiny_run.folder, stage).embed(windows, batch_size=16)
        assert {"acc", "emg", "joint"} <= set(z)
        assert z["joint"].shape != whole["joint"].shape or not np.allclose(
            z["joint"], whole["joint"]
        )


def test_a_network_that_learned_from_labels_answers_also_without_a_sensor(tiny_run, windows):
    model = mmalign.load(tiny_run.folder, "supervised_100")
    for inputs in (windows, {"emg": windows["emg"]}):
        logits = model.embed(inputs, batch_size=16)["logits"]
        assert logits.shape == (10, 6) and np.isfinite(logits).all()


def test_a_folder_without_a_run_and_a_stage_that_is_none_are_named(tiny_run, windows, tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} holds no run"):
        mmalign.load(tmp_path)
    assert set(mmalign.load(tiny_run.folder, "random_encoder").embed(windows)) >= {
        "acc",
        "emg",
        "joint",
    }
    for stage in ("nope", "supervised", "supervised_50", "seed"):
        with pytest.raises(ValueError, match=f"has no stage '{stage}'; it has pretrain, align"):
            mmalign.load(tiny_run.folder, stage)


def test_an_unfinished_stage_is_refused_and_the_save_in_progress_left_alone(tiny_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)
    home = next(folder.glob("artifacts/training-align-*"))
    (home / "complete.json").unlink()
    (home / "checkpoints" / "6").rename(home / "checkpoints" / "6.orbax-checkpoint-tmp")
    for gone in (None, home):
        if gone is not None:
            shutil.rmtree(gone)
        with pytest.raises(ValueError, match="stage 'align' in .* is not finished: start the run"):
            mmalign.load(folder)
        assert gone is not None or (home / "checkpoints" / "6.orbax-checkpoint-tmp").exists()


def test_a_damaged_model_says_what_to_delete(tiny_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)
    (sums,) = folder.glob("artifacts/training-align-*/checkpoints/checksums/6.json")
    sums.write_text("")
    gone = (
        r"delete .*artifacts/training-align-\w+ and .*artifacts/report-align-\w+ and start the run"
    )
    with pytest.raises(ValueError, match=rf"6 is without its checksums .*: {gone}"):
        mmalign.load(folder)


def test_a_run_by_subject_asks_whose_windows_they_are(tiny_run, model, windows, tmp_path):
    folder, subject = tmp_path / "run", np.arange(10) // 4
    shutil.copytree(tiny_run.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["data"]["standardise"] = "subject"
    (folder / "config.json").write_text(json.dumps(config))
    own = mmalign.load(folder)
    there = dict.fromkeys(windows, np.ones(10, bool))
    want = model.embed(standardise.relative(windows, there, subject))["joint"]
    np.testing.assert_allclose(own.embed(windows, subject=subject)["joint"], want, atol=1e-5)
    for wrong in (None, subject[:9]):
        with pytest.raises(ValueError, match=r"subject must be \[10\], one for each window"):
            own.embed(windows, subject=wrong)
    with pytest.raises(ValueError, match="subject is unknown, -1, of 4 windows"):
        own.embed(windows, subject=subject - 1)
    with pytest.raises(ValueError, match="subject is not used: the run standardised its channels"):
        model.embed(windows, subject=subject)
