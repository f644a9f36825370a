"""A data set of some of its modalities."""

import dataclasses

import numpy as np
import pytest

from mmalign.configs import baselines
from mmalign.data import catalogue
from mmalign.data.modalities import kept


@pytest.fixture(scope="module")
def dataset():
    """Three sensors; the first ten windows have emg alone."""
    config = {"name": "synthetic", "options": {"subjects": 4, "windows": 16, "test_subjects": 1,
                                               "sensors": ("acc", "emg", "gyro")}}  # fmt: skip
    made = catalogue.load(config)
    emg_alone = np.arange(len(made)) < 10
    present = {m: x & ((m == "emg") | ~emg_alone) for m, x in made.present.items()}
    return dataclasses.replace(made, present=present)


def test_it_is_as_if_there_were_no_others(dataset):
    found = kept(dataset, ("gyro", "emg"))
    assert found.modalities == ("emg", "gyro")  # in the data's own order
    about = found.description
    for of in (found.inputs, found.present, found.kinds, about.rate_hz, about.unit, about.channels):
        assert {*of} == {"emg", "gyro"}
    np.testing.assert_array_equal(found.inputs["emg"], dataset.inputs["emg"])
    assert len(found) == len(dataset) and found.factors.keys() == dataset.factors.keys()


def test_windows_that_have_none_of_them_are_gone(dataset):
    found = kept(dataset, ("acc", "gyro"))
    assert len(found) == len(dataset) - 10
    np.testing.assert_array_equal(found.inputs["acc"], dataset.inputs["acc"][10:])
    np.testing.assert_array_equal(found.label, dataset.label[10:])


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (
            ("acc", "ppg"),
            "no modality of config.data.modalities is called 'ppg'; there is acc, emg",
        ),
        (("acc", "acc"), "names one twice: acc, acc"),
        ("acc", "must be a tuple of names, got 'acc'"),
    ],
)
def test_what_it_does_not_have_is_named(dataset, names, match):
    with pytest.raises(ValueError, match=match):
        kept(dataset, names)


def test_a_config_names_them():
    config = baselines.get_config("synthetic")
    assert catalogue.load(config.data).modalities == ("acc", "emg")
    config.data.modalities = ("emg",)
    assert catalogue.load(config.data).modalities == ("emg",)
