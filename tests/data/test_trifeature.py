"""Trifeature: its counts as published, and pictures that say what they are made of."""

import numpy as np
import pytest

from mmalign.data import trifeature
from mmalign.data import trifeature_images as images


def features(seed=42):
    """(of each picture, whether it is tested), as `make` has them."""
    kind, tested = trifeature.combinations(seed)
    each = np.concatenate([np.repeat(np.flatnonzero(~tested), 3), np.flatnonzero(tested)])
    return kind[each], tested[each]


def test_counts_and_mapping_are_the_published_ones():
    kind, tested = features()
    assert (len(kind), tested.sum()) == (2600, 200)
    mapping = trifeature.mapping()
    told = dict(zip(images.TEXTURES, np.array([*images.COLOURS])[mapping]))
    assert told == {
        "solid": "cyan", "stripes": "purple", "grid": "red", "hexgrid": "ocean", "dots": "yellow",
        "noise": "blue", "triangles": "pink", "zigzags": "white", "rain": "green",
        "pluses": "orange",
    }  # fmt: skip
    count = lambda rows, biased: len(trifeature.candidates(kind, rows, mapping, biased))
    train, test = np.flatnonzero(~tested), np.flatnonzero(tested)
    assert (count(train, False), count(train, True), count(test, False)) == (576_846, 57_636, 4_094)


@pytest.fixture(scope="module")
def dataset():
    return trifeature.make(size=32, pairs=600, test_pairs=400)


def test_pairs_share_a_shape_and_match_only_where_they_are_biased(dataset, monkeypatch):
    biased = dataset.source == trifeature.BIASED
    train, test = dataset.split == 0, dataset.split == 1
    assert (biased & train).sum() == (~biased & train).sum() == 600 and (
        ~biased & test
    ).sum() == 400
    for x in dataset.targets.values():
        assert (x[biased] == -1).all() and (x[~biased] >= 0).all()
    for rows, share in ((~biased & train, 0.103), (test, 0.099)):
        np.testing.assert_allclose(dataset.targets["match"][rows].mean(), share, atol=0.03)
    assert set(dataset.targets) == {"label", "texture_1", "texture_2", "match"}
    blank = lambda *features, size, seed: np.zeros((len(features[0]), size, size, 3), np.uint8)
    monkeypatch.setattr(images, "render", blank)
    other = trifeature.make(size=16, pairs=600, test_pairs=400, task="match")
    np.testing.assert_array_equal(other.label, dataset.targets["match"])
    np.testing.assert_array_equal(other.targets["shape"], dataset.label)
    assert other.description.class_names == ("does not match", "matches")


def test_halves_go_to_the_even_number_whatever_order_areas_were_added_up_in():
    grey = 0.5 + 1e-12 * np.arange(-3, 4)  # as the number of threads decides
    np.testing.assert_array_equal(images._to_bytes(grey), 128)
    np.testing.assert_array_equal(images._to_bytes(grey + 1 / 255), 128)


def test_a_picture_is_grey_around_its_colour(dataset):
    for x in dataset.inputs.values():
        assert x.shape[1:] == (32, 32, 3) and x.dtype == np.float32
        assert x.min() >= 0 and x.max() <= 1
        corners = x[:, [0, 0, -1, -1], [0, -1, 0, -1]]
        assert (np.abs(corners - 0.5) < 0.01).mean() > 0.9
    solid = images.render([1] * 10, [0] * 10, range(10), size=64, seed=3)
    middle = solid.reshape(10, -1, 3)
    for picture, rgb in zip(middle, images.COLOURS.values()):
        inside = np.abs(picture - 127.5).sum(axis=1) > 60
        want = np.rint(255 * np.array(rgb, float))
        assert np.abs(np.median(picture[inside], axis=0) - want).max() <= 3


def test_shapes_and_textures_are_all_different():
    masks = [images._shapes()[name] for name in images.SHAPES]
    assert len({mask.tobytes() for mask in masks}) == 10
    areas = dict(zip(images.SHAPES, (mask.mean() for mask in masks)))
    np.testing.assert_allclose(areas["circle"], np.pi / 4, atol=0.01)
    np.testing.assert_allclose(areas["triangle"], 0.5, atol=0.02)
    np.testing.assert_allclose(areas["rhombus"], 0.5, atol=0.02)
    np.testing.assert_allclose(areas["fivesquare"], 5 / 9, atol=0.02)
    rng = lambda: np.random.default_rng(0)
    sheets = {t: images._textured(t, 1.0, rng()) for t in images.TEXTURES}
    want = {"solid": 1, "stripes": 0.3, "grid": 0.51, "dots": 0.45, "noise": 0.5, "rain": 0.3}
    for name, share in want.items():
        np.testing.assert_allclose(sheets[name].mean(), share, atol=0.04, err_msg=name)
    assert len({sheet.tobytes() for sheet in sheets.values()}) == 10


def test_attributes_can_be_read_from_small_pictures(dataset):
    """What a classifier on pixels makes of shape, texture and colour is far above chance."""
    rng = np.random.default_rng(0)
    kind = np.stack([rng.integers(0, 10, 900) for _ in range(3)])
    x = images.render(*kind, size=32, seed=1).astype(np.float32) / 255
    drawn = np.abs(x - 0.5).max(axis=-1)
    spectrum = np.abs(np.fft.rfft2(drawn)).reshape(len(x), -1)
    spectrum /= spectrum[:, :1] + 1e-6
    inside = x.reshape(900, -1, 3)[np.arange(900), drawn.reshape(900, -1).argmax(axis=1)]
    from sklearn.ensemble import RandomForestClassifier

    for features, label, least in (
        (spectrum, kind[1], 0.4),
        (inside, kind[2], 0.8),
    ):
        model = RandomForestClassifier(100, random_state=0).fit(features[:700], label[:700])
        assert model.score(features[700:], label[700:]) > least


def test_what_does_not_fit_is_named():
    wrong = {"size must be 16 to 224, got 300": {"size": 300}, "20 pairs": {"pairs": 3},
             "data.options.task": {"task": "colour"}}  # fmt: skip
    for match, changes in wrong.items():
        with pytest.raises(ValueError, match=match):
            trifeature.make(**changes)
