import dataclasses

import numpy as np
import pytest

from mmalign.data import catalogue, standardise, synthetic
from mmalign.data.standardise import by_subject, relative

TINY = {"subjects": 4, "windows": 8, "test_subjects": 1}


@pytest.fixture(scope="module")
def dataset():
    return synthetic.make(**TINY)


def altered(dataset, **columns):
    return dataclasses.replace(dataset, **columns)


def test_levels_and_gains_of_people_do_not_matter(dataset):
    gain = (1.0 + dataset.group)[:, None, None]
    moved = {m: (x * gain + 100 * gain).astype(np.float32) for m, x in dataset.inputs.items()}
    want, got = by_subject(dataset), by_subject(altered(dataset, inputs=moved))
    for m in dataset.modalities:
        assert got.inputs[m].dtype == np.float32
        np.testing.assert_allclose(got.inputs[m], want.inputs[m], atol=1e-3)
        for subject in range(4):
            own = got.inputs[m][dataset.group == subject]
            np.testing.assert_allclose(own.mean(axis=(0, 1)), 0, atol=1e-4)
            np.testing.assert_allclose(own.std(axis=(0, 1)), 1, atol=1e-4)


def test_absent_windows_count_for_nothing_and_stay(dataset):
    (m, x), *rest = dataset.inputs.items()
    there = dataset.position % 2 == 0
    broken = np.where(there[:, None, None], x, np.nan)
    out = by_subject(altered(dataset, inputs={m: broken, **dict(rest)},
                             present={**dataset.present, m: there}))  # fmt: skip
    assert np.isnan(out.inputs[m][~there]).all()
    own = out.inputs[m][there & (dataset.group == 0)]
    np.testing.assert_allclose(own.mean(axis=(0, 1)), 0, atol=1e-5)


def test_a_channel_that_does_not_move_is_centred(dataset):
    still = {m: np.full_like(x, 7.1) for m, x in dataset.inputs.items()}
    for x in by_subject(altered(dataset, inputs=still)).inputs.values():
        np.testing.assert_allclose(x, 0, atol=1e-6)


def test_any_rank_is_relative_over_its_last_axis():
    rng = np.random.default_rng(0)
    shapes = {"face": (4, 5, 3), "age": (6,)}
    group = np.repeat([3, 7], 20)
    gain = (group + 1.0).reshape(-1, 1)
    inputs = {
        m: rng.normal(size=(40, *shape)) * gain.reshape(-1, *[1] * len(shape))
        for m, shape in shapes.items()
    }
    present = dict.fromkeys(shapes, np.ones(40, bool))
    for x in relative(inputs, present, group).values():
        for person in (3, 7):
            own = x[group == person]
            axes = tuple(range(x.ndim - 1))
            np.testing.assert_allclose(own.mean(axis=axes), 0, atol=1e-5)
            np.testing.assert_allclose(own.std(axis=axes), 1, atol=1e-5)


def test_samples_that_are_not_valid_count_for_nothing_and_stay(dataset):
    m, *_ = dataset.modalities
    valid = np.random.default_rng(0).random(dataset.inputs[m].shape[:2]) < 0.6
    broken = np.where(valid[:, :, None], dataset.inputs[m], 777).astype(np.float32)
    out = by_subject(
        altered(dataset, inputs={**dataset.inputs, m: broken}, valid={m: valid})
    ).inputs[m]
    assert (out[~valid] == 777).all()
    for person in range(4):
        own = out[dataset.group == person][valid[dataset.group == person]]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(own.std(axis=0), 1, atol=1e-5)


def test_a_config_asks_for_it_by_name(dataset):
    config = {"name": "synthetic", "options": TINY}
    same, own = (catalogue.load(config | {"standardise": how}) for how in ("training", "subject"))
    m = dataset.modalities[0]
    np.testing.assert_array_equal(same.inputs[m], dataset.inputs[m])
    np.testing.assert_array_equal(own.inputs[m], by_subject(dataset).inputs[m])
    with pytest.raises(
        ValueError, match=r"standardise must be one of training, subject, got .user"
    ):
        catalogue.load(config | {"standardise": "user"})


def test_windows_of_nobody_known_are_an_error(dataset):
    nobody = altered(dataset, group=np.full_like(dataset.group, -1))
    with pytest.raises(ValueError, match="needs the subject of every window, but 32 of 32"):
        by_subject(nobody)


@pytest.mark.parametrize("piece", [1, 100, 1 << 24])
def test_moments_are_those_of_all_that_counts_in_pieces_of_any_size(piece, monkeypatch):
    rng = np.random.default_rng(0)
    x = (1e3 + rng.normal(size=(20, 5, 2))).astype(np.float32)
    valid, rows = rng.random((20, 5)) < 0.7, np.flatnonzero(rng.random(20) < 0.6)
    monkeypatch.setattr(standardise, "_PIECE", piece)
    mean, std = standardise.channel_moments(x, valid, rows)
    seen = x[rows][valid[rows]].astype(float)
    np.testing.assert_allclose(mean, seen.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, seen.std(axis=0), rtol=1e-9)
    mean, std = standardise.channel_moments(x, np.zeros_like(valid))
    assert not mean.any() and (std == 1).all()
