"""MultiBench's files in their public layouts, as small as they go."""

import pickle
import random

import numpy as np
import pytest

from mmalign.data import catalogue
from mmalign.data.dataset import TEST, TRAIN, VALIDATION, check
from mmalign.data.multibench import TASKS, load

SIZES = {"train": 6, "valid": 3, "test": 4}


def clips(rng, steps=8, as_list=False):
    """Of 20, 300 and 74 features; the second clip of each part has no text."""
    content = {}
    for part, count in SIZES.items():
        x = {m: rng.normal(size=(count, steps, d)).astype(np.float32)
             for m, d in (("vision", 20), ("text", 300), ("audio", 74))}  # fmt: skip
        x["text"][:, :2], x["text"][1] = 0, 0
        x["audio"][0, 3, 5] = -np.inf
        labels = np.where(np.arange(count) % 2, 1.5, -0.5).reshape(count, 1, 1)
        x["id"] = np.array([f"clip {i}" for i in range(count)])
        content[part] = {m: list(v) if as_list else v for m, v in x.items()} | {"labels": labels}
    return content


@pytest.fixture
def mosi(rng, tmp_path):
    content = clips(rng)
    (tmp_path / "mosi_raw.pkl").write_bytes(pickle.dumps(content, protocol=4))
    return tmp_path, content


def test_clips_begin_with_their_text_and_end_in_zeros(mosi):
    path, content = mosi
    d = check(load(dir=path, task="mosi", steps=10, modalities=("vision", "text", "audio")))
    assert d.modalities == ("vision", "text", "audio") and set(d.kinds.values()) == {"sequence"}
    assert [(d.split == role).sum() for role in (TRAIN, VALIDATION, TEST)] == [5, 2, 3]
    kept = [0, 2, 3, 4, 5]  # of the training part
    for m, width in (("vision", 20), ("text", 300), ("audio", 74)):
        x, stored = d.inputs[m], content["train"][m][kept]
        assert x.shape == (10, 10, width) and x.dtype == np.float32
        want = np.where(np.isfinite(stored), stored, 0)[:, 2:]
        np.testing.assert_array_equal(x[:5, :6], want)
        assert not x[:, 6:].any()
    assert d.label.tolist()[:5] == [0, 0, 1, 0, 1]
    np.testing.assert_allclose(d.targets["value"][:5], [-0.5, -0.5, 1.5, -0.5, 1.5])
    assert d.description.class_names == ("negative", "positive")
    assert d.tasks["value"].kind == "real"


def test_long_clips_are_cut_and_lists_of_objects_are_read_as_well(rng, tmp_path):
    content = clips(rng, as_list=True)
    content["train"]["id"] = np.array(["a", None, 3, 4, 5, 6], dtype=object)
    (tmp_path / "sarcasm.pkl").write_bytes(pickle.dumps(content, protocol=2))
    d = load(dir=tmp_path / "sarcasm.pkl", task="mustard", steps=3)
    assert d.modalities == ("vision", "text") and d.inputs["text"].shape == (10, 3, 300)
    config = dict(name="multibench", dir=tmp_path, options=dict(task="mustard"))
    assert catalogue.load(config).inputs["vision"].shape == (10, 50, 20)


def test_stays_are_shuffled_as_published(rng, tmp_path):
    n = 40
    series, tabular = rng.normal(size=(n, 24, 12)), rng.normal(size=(n, 5))
    series[3, 2, 1], tabular[5, 0] = np.nan, np.inf
    codes = rng.integers(0, 2, (n, 20))
    content = {"ep_tdata": series, "adm_features_all": tabular, "y_icd9": codes}
    (tmp_path / "im.pk").write_bytes(pickle.dumps(content, protocol=4))
    d = check(load(dir=tmp_path, task="mimic"))
    assert d.kinds == {"tabular": "vector", "series": "sequence"}
    order = list(range(n))
    random.seed(10)
    random.shuffle(order)
    np.testing.assert_array_equal(d.label, codes[order, 7])
    np.testing.assert_allclose(d.inputs["series"], np.nan_to_num(series)[order], rtol=1e-6)
    assert np.isfinite(d.inputs["tabular"]).all()
    assert (d.split[:4] == VALIDATION).all() and (d.split[4:8] == TEST).all()
    assert (d.split[8:] == TRAIN).all()
    assert (load(dir=tmp_path, task="mimic", code=1).label == codes[order, 1]).all()


@pytest.fixture
def robot(rng, tmp_path):
    """Six episodes of five steps."""
    h5py = pytest.importorskip("h5py")
    for i in range(6):
        with h5py.File(tmp_path / f"episode_{i}.h5", "w") as file:
            file["image"] = rng.integers(0, 256, (5, 128, 128, 3)).astype(np.uint8)
            file["ee_forces_continuous"] = rng.normal(size=(5, 50, 6))
            file["proprio"] = rng.normal(size=(5, 8)) + i
            contact = np.zeros((5, 50), bool)
            contact[3, 7] = True
            file["contact"] = contact
            file["depth_data"] = np.zeros((5, 1))
    return tmp_path


def test_a_robot_s_steps_know_what_the_next_one_brings(robot):
    import h5py

    names = ("image", "force", "proprio")
    d = check(load(dir=robot, task="vision_touch", modalities=names, size=32))
    assert {m: x.shape[1:] for m, x in d.inputs.items()} == {
        "image": (32, 32, 3), "force": (32, 6), "proprio": (8,)
    }  # fmt: skip
    assert len(d) == 6 * 4 and d.label.reshape(6, 4).tolist() == [[0, 0, 1, 0]] * 6
    with h5py.File(robot / "episode_2.h5") as file:
        stored = {key: file[key][()] for key in ("image", "ee_forces_continuous", "proprio")}
    rows = d.group == 2
    np.testing.assert_allclose(d.targets["pose"][rows], stored["proprio"][1:, :4], rtol=1e-5)
    np.testing.assert_allclose(d.inputs["proprio"][rows], stored["proprio"][:4], rtol=1e-5)
    np.testing.assert_allclose(
        d.inputs["force"][rows], np.tanh(stored["ee_forces_continuous"][:4, 18:]), atol=1e-6
    )
    mean = stored["image"][0, :4, :4, 0].mean() / 255
    np.testing.assert_allclose(d.inputs["image"][rows][0, 0, 0, 0], mean, rtol=1e-5)
    tested = np.unique(d.group[d.split == TEST])
    assert len(tested) == 1 and not np.isin(d.group[d.split == TRAIN], tested).any()
    few = load(dir=robot, task="vision_touch", episodes=2, size=16)
    assert len(few) == 8 and few.modalities == ("image", "proprio")


def test_what_does_not_fit_is_named(mosi, robot, rng):
    path, content = mosi
    for match, given in [
        ("must be one of mosi, ur_funny.*got 'moisi'", dict(task="moisi")),
        (
            "modality of mosi is called 'video'; there is audio, text, vision",
            dict(modalities=("video",)),
        ),
        ("two or more of mosi, each once", dict(modalities=("text",))),
        ("two or more of mosi, each once", dict(modalities=("text", "text"))),
        ("size must be a whole fraction of 128, got 100", dict(task="vision_touch", size=100)),
    ]:
        with pytest.raises(ValueError, match=match):
            load(**{"dir": path, "task": "mosi"} | given)
    for task in ("mimic", "ur_funny"):
        with pytest.raises(FileNotFoundError, match=TASKS[task].file):
            load(dir=path / "nowhere", task=task)
    with pytest.raises(FileNotFoundError, match=r"get mosi_raw\.pkl from https://.*data\.dir="):
        load(task="mosi")
    with pytest.raises(FileNotFoundError, match=r"0 \.h5 files"):
        load(dir=path / "nowhere", task="vision_touch")
    other = path / "mosi_raw.pkl"
    other.write_bytes(pickle.dumps({"train": content["train"], "test": content["test"]}))
    with pytest.raises(ValueError, match="is to hold train, valid, test, it holds"):
        load(dir=path, task="mosi")
    other.write_bytes(pickle.dumps(random.Random(1)))
    with pytest.raises(ValueError, match=r"asks for random\.Random, which is refused"):
        load(dir=other, task="mosi")
    (robot / "episode_0.h5").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"episode_0\.h5 cannot be read as HDF5"):
        load(dir=robot, task="vision_touch")
