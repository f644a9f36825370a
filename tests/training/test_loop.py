import functools
import json
import os
import pathlib
import signal
import socket

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import training

TOY = pathlib.Path(__file__).with_name("toy.py")


class Lines:
    """A writer that keeps what it gets."""

    def __init__(self):
        self.lines, self.rewound = [], []

    def scalars(self, step, values):
        self.lines.append((step, values))

    def rewind(self, step):
        self.rewound.append(step)


def losses(lines):
    return {step: values["toy/loss"] for step, values in lines}


def records(workdir):
    text = (workdir / "metrics.jsonl").read_text().splitlines()
    return [(line.pop("step"), line) for line in map(json.loads, text)]


@pytest.fixture(scope="module")
def unbroken(toy):
    """Final state and record of 20 steps on 8 devices, without a break."""
    lines = Lines()
    return training.train(**toy.job(training.data_mesh(), write=lines)), lines.lines


def test_a_step_compiled_ahead_by_shapes_alone_is_the_one_of_the_training(toy):
    mesh = training.data_mesh()
    job = toy.job(mesh)
    ask = functools.partial(training.step_program, job["train_step"], mesh=mesh)
    ahead = ask(jax.eval_shape(job["init_state"]), job["data"], toy.rows_at(0))
    placed = training.replicate(job["data"], mesh)
    assert ask(job["init_state"](), placed, toy.rows_at(1)).runtime_executable() is (
        ahead.runtime_executable()
    )


def test_killed_run_resumed_in_a_new_process_ends_bit_for_bit_equal(
    toy, unbroken, tmp_path, start_python
):
    process = start_python(TOY, tmp_path, "--kill", 17)
    output = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, output
    with (
        training.make_writer(tmp_path, "toy", tensorboard=False) as writer,
        training.Checkpoints(tmp_path / "checkpoints", every=4) as checkpoints,
    ):
        assert checkpoints.latest in (12, 16)
        more = {"checkpoints": checkpoints, "write": writer}
        state = training.train(**toy.job(training.data_mesh(), **more))
        assert checkpoints.latest == 20
    jax.tree.map(np.testing.assert_array_equal, state, unbroken[0])
    assert records(tmp_path) == unbroken[1]  # each step once, with the same values


@pytest.mark.parametrize(("damaged", "after"), [((8,), "step 4"), ((8, 4), "the beginning")])
def test_damaged_checkpoints_are_set_aside_and_the_end_is_the_same(
    toy, unbroken, tmp_path, damaged, after, capsys
):
    folder = tmp_path / "checkpoints"
    with training.Checkpoints(folder, every=4) as checkpoints:
        training.train(**toy.job(training.data_mesh(), checkpoints=checkpoints, num_steps=8))
    for step in damaged:
        (folder / "checksums" / f"{step}.json").write_text("")
    with training.Checkpoints(folder, every=4) as checkpoints:
        state = training.train(**toy.job(training.data_mesh(), checkpoints=checkpoints))
    said = capsys.readouterr().out
    assert said.count("it is kept as") == len(damaged)
    assert said.strip().endswith(f"the training goes on from {after}")
    jax.tree.map(np.testing.assert_array_equal, state, unbroken[0])
    assert sorted(path.name for path in (folder / "damaged").iterdir()) == sorted(map(str, damaged))


def test_two_processes_train_alike_and_stop_together_on_sigterm(toy, tmp_path, start_python):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    started = [
        start_python(TOY, tmp_path, "--port", port, "--rank", rank, "--kill", 8) for rank in (0, 1)
    ]
    outputs = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [143, 143], "\n".join(outputs)
    with training.Checkpoints(tmp_path / "checkpoints", every=4) as checkpoints:
        stopped = checkpoints.latest
    assert 8 < stopped < 200
    lines = Lines()
    training.train(**toy.job(training.data_mesh(), num_steps=stopped, write=lines))
    want = losses(lines.lines)
    for step, value in losses(records(tmp_path)).items():
        np.testing.assert_allclose(value, want[step], rtol=1e-5)


def test_one_and_four_devices_give_the_same_losses(toy, unbroken):
    lines = Lines()
    training.train(**toy.job(training.data_mesh(jax.devices()[:1]), write=lines))
    assert [step for step, _ in lines.lines] == [3, 6, 9, 12, 15, 18, 20]
    for (_, one), (_, four) in zip(lines.lines, unbroken[1], strict=True):
        assert one.keys() == four.keys()
        for name in one:
            np.testing.assert_allclose(one[name], four[name], rtol=1e-5, err_msg=name)
    assert losses(lines.lines)[20] < losses(lines.lines)[3]


def test_a_stage_is_traced_once_and_runs_without_checkpoints(toy):
    job = toy.job(training.data_mesh(), num_steps=50)
    job["train_step"] = chex.assert_max_traces(job["train_step"], n=1)
    assert int(training.train(**job).step) == 50


def test_data_is_an_argument_of_the_program_not_a_constant(toy):
    seen = []
    job = toy.job(training.data_mesh(jax.devices()[:1]), num_steps=1)
    step = job["train_step"]
    job["train_step"] = lambda state, data, rows: (seen.append(data), step(state, data, rows))[1]
    training.train(**job)
    assert all(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(seen))


def test_streamed_batches_start_at_the_resumed_step(toy, unbroken, tmp_path):
    starts = []

    def feed(start):
        starts.append(start)
        return map(toy.rows_at, range(start, toy.STEPS))

    with training.Checkpoints(tmp_path, every=100) as checkpoints:
        job = lambda **more: toy.job(
            training.data_mesh(), checkpoints=checkpoints, feed=feed, **more
        )
        training.train(**job(num_steps=5))
        state = training.train(**job())
    assert starts == [0, 5]
    jax.tree.map(np.testing.assert_array_equal, state, unbroken[0])


def test_a_step_that_was_asked_for_before_is_not_traced_again(toy):
    traced = []

    def loss(variables, batch, key):
        traced.append(key)
        return toy.loss(variables, batch, key)

    tx, ends = training.make_optimizer(toy.OPTIM, toy.STEPS), []
    for seed in (0, 1):
        step = training.make_train_step(loss, tx, toy.prepare, num_steps=toy.STEPS, ema=0.9)
        data = training.with_key(toy.arrays(), seed, "toy")
        job = toy.job(training.data_mesh(), train_step=step, data=data, num_steps=2)
        ends.append(jax.device_get(training.train(**job).params))
    assert len(traced) == 1
    leaves = zip(*map(jax.tree.leaves, ends))
    assert any((a != b).any() for a, b in leaves)  # another seed in the same program


def test_a_finished_stage_is_loaded_and_not_run(toy, tmp_path):
    with training.Checkpoints(tmp_path, every=100) as checkpoints:
        job = toy.job(training.data_mesh(), checkpoints=checkpoints, num_steps=2)
        first = training.train(**job)
        again = training.train(**job | {"batches": None})
    jax.tree.map(np.testing.assert_array_equal, first, again)


def test_sigterm_saves_the_step_in_progress_and_restores_the_handler(toy, tmp_path):
    def rows_at(step):
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return toy.rows_at(step)

    before = signal.getsignal(signal.SIGTERM)
    lines = Lines()
    with training.Checkpoints(tmp_path, every=100) as checkpoints:
        job = toy.job(training.data_mesh(), rows_at=rows_at, checkpoints=checkpoints, write=lines)
        with pytest.raises(training.Preempted, match="after step 7 of 'toy'") as stopped:
            training.train(**job)
        assert checkpoints.latest == 7
    assert stopped.value.code == 143 and isinstance(stopped.value, SystemExit)
    assert signal.getsignal(signal.SIGTERM) is before
    assert [step for step, _ in lines.lines] == [3, 6]


def test_nan_stops_naming_the_step_and_keeps_the_last_good_checkpoint(toy, tmp_path):
    bad = toy.rows_at(14)["acc"][0]
    first_use = min(step for step in range(toy.STEPS) if bad in toy.rows_at(step)["acc"])
    data = toy.arrays()
    data["acc"][bad] = np.nan
    lines = Lines()
    with training.Checkpoints(tmp_path, every=4) as checkpoints:
        job = toy.job(
            training.data_mesh(), checkpoints=checkpoints, write=lines,
            log_every=1000,  # the check at a save does not wait for it
        )  # fmt: skip
        job["data"] = training.with_key(data, 0, "toy")
        with pytest.raises(FloatingPointError, match=f"at step {first_use + 1} .*loss nan"):
            training.train(**job)
        assert checkpoints.latest == (first_use // 4 * 4 or None)
    assert lines.lines == []


def test_state_that_is_not_finite_under_a_finite_loss_is_not_saved(toy, tmp_path):
    def step(state, data, rows):
        params = jax.tree.map(lambda x: x * jnp.where(state.step == 1, jnp.inf, 1), state.params)
        metrics = {"loss": jnp.float32(1), "grad_norm": jnp.float32(1)}
        return state.replace(step=state.step + 1, params=params), metrics

    with training.Checkpoints(tmp_path, every=1) as checkpoints:
        job = toy.job(training.data_mesh(), checkpoints=checkpoints, train_step=step)
        with pytest.raises(FloatingPointError, match="after step 2"):
            training.train(**job)
        assert checkpoints.latest == 1


def test_batch_that_devices_cannot_split_is_refused_before_compiling(toy):
    rows_at = lambda step: {"acc": np.zeros(6, np.int32), "gyro": np.zeros(6, np.int32)}
    job = toy.job(training.data_mesh(), rows_at=rows_at)
    job["train_step"] = lambda *arguments: pytest.fail("traced")
    with pytest.raises(ValueError, match=r"batch of 6 .* 8 devices; 8 would do"):
        training.train(**job)


def test_feed_that_ends_early_is_an_error(toy):
    feed = lambda start: iter([toy.rows_at(0)])
    with pytest.raises(ValueError, match="stream of batches ended at step 1 of 20"):
        training.train(**toy.job(training.data_mesh(), feed=feed))


def test_bar_counts_every_step_and_shows_the_loss(toy):
    calls = []

    class Bar:
        advance = lambda self: calls.append("advance")
        show = lambda self, **values: calls.append(sorted(values))
        close = lambda self: calls.append("close")

    def progress(name, start, num_steps):
        calls.append((name, start, num_steps))
        return Bar()

    training.train(**toy.job(training.data_mesh(), num_steps=4, progress=progress))
    assert calls[0] == ("toy", 0, 4) and calls[-1] == "close"
    assert calls.count("advance") == 4 and calls.count(["loss"]) == 2


def test_a_watched_metric_warns_once_when_it_is_too_low(toy):
    watch = ("spread", 1e6, "nothing varies")
    said = r"stage 'toy': spread is .* at step 3, below 1e\+06: nothing varies"
    with pytest.warns(UserWarning, match=said) as caught:
        training.train(**toy.job(training.data_mesh(), num_steps=9, watches=(watch,)))
    assert len(caught) == 1
    calm = ("spread", 0.0, "nothing varies")  # warnings are errors here
    training.train(**toy.job(training.data_mesh(), num_steps=3, watches=(calm,)))
