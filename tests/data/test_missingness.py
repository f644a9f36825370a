"""Simulated missingness: rates, gaps, subjects, devices, and that no window loses everything."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmalign.data import samplers, synthetic
from mmalign.data.incomplete import incomplete
from mmalign.data.missing_patterns import check, devices_of
from mmalign.data.missingness import simulate
from mmalign.data.movement import levels

NAMES = ("a", "b", "c")
LENGTH, RECORDINGS, SUBJECTS = 100, 300, 100
N = LENGTH * RECORDINGS
TIME = dict(
    group=np.arange(N) // (N // SUBJECTS),
    recording=np.arange(N) // LENGTH,
    position=np.arange(N) % LENGTH,
)
WHOLE = {m: np.ones(N, bool) for m in NAMES}
PATTERNS = [
    {"kind": "independent", "rate": 0.4},
    {"kind": "burst", "rate": 0.4, "duration": 5.0},
    {"kind": "subject", "rate": 0.4},
    {"kind": "subsets"},
]
every_pattern = pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p["kind"])
quick = settings(max_examples=25, deadline=None, derandomize=True)


def draw(pattern, present=WHOLE, seed=0, step=0, **time):
    check(pattern, tuple(present))
    return simulate(pattern, present, **{**TIME, **time}, seed=seed, step=step)


def lost(pattern, **kwargs):
    return {m: ~here for m, here in draw(pattern, **kwargs).items()}


def five_errors(rate, draws):
    return 5 * np.sqrt(rate * (1 - rate) / draws) + 1e-9


@quick
@given(rate=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_each_sensor_is_lost_at_its_rate_on_its_own(rate, seed):
    gone = lost({"kind": "independent", "rate": rate, "keep_one": False}, seed=seed)
    for m in NAMES:
        assert abs(gone[m].mean() - rate) < five_errors(rate, N)
    both = (gone["a"] & gone["b"]).mean()
    assert abs(both - rate**2) < five_errors(rate**2, N)
    after = (gone["a"][1:] & gone["a"][:-1]).mean()  # no memory
    assert abs(after - rate**2) < 2 * five_errors(rate**2, N)


@quick
@given(rate=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_keeping_one_lowers_the_rate_as_stated(rate, seed):
    left = draw({"kind": "independent", "rate": rate}, seed=seed)
    assert np.any(list(left.values()), axis=0).all()
    want = rate - rate**3 / 3
    for m in NAMES:
        assert abs((~left[m]).mean() - want) < five_errors(want, N)


@quick
@given(rate=st.floats(0.05, 0.8), extra=st.floats(0, 20), seed=st.integers(0, 2**31))
def test_gaps_have_their_mean_duration_and_rate(rate, extra, seed):
    duration = 1 / (1 - rate) + extra
    gone = lost({"kind": "burst", "rate": rate, "duration": duration, "keep_one": False}, seed=seed)
    x = np.stack(list(gone.values())).reshape(-1, LENGTH)
    # neighbours: a lost one is followed by a present one with probability 1 / duration
    ends = (x[:, :-1] & ~x[:, 1:]).sum() / x[:, :-1].sum()
    assert abs(ends - 1 / duration) < five_errors(1 / duration, x[:, :-1].sum())
    correlated = 2 * duration  # windows that count as one draw
    assert abs(x.mean() - rate) < five_errors(rate, x.size / correlated)
    assert abs(x[:, 0].mean() - rate) < five_errors(rate, len(x))  # stationary from the start


def test_a_burst_goes_on_across_windows_that_are_left_out_and_any_order():
    pattern = {"kind": "burst", "rate": 0.5, "duration": 8.0, "keep_one": False}
    memory = 1 - 1 / (8 * 0.5)
    rows = np.random.default_rng(0).permutation(np.arange(0, N, 3))
    x = draw(pattern, {"a": np.ones(len(rows), bool)}, **{k: v[rows] for k, v in TIME.items()})
    back = np.full(N, -1)
    back[rows] = x["a"]
    x = back.reshape(RECORDINGS, LENGTH)[:, 1:]
    near, far = x[:, :-3], x[:, 3:]
    seen = (near >= 0) & (far >= 0)
    same = (near[seen] == far[seen]).mean()
    want = 0.5 + 0.5 * memory**3
    assert abs(same - want) < five_errors(want, seen.sum() / 16)


def test_the_shortest_bursts_have_no_memory():
    gone = lost({"kind": "burst", "rate": 0.5, "duration": 2.0, "keep_one": False})["a"]
    assert abs((gone[1:] & gone[:-1]).mean() - 0.25) < five_errors(0.25, N) * 2


def test_a_subject_loses_a_sensor_for_good_at_every_step():
    pattern = {"kind": "subject", "rate": 0.4}
    left, later = draw(pattern), draw(pattern, step=7)
    for m in NAMES:
        by_subject = left[m].reshape(SUBJECTS, -1)
        assert (by_subject == by_subject[:, :1]).all()
        np.testing.assert_array_equal(left[m], later[m])
        assert 0.15 < (~by_subject[:, 0]).mean() < 0.6
    some = {k: v[::-7] for k, v in TIME.items()}  # whoever else is in the batch
    few = draw(pattern, {m: x[::-7] for m, x in WHOLE.items()}, **some)
    np.testing.assert_array_equal(few["b"], left["b"][::-7])
    assert (draw(pattern, seed=1)["a"] != left["a"]).any()


def test_subsets_are_alike_and_never_empty():
    left = np.stack(list(draw({"kind": "subsets"}).values()), 1)
    count = np.bincount(left @ [1, 2, 4], minlength=8)
    assert count[0] == 0
    assert np.abs(count[1:] / N - 1 / 7).max() < five_errors(1 / 7, N)
    asked = np.stack(list(draw({"kind": "subsets", "keep_one": False}).values()), 1)
    assert abs((~asked.any(axis=1)).mean() - 1 / 8) < five_errors(1 / 8, N)


@every_pattern
def test_draws_are_a_function_of_seed_and_step(pattern):
    first = draw(pattern, seed=2, step=3)
    again = draw(pattern, seed=2, step=3)
    assert all((first[m] == again[m]).all() for m in NAMES)
    assert any((first[m] != draw(pattern, seed=3, step=3)[m]).any() for m in NAMES)
    changed = any((first[m] != draw(pattern, seed=2, step=4)[m]).any() for m in NAMES)
    assert changed == (pattern["kind"] != "subject")


@every_pattern
def test_sensors_of_a_device_fall_out_together(pattern):
    left = draw(pattern | {"devices": {"wrist": ("a", "c")}})
    np.testing.assert_array_equal(left["a"], left["c"])
    assert (left["a"] != left["b"]).any() and (left["a"] | left["b"]).all()


@every_pattern
def test_what_is_absent_stays_absent_and_one_of_the_others_stays(pattern):
    rng = np.random.default_rng(0)
    present = {m: rng.random(N) < 0.5 for m in NAMES}
    left = draw(pattern, present)
    for m in NAMES:
        assert not (left[m] & ~present[m]).any() and (left[m] != present[m]).any()
    had = np.any(list(present.values()), axis=0)
    np.testing.assert_array_equal(np.any(list(left.values()), axis=0), had)
    assert not had.all()


def test_rates_by_device_leave_the_others_alone():
    left = draw({"kind": "independent", "rate": {"b": 1.0}})
    assert left["a"].all() and left["c"].all() and not left["b"].any()


def test_who_stays_in_a_burst_is_one_for_the_recording():
    left = draw({"kind": "burst", "rate": 0.9, "duration": 50.0})
    alone = np.stack(list(left.values())).sum(axis=0) == 1
    changes = sum((x[1:] != x[:-1]) & alone[1:] & alone[:-1] for x in left.values())
    assert (changes > 0).mean() < 0.1  # drawn for each window, it would be half


def test_training_windows_alone_become_incomplete():
    data = synthetic.make(subjects=6, windows=40, test_subjects=2)
    config = {"kind": "independent", "rate": 0.5, "seed": 4}
    made, test = incomplete(data, config), data.split == 1
    for m, here in made.present.items():
        assert here[test].all() and 0.2 < (~here[~test]).mean() < 0.55
        assert not made.inputs[m][~here].any()
        np.testing.assert_array_equal(made.inputs[m][here], data.inputs[m][here])
        assert made.inputs[m].dtype == np.float32
    other = incomplete(data, config | {"seed": 5})
    assert (other.present["acc"] != made.present["acc"]).any()


def test_every_modality_has_a_device():
    assert devices_of(NAMES) == {"a": ("a",), "b": ("b",), "c": ("c",)}
    assert devices_of(NAMES, {"x": ["a", "c"]}) == {"x": ("a", "c"), "b": ("b",)}


@pytest.mark.parametrize(
    ("match", "pattern"),
    [
        ("missing.kind must be one of independent, burst, .* got None", {}),
        ("missing 'burst' needs duration; its options are devices, duration", {
            "kind": "burst", "rate": 0.1}),
        ("no option of missing 'subsets' is called 'rate'; there is devices, keep_one", {
            "kind": "subsets", "rate": 0.1}),
        (r"rate must lie in \[0, 1\], got -1 for 'a'", {"kind": "subject", "rate": -1}),
        (r"rate must lie in \[0, 1\), got 1", {"kind": "burst", "rate": 1, "duration": 9}),
        (r"duration must be 1 / \(1 - rate\) = 4 windows or more for 'b'.* got 3", {
            "kind": "burst", "rate": {"b": 0.75}, "duration": 3}),
        ("no device of missing.rate is called 'z'; there is a, b, c", {
            "kind": "independent", "rate": {"z": 0.5}}),
        ("no modality of device 'd' is called 'z'; there is a, b, c", {
            "kind": "subsets", "devices": {"d": ("z",)}}),
    ],
)  # fmt: skip
def test_impossible_patterns_are_refused_by_name(match, pattern):
    with pytest.raises(ValueError, match=match):
        check(pattern, NAMES)


@pytest.mark.parametrize("rate", [0.3, 0.8])
def test_what_moves_most_is_lost_most_at_the_same_mean_rate(rate):
    rng = np.random.default_rng(0)
    level = {m: (rng.permutation(N) + 0.5) / N for m in NAMES}
    gone = lost({"kind": "value", "rate": rate, "keep_one": False}, level=level)
    for m in NAMES:
        assert abs(gone[m].mean() - rate) < five_errors(rate, N)
        for low in (0.0, 0.45, 0.9):  # a line in the level
            tenth = (level[m] >= low) & (level[m] < low + 0.1)
            want = 2 * rate * (low + 0.05) if rate <= 0.5 else 1 - 2 * (1 - rate) * (0.95 - low)
            assert abs(gone[m][tenth].mean() - want) < five_errors(want, tenth.sum())


def test_levels_are_ranks_of_movement_among_the_windows_that_are_there():
    data = synthetic.make(subjects=8, windows=16, test_subjects=2)
    present = dict(data.present, acc=np.arange(len(data)) % 3 > 0)
    data = dataclasses.replace(data, present=present)
    level = levels(data)
    here = present["acc"]
    moves = data.inputs["acc"][here].std(axis=1).mean(axis=-1)
    np.testing.assert_array_equal(np.argsort(level["acc"][here]), np.argsort(moves))
    assert level["acc"][here].mean() == pytest.approx(0.5) and (level["acc"][~here] == 0.5).all()


def test_levels_and_losses_know_every_kind_and_count_valid_samples_alone():
    n, rng = 200, np.random.default_rng(0)
    loud = rng.permutation(n) + 1.0  # how much a window moves
    wide = lambda *shape: loud.reshape(-1, *[1] * len(shape)) * rng.choice([-1, 1], (n, *shape))
    shapes = {"ecg": (400, 2), "face": (20, 20, 3), "age": (400,), "words": (400, 2)}
    inputs = {m: wide(*shape).astype(np.float32) for m, shape in shapes.items()}
    valid = rng.random((n, 400)) < 0.5
    inputs["ecg"][~valid] = rng.normal(size=((~valid).sum(), 2)) * 1e6
    data = dataclasses.replace(
        synthetic.make(subjects=10, windows=20, test_subjects=2), inputs=inputs,
        present={m: np.ones(n, bool) for m in shapes}, valid={"ecg": valid},
    )  # fmt: skip
    for level in levels(data).values():
        assert np.corrcoef(level, loud)[0, 1] > 0.99
    made = incomplete(data, {"kind": "value", "rate": 0.5})
    for m, present in made.present.items():
        assert not present.all() and not made.inputs[m][~present].any()
        np.testing.assert_array_equal(made.inputs[m][present], inputs[m][present])
    np.testing.assert_array_equal(made.valid["ecg"], valid & made.present["ecg"][:, None])
    nowhere = dataclasses.replace(data, present={m: np.zeros(n, bool) for m in shapes})
    assert all((level == 0.5).all() for level in levels(nowhere).values())


def test_a_sampler_and_a_data_set_lose_what_moves_most():
    data = synthetic.make(subjects=16, windows=64, test_subjects=2)
    level, pattern = levels(data), {"kind": "value", "rate": 0.4}
    sampler = samplers.create({"kind": "paired", "missing": pattern}, data, batch_size=512, seed=0)
    rows = sampler.rows(3)
    row = np.maximum(rows["acc"], rows["emg"])  # one of them stays
    for m in ("acc", "emg"):
        gone = rows[m] < 0
        assert level[m][row][gone].mean() > level[m][row][~gone].mean() + 0.1
    left, train = incomplete(data, pattern), data.split == 0
    assert level["acc"][train & ~left.present["acc"]].mean() > 0.55
    assert left.present["acc"][~train].all()
    with pytest.raises(ValueError, match="'value' needs the windows' levels"):
        draw(pattern)
