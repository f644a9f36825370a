"""Early stopping: when a training ends, with which weights, and that a break changes nothing."""

import json
import os
import signal

import jax
import numpy as np
import pytest

from mmalign import training

SCORES = {2: 0.1, 4: 0.5, 6: 0.5, 8: 0.3, 10: 0.9}  # the tenth step is never reached


def started(toy, folder, seen, patience=2, **changes):
    """Trains the toy, whose looks find SCORES; `seen` gets the averaged weights of each."""

    def look(state):
        step = int(state.step)
        seen[step] = jax.device_get(state.ema)
        return {"held_out": SCORES.get(step, 0.0)}

    record = training.Record("toy", toy.STEPS, look=look, look_every=2)
    stopping = training.EarlyStopping(folder, "held_out", patience)
    with training.Checkpoints(folder / "checkpoints", every=3) as checkpoints:
        job = toy.job(
            training.data_mesh(jax.devices()[:1]), checkpoints=checkpoints, record=record,
            stopping=stopping, **changes,
        )  # fmt: skip
        return training.train(**job), checkpoints.latest


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_it_ends_when_looks_get_no_better_with_the_weights_of_the_best(toy, tmp_path):
    seen = {}
    state, latest = started(toy, tmp_path, seen)
    assert sorted(seen) == [2, 4, 6, 8]
    same(state.ema, seen[4])  # of equals the first
    assert int(state.step) == latest == toy.STEPS  # as one that is finished
    again, _ = started(toy, tmp_path, found := {}, batches=None)
    same(again, state)
    assert not found


def test_cut_off_and_started_again_it_ends_alike(toy, tmp_path):
    def rows_at(step):
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return toy.rows_at(step)

    want, _ = started(toy, tmp_path / "whole", {})
    with pytest.raises(training.Preempted):
        started(toy, tmp_path / "cut", {}, rows_at=rows_at)
    looks = tmp_path / "cut" / "looks.json"
    assert json.loads(looks.read_text()) == [[2, 0.1], [4, 0.5], [6, 0.5]]
    # as if it had died two steps later, after a look that its checkpoint knows nothing of
    looks.write_text(json.dumps([[2, 0.1], [4, 0.5], [6, 0.5], [8, 0.3]]))
    got, _ = started(toy, tmp_path / "cut", seen := {})
    same(got, want)
    assert sorted(seen) == [8]


def test_a_training_that_gets_better_to_the_end_has_its_last_look_s_best(toy, tmp_path):
    seen = {}
    state, _ = started(toy, tmp_path, seen, patience=20)
    assert sorted(seen) == [*range(2, 21, 2)]
    same(state.ema, seen[10])
