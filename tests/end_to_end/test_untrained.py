"""A network of random weights as an artifact, and what a walk over a plan holds."""

import gc
import shutil
import weakref

import jax
import numpy as np
import pytest

from mmalign import plan, walk


@pytest.mark.parametrize("damage", [False, True])
def test_an_untrained_network_that_was_saved_and_not_finished_is_found_or_drawn_again(
    tiny, dataset, tiny_run, tmp_path, devices, damage, capsys
):
    devices(1)
    planned = plan.plan(tiny.config(), dataset)
    artifacts = tmp_path / "artifacts"
    shutil.copytree(tiny_run.artifacts["training-random_encoder"],
                    artifacts / tiny_run.artifacts["training-random_encoder"].name)  # fmt: skip
    steps = lambda: walk.Walk(planned, walk.Store(artifacts))
    want = steps().variables("random_encoder")
    folder = steps().training("random_encoder")
    (folder / "complete.json").unlink()
    if damage:
        files = (path for path in (folder / "checkpoints" / "0").rglob("*") if path.is_file())
        largest = max(files, key=lambda path: path.stat().st_size)
        half, content = largest.stat().st_size // 2, largest.read_bytes()
        largest.write_bytes(content[:half] + bytes([content[half] ^ 255]) + content[half + 1 :])
    for _ in range(2):
        jax.tree.map(np.testing.assert_array_equal, steps().variables("random_encoder"), want)
    assert ("it is kept as" in capsys.readouterr().out) == damage


def test_a_walk_lets_go_of_what_it_holds(tiny, dataset, tiny_run, devices):
    devices(1)
    made = walk.Walk(plan.plan(tiny.config(), dataset), walk.Store(tiny_run.folder / "artifacts"))
    made.variables("random_encoder")
    gone, collecting = weakref.ref(made), gc.isenabled()
    gc.disable()
    del made
    assert gone() is None
    if collecting:
        gc.enable()
