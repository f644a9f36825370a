"""Which rows a step sees: pairs, labels, neighbours, and that any step can be asked for."""

import dataclasses
import itertools

import numpy as np
import pytest

from mmalign.data import samplers, walks
from mmalign.data.dataset import TEST, TRAIN, VALIDATION, Dataset, Description
from mmalign.data.runs import sequences, usual_run
from mmalign.data.subsets import labelled_subset, labels_divided

SUBJECTS, CLASSES = 8, 3
LENGTHS = (9, 6, 8, 1)  # windows of a subject's recordings
N = SUBJECTS * sum(LENGTHS)


@pytest.fixture(scope="module")
def dataset():
    """Windows in no order, recordings of several lengths; the last two subjects are the test."""
    shuffle = np.random.default_rng(0).permutation(N)
    lengths = LENGTHS * SUBJECTS
    group = np.repeat(np.arange(SUBJECTS), sum(LENGTHS))[shuffle].astype(np.int32)
    return Dataset(
        inputs={m: np.zeros((N, 2, 1), np.float32) for m in ("acc", "emg", "ecg")},
        present={m: np.ones(N, bool) for m in ("acc", "emg", "ecg")},
        targets={"label": np.random.default_rng(1).integers(0, CLASSES, N).astype(np.int32)},
        group=group,
        split=np.where(group < SUBJECTS - 2, TRAIN, TEST).astype(np.int8),
        recording=np.repeat(np.arange(len(lengths)), lengths)[shuffle].astype(np.int32),
        position=np.concatenate([np.arange(k) for k in lengths])[shuffle].astype(np.int32),
        description=Description("toy", {}, {}, {}),
    )


def without(dataset, rows, *modalities):
    """The data set with `modalities` absent from `rows`."""
    present = {m: p.copy() for m, p in dataset.present.items()}
    for m in modalities:
        present[m][rows] = False
    return dataclasses.replace(dataset, present=present)


def create(dataset, batch_size=12, seed=0, **config):
    return samplers.create(config, dataset, batch_size=batch_size, seed=seed)


def rows_of(sampler, steps):
    return [sampler.rows(step) for step in range(steps)]


def paired(dataset, fraction, length=1, seed=0):
    """The windows that a paired sampler ever shows."""
    sampler = create(dataset, batch_size=length, kind="paired", fraction=fraction, length=length,
                  seed=seed)  # fmt: skip
    steps = -(-sampler.windows // length) + len(LENGTHS) * SUBJECTS
    return {int(r) for rows in rows_of(sampler, steps) for r in rows["acc"]}


CONFIGS = [
    {"kind": "unpaired"},
    {"kind": "unpaired", "length": 4},
    {"kind": "paired", "fraction": 0.5},
    {"kind": "paired", "fraction": 0.5, "length": 4},
    {"kind": "paired", "people": 2, "unpaired": 0.4},
    {"kind": "labelled", "fraction": 0.1},
]
HIDING = [
    {"kind": kind, "missing": {"kind": "subsets", "devices": {"arm": ("acc", "emg")}}}
    for kind in ("paired", "labelled")
]
every_sampler = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda c: "-".join(map(str, c.values()))
)


@every_sampler
def test_rows_are_a_function_of_seed_and_step(dataset, config):
    sampler, again, other = (create(dataset, seed=seed, **config) for seed in (3, 3, 4))
    first = rows_of(sampler, 40)
    walks._order.cache_clear()
    for step in (39, 0, 17, 17, 3):  # as after a restart, in whatever order
        for m, rows in again.rows(step).items():
            assert rows.dtype == np.int32 and rows.shape == (12,)
            np.testing.assert_array_equal(rows, first[step][m])
    assert any((a["acc"] != b["acc"]).any() for a, b in zip(first, rows_of(other, 40)))


@every_sampler
def test_only_training_windows_are_seen(dataset, config):
    seen = {int(r) for rows in rows_of(create(dataset, **config), 60) for r in rows["emg"]}
    assert set(dataset.split[list(seen)]) == {TRAIN}


@every_sampler
def test_what_windows_counts_is_what_is_seen(dataset, config):
    sampler = create(dataset, **config)
    seen = {int(r) for rows in rows_of(sampler, 60) for r in rows["emg"]}
    assert len(seen) == sampler.windows


def test_unpaired_draws_each_modality_on_its_own_and_each_window_once_an_epoch(dataset):
    sampler = create(dataset, kind="unpaired")
    train = np.flatnonzero(dataset.split == TRAIN)
    assert len(train) % 12 == 0
    epoch = len(train) // 12
    orders = {}
    for m in dataset.modalities:
        first, second = (
            np.concatenate([sampler.rows(start + i)[m] for i in range(epoch)])
            for start in (0, epoch)
        )
        np.testing.assert_array_equal(np.sort(first), train)
        np.testing.assert_array_equal(np.sort(second), train)
        assert (first != second).any()
        orders[m] = first
    for a, b in (("acc", "emg"), ("acc", "ecg"), ("emg", "ecg")):
        assert np.mean(orders[a] == orders[b]) < 0.1


@pytest.mark.parametrize("config", CONFIGS[:5], ids=lambda c: "-".join(map(str, c.values())))
def test_no_batch_holds_a_run_twice(dataset, config):
    """Or it would be its own negative; 20 windows divide none of the numbers of runs."""
    sampler = create(dataset, batch_size=20, **config)
    length, seen = config.get("length", 1), set()
    for rows in rows_of(sampler, 60):
        runs = {tuple(run) for run in rows["acc"].reshape(-1, length)}
        assert len(runs) == 20 // length
        seen |= runs
    assert (
        len({r for run in seen for r in run}) == sampler.windows
    )  # what an epoch leaves out changes


def test_adding_a_modality_does_not_change_the_draws_of_the_others(dataset):
    fewer = dataclasses.replace(dataset, inputs={m: dataset.inputs[m] for m in ("acc", "emg")})
    for kind in ("unpaired", "paired"):
        a, b = (create(d, kind=kind).rows(5) for d in (dataset, fewer))
        np.testing.assert_array_equal(a["emg"], b["emg"])


def test_unpaired_never_sees_a_window_whose_modality_is_absent(dataset):
    gone = np.flatnonzero(dataset.split == TRAIN)[::3]
    sampler = create(without(dataset, gone, "emg"), kind="unpaired")
    seen = {m: {int(r) for rows in rows_of(sampler, 60) for r in rows[m]} for m in ("acc", "emg")}
    assert not seen["emg"] & set(gone) and set(gone) <= seen["acc"]


def test_paired_shows_all_modalities_the_same_windows_of_two_sensors_or_more(dataset):
    train = np.flatnonzero(dataset.split == TRAIN)
    one_left, two_left = train[::3], train[1::3]
    data = without(without(dataset, one_left, "emg", "ecg"), two_left, "ecg")
    seen = set()
    for rows in rows_of(create(data, kind="paired"), 60):
        for m in ("emg", "ecg"):
            np.testing.assert_array_equal(rows[m], rows["acc"])
        seen |= set(rows["acc"])
    assert seen == set(train) - set(one_left)


def test_fewer_pairs_are_among_more_pairs_and_another_seed_gives_others(dataset):
    few, some, every = (paired(dataset, f) for f in (0.05, 0.3, 1.0))
    train = np.flatnonzero(dataset.split == TRAIN)
    assert few < some < every == set(train)
    assert len(few) == round(0.05 * len(train)) and len(some) == round(0.3 * len(train))
    assert paired(dataset, 0.3) == some != paired(dataset, 0.3, seed=1)


def test_subsets_of_pairs_are_made_of_whole_runs_of_neighbours(dataset):
    runs = sequences(dataset, dataset.split == TRAIN, 4)
    whole = {frozenset(map(int, run)) for run in runs}
    few, some = (paired(dataset, f, length=4) for f in (0.1, 0.5))
    assert few < some
    for chosen in (few, some):
        inside = [run for run in whole if run <= chosen]
        assert set().union(*inside) == chosen
    sampler = create(dataset, kind="paired", fraction=0.5, length=4)
    for rows in rows_of(sampler, 20):
        for run in rows["acc"].reshape(-1, 4):
            assert (runs == run).all(axis=1).any()


@pytest.mark.parametrize("length", [1, 2, 4, 10])
def test_runs_hold_neighbours_of_one_recording_and_repeat_the_last_window(dataset, length):
    units = sequences(dataset, np.ones(N, bool), length)
    assert units.shape == (SUBJECTS * sum(-(-k // length) for k in LENGTHS), length)
    assert set(units.ravel()) == set(range(N)) and units.dtype == np.int32
    for run in units:
        assert len(set(dataset.recording[run])) == len(set(dataset.split[run])) == 1
        last = LENGTHS[dataset.recording[run[0]] % len(LENGTHS)] - 1
        start = dataset.position[run[0]]
        assert start % length == 0
        np.testing.assert_array_equal(
            dataset.position[run], np.minimum(start + np.arange(length), last)
        )


@pytest.mark.parametrize("config", HIDING, ids=lambda c: c["kind"])
def test_hidden_sensors_are_drawn_anew_for_every_step_and_window(dataset, config):
    """A draw in Python inside a traced step would be the same at every step."""
    sampler = create(dataset, **config)
    plain = create(dataset, **{k: v for k, v in config.items() if k != "missing"})
    shown = []
    for step, rows in enumerate(rows_of(sampler, 30)):
        whole = plain.rows(step)["acc"]
        here = {m: row >= 0 for m, row in rows.items()}
        for m, row in rows.items():
            assert row.dtype == np.int32
            np.testing.assert_array_equal(row[here[m]], whole[here[m]])
            np.testing.assert_array_equal(sampler.rows(step)[m], row)
        np.testing.assert_array_equal(here["acc"], here["emg"])
        assert (here["acc"] | here["ecg"]).all()
        shown.append(np.stack([here["acc"], here["ecg"]], 1))
    assert all((a != b).any() for a, b in itertools.pairwise(shown))
    counts = np.bincount(np.concatenate(shown) @ [1, 2], minlength=4)
    assert counts[0] == 0 and counts.min(initial=999, where=[False, True, True, True]) > 80
    assert sampler.windows == plain.windows


def test_hiding_leaves_alone_what_is_absent_already(dataset):
    gone = np.flatnonzero(dataset.split == TRAIN)[::3]
    missing = {"kind": "burst", "rate": 0.5, "duration": 4.0}
    data = without(dataset, gone, "emg", "ecg")
    for rows in rows_of(create(data, kind="labelled", missing=missing), 20):
        assert np.max([*rows.values()], axis=0).min() >= 0  # one sensor of each window stays
        assert not set(rows["emg"]) & set(gone)


def test_runs_of_nothing_are_none_of_them(dataset):
    assert sequences(dataset, np.zeros(N, bool), 4).shape == (0, 4)


def test_labelled_takes_a_share_of_each_class_nested_and_one_window_at_least(dataset):
    train = np.flatnonzero(dataset.split == TRAIN)
    count = np.bincount(dataset.label[train], minlength=CLASSES)
    before = set()
    for fraction in (1e-6, 0.1, 0.5, 1.0):
        rows = labelled_subset(dataset.label, train, fraction, seed=0)
        want = np.maximum(np.round(fraction * count), 1)
        np.testing.assert_array_equal(np.bincount(dataset.label[rows]), want)
        assert before < set(rows) <= set(train) and len(set(rows)) == len(rows)
        before = set(rows)
    half, other = (labelled_subset(dataset.label, train, 0.5, seed) for seed in (0, 1))
    assert set(half) != set(other)


def test_people_to_choose_by_are_of_the_labels_that_there_are_and_are_not_learnt_from(dataset):
    some = create(dataset, kind="labelled", fraction=0.5, held_out=0.4)
    learnt, asked = labels_divided(dataset, 0.5, 0.4, seed=0)
    assert some.windows == len(learnt)
    whole = labelled_subset(dataset.label, dataset.split == TRAIN, 0.5, seed=0)
    assert sorted([*learnt, *asked]) == whole.tolist()
    people = set(dataset.group[asked])
    assert len(people) == round(0.4 * (SUBJECTS - 2)) and not people & set(dataset.group[learnt])
    assert set(labels_divided(dataset, 0.5, 0.4, seed=1)[1]) != set(asked)
    assert not len(labels_divided(dataset, 0.5, None, seed=0)[1])
    alone = dataclasses.replace(dataset, group=np.full(N, -1, np.int32))
    learnt, asked = labels_divided(alone, 1.0, 0.4, seed=0)  # of nobody known: of each class
    count = lambda rows: np.bincount(dataset.label[rows], minlength=CLASSES)
    np.testing.assert_array_equal(count(asked), np.round(0.4 * (count(asked) + count(learnt))))
    split = np.where(dataset.group == 0, VALIDATION, dataset.split)  # the data's own come first
    own = dataclasses.replace(dataset, split=split.astype(np.int8))
    learnt, asked = labels_divided(own, 1.0, 0.4, seed=0)
    np.testing.assert_array_equal(asked, np.flatnonzero(dataset.group == 0))
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\), got 1.0"):
        labels_divided(dataset, 0.5, 1.0, seed=0)
    with pytest.raises(ValueError, match=r"too few to hold out a share of 0\.4"):
        labels_divided(alone, 1e-6, 0.4, seed=0)


def test_windows_without_a_label_are_never_labelled_ones(dataset):
    label = dataset.label.copy()
    label[::2] = -1
    rows = labelled_subset(label, np.arange(N), 1.0, seed=0)
    np.testing.assert_array_equal(rows, np.flatnonzero(label >= 0))


def test_few_labels_fill_a_batch_by_walking_on_into_the_next_epochs(dataset):
    sampler = create(dataset, batch_size=48, kind="labelled", fraction=1e-6)
    assert sampler.windows == CLASSES
    rows = sampler.rows(7)["acc"]
    np.testing.assert_array_equal(np.unique(rows, return_counts=True)[1], 48 // CLASSES)


def people_of(dataset, k, batch_size=12, **config):
    """Who is seen by a sampler of k people, and all windows that it shows."""
    sampler = create(dataset, batch_size, kind="paired", people=k, **config)
    seen = np.unique([row for rows in rows_of(sampler, 60) for row in rows["acc"]])
    assert len(seen) == sampler.windows
    return set(dataset.group[seen].tolist()), seen


def test_few_people_are_among_more_people_and_give_all_their_pairs(dataset):
    before = set()
    for k in range(1, SUBJECTS - 1):
        people, seen = people_of(dataset, k)
        assert len(people) == k and before < people <= set(range(SUBJECTS - 2))
        np.testing.assert_array_equal(seen, np.flatnonzero(np.isin(dataset.group, list(people))))
        before = people
    assert len({frozenset(people_of(dataset, 2, seed=s)[0]) for s in range(9)}) > 1
    assert people_of(dataset, 3)[0] == people_of(dataset, 3, length=4)[0]


def test_people_nobody_knows_or_without_pairs_are_never_drawn(dataset):
    group = np.where(dataset.group == 0, -1, dataset.group)
    data = dataclasses.replace(dataset, group=group)
    data = without(data, np.flatnonzero(group == 1), "emg", "ecg")
    assert people_of(data, 4)[0] == {2, 3, 4, 5}
    with pytest.raises(ValueError, match=r"sampler.people must be 1 to 4, the people with pairs"):
        people_of(data, 5)
    nobody = dataclasses.replace(dataset, group=np.full(N, -1, np.int32))
    said = r"sampler.people=2, and the data do not say whose .*by sampler.fraction or .*minutes"
    with pytest.raises(ValueError, match=said):
        people_of(nobody, 2)


@pytest.mark.parametrize(
    ("kind", "gives"),
    [
        ("unpaired", {"sequences"}),
        ("paired", {"pairs", "some_pairs", "sequences"}),
        ("labelled", {"pairs", "some_pairs", "labels"}),
    ],
)
def test_a_sampler_says_what_it_gives(dataset, kind, gives):
    sampler = create(dataset, kind=kind)
    assert sampler.gives == gives and sampler.weights is sampler.paired is None


def test_what_does_not_fit_is_refused(dataset):
    for config, said in [
        ({"kind": "pared"}, r"'pared' .did you mean 'paired'.*; there is bound, labelled, p"),
        ({}, "no sampler is called None; there is bound, labelled, p"),
        (
            {"kind": "unpaired", "fraction": 0.1},
            "sampler 'unpaired' is called 'fraction'; .* length",
        ),
        ({"kind": "labelled", "length": 4}, "'labelled' is called 'length'; there is fraction"),
        ({"kind": "paired", "fraction": 0}, r"sampler.fraction must be in \(0, 1\], got 0"),
        ({"kind": "labelled", "fraction": 1.5}, "sampler.fraction .* got 1.5"),
        ({"kind": "paired", "length": 5}, "batch_size 12 must be a multiple of sampler.length 5"),
        ({"kind": "unpaired", "missing": {}}, "'unpaired' is called 'missing'"),
        ({"kind": "paired", "missing": {"rate": 0.1}}, "missing.kind must be one of .* got None"),
        ({"kind": "labelled", "missing": {"kind": "independent", "rate": 7}}, "rate .* got 7"),
        ({"kind": "paired", "fraction": 0.01}, "1 runs of .*length=1 pairs of .*fraction=0.01"),
        ({"kind": "paired", "people": 0}, "sampler.people must be 1 to 6, .* got 0"),
        ({"kind": "paired", "people": 7}, "sampler.people must be 1 to 6, .* got 7"),
        ({"kind": "paired", "people": 2, "fraction": 0.5}, "exclude each other: give one of them"),
        ({"kind": "paired", "people": 2, "minutes": 5}, "people=2 and sampler.minutes=5 exclude"),
        ({"kind": "labelled", "people": 2}, "'labelled' is called 'people'"),
    ]:
        with pytest.raises(ValueError, match=said):
            create(dataset, **config)
    apart = {m: dataset.present[m] & (np.arange(len(dataset)) % 2 == i)
             for i, m in enumerate(dataset.modalities)}  # fmt: skip
    with pytest.raises(
        ValueError, match="no training window has two of acc, emg, ecg, as pairs have"
    ):
        samplers.create({"kind": "paired"}, dataclasses.replace(dataset, present=apart),
                        batch_size=4, seed=0)  # fmt: skip
    with pytest.raises(ValueError, match=r"0 runs of sampler.length=1 training windows: nothing"):
        create(without(dataset, np.arange(N), "emg"), kind="unpaired")
    for targets in ({"label": np.full(N, -1, np.int32)}, {}):
        nothing = dataclasses.replace(dataset, targets=targets)
        with pytest.raises(ValueError, match="no labelled window"):
            create(nothing, kind="labelled")


@pytest.mark.parametrize("config", [{"kind": "paired"}, {"kind": "unpaired"}])
@pytest.mark.parametrize(("asked", "length", "got"), [(512, 1, 128), (96, 1, 96), (512, 4, 128)])
def test_a_batch_has_no_more_windows_than_there_are(dataset, config, asked, length, got):
    sampler = create(dataset, batch_size=asked, length=length, **config)
    assert sampler.batch_size == got
    for row in sampler.rows(3).values():
        assert len(row) == got
        assert length > 1 or len(np.unique(row)) == got


def test_a_tenth_are_pairs_or_of_small_data_as_many_as_fill_two_batches(dataset, monkeypatch):
    monkeypatch.setattr(samplers, "FEW", 36)
    few = create(dataset, kind="paired", fraction=None)
    assert few.windows == 36
    monkeypatch.setattr(samplers, "FEW", 4)
    tenth = create(dataset, kind="paired", fraction=None)
    assert tenth.windows == create(dataset, kind="paired", fraction=0.1).windows
    assert create(dataset, kind="paired", fraction=None, people=1).windows == 24


def test_sequences_are_as_long_as_recordings_allow(dataset):
    assert [usual_run(dataset, most) for most in (4, 2, 1)] == [4, 2, 1]
    alone = dataclasses.replace(dataset, recording=np.arange(N))
    assert usual_run(alone, 4) == 1
    in_pairs = dataclasses.replace(dataset, recording=np.arange(N) // 2, position=np.arange(N) % 2)
    assert usual_run(in_pairs, 8) == 2


def test_pairs_may_be_of_one_source_alone(dataset):
    source = np.arange(N) % 3
    several = dataclasses.replace(dataset, source=source.astype(np.int32))
    made = create(several, kind="paired", source=1)
    rows = np.concatenate([rows["acc"] for rows in rows_of(made, 9)])
    assert set(source[rows]) == {1}
    with pytest.raises(ValueError, match=r"sampler.source must be one of \[0, 1, 2\], got 7"):
        create(several, kind="paired", source=7)
    with pytest.raises(ValueError, match=r"one of \[0\], got 1"):
        create(dataset, kind="paired", source=1)
