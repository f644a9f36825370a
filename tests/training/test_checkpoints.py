import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmalign import training


def state_of(fill, ema=True):
    def make(fill):
        params = {"acc": {"kernel": jnp.full((300, 200), fill), "bias": jnp.full(3, fill)}}
        tx = training.make_optimizer({"lr": 0.1, "groups": {"acc/bias": {}}}, 10)
        step = fill.astype(jnp.int32)
        return training.TrainState(step, params, tx.init(params), ema=params if ema else None)

    return jax.jit(make, out_shardings=training.replicated(training.data_mesh()))(jnp.float32(fill))


def abstract(state):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)


@pytest.fixture
def checkpoints(tmp_path):
    with training.Checkpoints(tmp_path / "folder", every=5) as checkpoints:
        yield checkpoints


@pytest.mark.parametrize("ema", [True, False])
def test_what_is_saved_comes_back_bit_for_bit_where_it_is_wanted(checkpoints, ema):
    state = state_of(np.pi, ema=ema)
    checkpoints.save(5, state)
    one = training.data_mesh(jax.devices()[:1])
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=training.replicated(one)), state
    )
    loaded = checkpoints.load(None, like)
    jax.tree.map(np.testing.assert_array_equal, loaded, state)
    assert jax.tree.structure(loaded) == jax.tree.structure(state)
    assert all(x.sharding.device_set == {jax.devices()[0]} for x in jax.tree.leaves(loaded))


def test_typed_keys_are_kept(checkpoints):
    tree = {"key": jax.random.key(3), "x": jnp.ones(2)}
    checkpoints.save(5, tree)
    loaded = checkpoints.load(5, abstract(tree))
    assert jnp.array_equal(jax.random.key_data(loaded["key"]), jax.random.key_data(tree["key"]))


def test_state_donated_right_after_the_save_does_not_spoil_it(checkpoints):
    bump = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
    state = state_of(0)
    for step in range(1, 6):
        state = bump(state)
        checkpoints.save(step, state, force=step in (3, 5))
    loaded = checkpoints.load(3, abstract(state))
    assert int(loaded.step) == 3
    np.testing.assert_array_equal(loaded.params["acc"]["kernel"], 3)


def test_the_last_are_kept_and_only_due_steps_saved(checkpoints, tmp_path):
    assert checkpoints.latest is None
    for step in range(1, 17):
        checkpoints.save(step, {"x": jnp.ones(2)})
        assert checkpoints.due(step) == (step % 5 == 0)
    checkpoints.wait()
    assert checkpoints.latest == 15
    kept = sorted(path.name for path in (tmp_path / "folder").iterdir() if path.name.isdigit())
    assert kept == ["10", "15"]
    with training.Checkpoints(tmp_path / "folder", every=5) as again:
        assert again.latest == 15


def test_a_save_that_was_cut_off_is_no_checkpoint(checkpoints, tmp_path):
    checkpoints.save(5, {"x": jnp.ones(2)})
    checkpoints.wait()
    (tmp_path / "folder" / "10.orbax-checkpoint-tmp").mkdir()
    with training.Checkpoints(tmp_path / "folder", every=5) as again:
        assert again.latest == 5
        again.save(10, {"x": jnp.ones(2)})
        again.wait()
        assert again.latest == 10
    assert not list((tmp_path / "folder").glob("*tmp*"))


def test_a_part_can_be_loaded_alone(checkpoints):
    checkpoints.save(5, state_of(2))
    like = {"params": abstract(state_of(0).params)}
    with pytest.raises(ValueError, match=r"opt_state/.*: only in the checkpoint"):
        checkpoints.load(5, like)
    loaded = checkpoints.load(5, like, partial=True)
    np.testing.assert_array_equal(loaded["params"]["acc"]["bias"], 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.replace(ema=None), "ema/acc/bias: only in the checkpoint"),
        (lambda s: s.replace(params={"emg": jnp.ones(2)}), "params/emg: not in the checkpoint"),
        (
            lambda s: s.replace(step=jnp.zeros(3, jnp.int32)),
            r"step: int32 \[\] in the checkpoint, int32 \[3\] in this run",
        ),
        (
            lambda s: s.replace(ema=optax.tree.cast(s.ema, jnp.bfloat16)),
            r"kernel: float32 \[300, 200\] in the checkpoint, bfloat16 \[300, 200\] in this run",
        ),
    ],
)
def test_another_state_is_refused_with_the_difference(checkpoints, change, message):
    checkpoints.save(5, state_of(1))
    with pytest.raises(ValueError, match=message):
        checkpoints.load(None, change(state_of(1)))


def test_array_where_none_was_saved_is_refused(checkpoints):
    checkpoints.save(5, state_of(1, ema=False))
    with pytest.raises(ValueError, match="ema/acc/bias: not in the checkpoint"):
        checkpoints.load(None, abstract(state_of(1)))


def test_a_step_that_is_not_there_is_named(checkpoints):
    checkpoints.save(5, {"x": jnp.ones(2)})
    with pytest.raises(ValueError, match=r"no checkpoint of step 7 in .*, there are: \[5\]"):
        checkpoints.load(7, {"x": jnp.ones(2)})


DAMAGED = """
import pathlib, shutil, sys
import jax
import numpy as np
from mmalign import training

def flip(path):
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)

home = pathlib.Path(sys.argv[1])
folder, kept = home / "folder", home / "kept"
x = np.random.default_rng(0).standard_normal((30, 20)).astype(np.float32)
state = jax.device_put({"x": x, "step": np.int32(10)})
like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
with training.Checkpoints(folder, every=5) as checkpoints:
    for step in (5, 10):
        checkpoints.save(step, state)
shutil.copytree(folder, kept)
names = [path.relative_to(folder) for path in (folder / "10").rglob("*") if path.is_file()]
for damage in (flip, lambda path: path.write_bytes(b""), pathlib.Path.unlink,
               lambda path: path.write_bytes(path.read_bytes()[:-7])):
    refused = 0
    for name in names:
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        damage(folder / name)
        with training.Checkpoints(folder, every=5) as checkpoints:
            try:
                loaded = checkpoints.load(None, like)
            except training.Damaged as error:
                assert f"checkpoint {folder / '10'} " in str(error), error
                refused += 1
                assert checkpoints.set_aside(10).is_dir() and checkpoints.latest == 5
                loaded = checkpoints.load(None, like)
        jax.tree.map(np.testing.assert_array_equal, loaded, state)
    print("refused", refused, "of", len(names), flush=True)
"""


def test_what_is_not_what_was_saved_is_never_loaded(start_python, tmp_path):
    """Each file of a checkpoint in turn, in a process of its own: some are not needed.

    Orbax leaves coroutines behind where it cannot read, of which Python warns at any time later.
    """
    process = start_python("-W", "ignore", "-c", DAMAGED, tmp_path)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    counts = [int(line.split()[1]) for line in said.splitlines() if line.startswith("refused")]
    assert len(counts) == 4 and min(counts) > 1


def test_a_checkpoint_without_its_checksums_is_damaged(checkpoints, tmp_path):
    checkpoints.save(5, {"x": jnp.ones(2)})
    (tmp_path / "folder" / "checksums" / "5.json").write_text("")
    with pytest.raises(training.Damaged, match="folder/5 is without its checksums"):
        checkpoints.load(5, {"x": jnp.ones(2)})


def test_checksums_go_when_their_checkpoints_do(checkpoints, tmp_path):
    for step in (5, 10, 15, 20, 25):
        checkpoints.save(step, {"x": jnp.ones(2)})
        checkpoints.wait()
    names = {path.stem for path in (tmp_path / "folder" / "checksums").iterdir()}
    assert names >= {"20", "25"} and len(names) < 5


def test_a_full_disk_is_said_before_anything_is_written(checkpoints, tmp_path, monkeypatch):
    checkpoints.save(5, state_of(1))
    checkpoints.wait()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**18))
    with pytest.raises(OSError, match=r"folder has 0 MiB left and a checkpoint needs 2: make room "
                       "and start again, it goes on from step 5"):  # fmt: skip
        checkpoints.save(10, state_of(1))
    assert checkpoints.latest == 5 and not (tmp_path / "folder" / "checksums" / "10.json").exists()


@pytest.mark.parametrize("numbers", [{"every": 0}, {"every": 1, "keep": 0}])
def test_intervals_must_be_positive(tmp_path, numbers):
    with pytest.raises(ValueError, match="1 or more"):
        training.Checkpoints(tmp_path, **numbers)
