"""What a data set says of itself, rows of it, and arrays that do not fit."""

import dataclasses

import numpy as np
import pytest

from mmalign.data.dataset import Dataset, Description, Task, check

N = 6


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    return Dataset(
        inputs={
            "ecg": rng.normal(size=(N, 5, 2)).astype(np.float32),
            "face": rng.normal(size=(N, 3, 4, 1)).astype(np.float32),
        },
        present={"ecg": np.arange(N) % 2 == 0, "face": np.ones(N, bool)},
        targets={
            "label": np.array([0, 2, -1, 1, 0, 1], np.int32),
            "age": rng.normal(size=N).astype(np.float32),
        },
        group=np.arange(N, dtype=np.int32) // 2,
        split=np.array([0, 0, 0, 1, 2, 1], np.int8),
        recording=np.zeros(N, np.int32),
        position=np.arange(N, dtype=np.int32),
        description=Description(
            "toy", {"ecg": 50.0}, {}, {}, kind={"face": "image"}, targets={"age": Task("real", 1)}
        ),
        valid={"ecg": rng.random((N, 5)) < 0.5},
        factors={"shared": rng.normal(size=(N, 2)).astype(np.float32)},
    )


def test_a_data_set_says_what_its_modalities_and_targets_are(dataset):
    assert len(dataset) == N and dataset.modalities == ("ecg", "face")
    assert dataset.kinds == {"ecg": "series", "face": "image"}
    assert dataset.tasks == {"label": Task("classes", 3), "age": Task("real", 1)}
    named = dataclasses.replace(dataset.description, class_names=("a", "b", "c", "d"))
    named = dataclasses.replace(dataset, description=named)
    assert named.num_classes == 4  # one of them is in no window
    assert named.tasks["label"] == Task("classes", 4, ("a", "b", "c", "d"))


def test_a_label_is_a_target_like_others_and_unknown_where_there_is_none(dataset):
    assert dataset.label is dataset.targets["label"]
    bare = dataclasses.replace(dataset, targets={"age": dataset.targets["age"]})
    assert bare.num_classes == 0 and bare.label.dtype == np.int32 and (bare.label == -1).all()
    assert [*bare.tasks] == ["age"]


@pytest.mark.parametrize("rows", [np.array([4, 0, 0]), np.arange(N) % 3 == 1], ids=["ints", "bool"])
def test_selected_rows_are_those_of_every_array(dataset, rows):
    source = np.arange(N, dtype=np.int32)
    for data in (dataset, dataclasses.replace(dataset, source=source)):
        part = data.select(rows)
        assert len(part) == len(source[rows]) and part.description is data.description
        for field in dataclasses.fields(data):
            whole, some = getattr(data, field.name), getattr(part, field.name)
            if isinstance(whole, dict):
                assert [*whole] == [*some]
                for key, x in whole.items():
                    np.testing.assert_array_equal(some[key], x[rows])
            elif isinstance(whole, np.ndarray):
                np.testing.assert_array_equal(some, whole[rows])
        assert (part.source is None) == (data.source is None)


def test_arrays_that_do_not_fit_are_named(dataset):
    assert check(dataset) is dataset
    about = dataset.description
    describe = lambda **change: {"description": dataclasses.replace(about, **change)}
    flat = {**dataset.inputs, "face": np.zeros((N, 4), np.float32)}
    for change, said in (
        ({"position": np.zeros(N - 1)}, "position '' has 5 rows where group has 6"),
        ({"targets": {"label": np.zeros(N + 1)}}, "targets 'label' has 7 rows where group has 6"),
        ({"present": {"ecg": dataset.present["ecg"]}}, "present is given for .'ecg'., inputs"),
        ({"inputs": flat}, r"'face' is called a 'image' and has the shape \(6, 4\)"),
        (describe(kind={"face": "video"}), "'face' is called a 'video'"),
        (describe(rate_hz={}), "no rate_hz for the series 'ecg'"),
        ({"valid": {"ecg": np.ones((N, 4), bool)}}, r"valid 'ecg' must be .n, time., got \(6, 4\)"),
        (describe(targets={}), "no Task for the target 'age'"),
    ):
        with pytest.raises(ValueError, match=said):
            check(dataclasses.replace(dataset, **change))


def renamed(dataset, name):
    """The data set with `name` for its modality ecg."""
    of = lambda column: {name if m == "ecg" else m: x for m, x in column.items()}
    about = dataclasses.replace(
        dataset.description, rate_hz=of(dataset.description.rate_hz), channels={name: ("a", "b")}
    )
    return dataclasses.replace(
        dataset, inputs=of(dataset.inputs), present=of(dataset.present), valid=of(dataset.valid),
        description=about,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["acc (left)", "[^x]+", "加速度", "a.b", "$x$", r"\1 -> +", "_a", "é" * 100]
)
def test_a_modality_may_have_any_name_that_is_a_part_of_a_path(dataset, name):
    assert check(renamed(dataset, name)).modalities == (name, "face")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("left/acc", "'left/acc', and '/' separates the parts of a path: .*such as 'left_acc'"),
        ("[^/]+", "'.*', and '/' separates"),
        ("", "'', which is no name: call it something of 1 to 100 characters"),
        (".", "'.', which is no part of a path"),
        ("..", "'..', which is no part of a path"),
        ("a" * 101, "which has 101 characters"),
        ("a\nb", r"'a\\nb', and the character 0xa cannot be shown"),
        ("a\ud800", "the character 0xd800 cannot be shown"),
        ("a\x85", "the character 0x85 cannot be shown"),
        (3, "3, which is no text"),
    ],
)
def test_names_that_are_no_part_of_a_path_are_refused(dataset, name, said):
    with pytest.raises(ValueError, match=f"data set 'toy': a modality is called .*{said}"):
        check(renamed(dataset, name))
    target = {name: np.zeros(N, np.int32)}
    with pytest.raises(ValueError, match="data set 'toy': a target is called"):
        check(dataclasses.replace(dataset, targets=target))
    factor = {name: np.zeros((N, 1), np.float32)}
    with pytest.raises(ValueError, match="data set 'toy': a factor is called"):
        check(dataclasses.replace(dataset, factors=factor))


def test_names_that_are_shown_alone_may_be_any_text(dataset):
    describe = lambda **change: dataclasses.replace(
        dataset, description=dataclasses.replace(dataset.description, **change)
    )
    names = ("up/down", "", "$5 & more", "a" * 200)
    assert check(describe(class_names=names, channels={"ecg": names})).num_classes == 4
    for change, what in (
        ({"class_names": ("a\tb",)}, "data set 'toy': a class"),
        ({"channels": {"ecg": ("a\x00",)}}, "data set 'toy': a channel of 'ecg'"),
        ({"sources": ("\udcff",)}, "data set 'toy': a source"),
        ({"name": "my\nwindows"}, "a data set"),
    ):
        with pytest.raises(ValueError, match=f"{what} is called .* cannot be shown: leave it out"):
            check(describe(**change))
