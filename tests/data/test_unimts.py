"""Data sets as prepared for UniMTS, in small files of the published layout."""

import json

import numpy as np
import pytest

from mmalign.data import catalogue
from mmalign.data.dataset import TEST, TRAIN, check

SENSORS = {"wrist_acc": (0, 3), "wrist_gyro": (3, 6)}
WORDS = {"0": ["stand"], "1": ["walk", "slowly"], "2": ["sit"]}


@pytest.fixture
def folder(tmp_path, rng):
    folder = tmp_path / "TNDA-HAR"
    folder.mkdir()
    for end, n in (("train", 9), ("test", 6)):
        np.save(folder / f"X_{end}.npy", rng.normal(size=(n, 8, 6)))
        np.save(folder / f"y_{end}.npy", np.arange(n) % 3)
    (folder / "TNDA-HAR.json").write_text(json.dumps({"label_dictionary": WORDS}))
    return folder


def load(folder, **options):
    given = {"rate_hz": 50, "sensors": SENSORS} | options
    return check(catalogue.load({"name": "unimts", "path": str(folder), "options": given}))


def test_the_published_split_and_the_words_of_the_classes_are_kept(folder):
    data = load(folder)
    assert (data.split == TRAIN).sum() == 9 and (data.split == TEST).sum() == 6
    assert data.description.class_names == ("stand", "walk slowly", "sit")
    assert data.description.name == "TNDA-HAR" and (data.group == -1).all()
    assert data.inputs["wrist_gyro"].shape == (15, 8, 3)
    assert len(np.unique(data.recording)) == 15  # nothing says what follows what


def test_one_part_alone_is_split(folder):
    for name in ("X_train.npy", "y_train.npy"):
        (folder / name).unlink()
    data = load(folder)
    assert set(data.split) == {TRAIN, TEST} and len(data) == 6


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda f: (f / "TNDA-HAR.json").unlink(), "one .json with 'label_dictionary'.* has 0"),
        (lambda f: (f / "b.json").write_text('{"label_dictionary": {}}'), "and has 2"),
        (lambda f: (f / "TNDA-HAR.json").write_text("{"), "TNDA-HAR.json is no json"),
        (lambda f: (f / "TNDA-HAR.json").write_text('{"label_dictionary": {"1": ["a"]}}'),
         "must give words for each class from 0 on"),
        (lambda f: (f / "TNDA-HAR.json").write_text('{"label_dictionary": {"0": "a"}}'),
         "must give words for each class from 0 on"),
        (lambda f: (f / "TNDA-HAR.json").write_text('{"label_dictionary": {"0": ["a"]}}'),
         "y_test.npy: 'label' 1 in window 1 is out of range"),
        (lambda f: (f / "y_test.npy").unlink(), "needs X_test.npy and y_test.npy"),
    ],
)  # fmt: skip
def test_what_is_not_the_layout_is_named(folder, change, match):
    change(folder)
    with pytest.raises(ValueError, match=match):
        load(folder)


def test_a_rate_has_to_be_given(folder):
    with pytest.raises(ValueError, match="that of 'wrist_acc' is not given"):
        load(folder, rate_hz=None)
