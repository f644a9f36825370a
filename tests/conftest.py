"""Eight simulated devices, strict ranks, and programs that are compiled quickly, once, and kept."""

import gc
import os
import pathlib
import time

import jax
import numpy as np
import pytest


def _programs():
    """The folder of compiled programs that all workers, their programs and later runs share.

    MMALIGN_COMPILATION_CACHE as for a run ("off": none), else mmalign/tests in the user's cache
    folder, where programs of a month ago are dropped: most are of code that has changed since.
    """
    given = os.environ.get("MMALIGN_COMPILATION_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(given or pathlib.Path(home, "mmalign", "tests"))
    if given == "off":
        return ""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in () if given else folder.iterdir():
            if time.time() - path.stat().st_mtime > 30 * 24 * 3600:
                path.unlink()
    except OSError:  # not to be written, or another worker was first
        pass
    return str(folder) if os.access(folder, os.W_OK) else ""


# Tests compile more than they compute, and so do the programs that they start. Newer versions get
# no such help: XLA ends a program that names a flag which it lacks, and without optimizations it
# computes wrongly there (of `losses.gram` with rows that lack a modality, seen with jax 0.12.0).
_OLD = jax.__version_info__ < (0, 11)
if _OLD:
    os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"  # half the time to compile
for name, value in {
    "jax_disable_most_optimizations": _OLD,
    "jax_compilation_cache_dir": _programs(),
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}.items():
    jax.config.update(name, value)
    os.environ[name.upper()] = str(value)
# Tracing makes many small objects, among which Python looks for cycles again and again: a sixteenth
# of the time of a run's tests.
gc.freeze()
gc.set_threshold(100_000, 10, 10)
jax.config.update("jax_num_cpu_devices", 8)  # before anything touches a device
jax.config.update("jax_numpy_rank_promotion", "raise")  # [n] + [n, 1] is the classic loss bug


@pytest.fixture(autouse=True, scope="module")
def _programs_have_room():
    """Drops compiled programs once they are many: each is mapped into memory in several pieces.

    Linux gives a process 65,530 of these, which all tests together exceed, and XLA dies of it.
    """
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > 15_000:
        jax.clear_caches()


@pytest.fixture
def rng():
    return np.random.default_rng(0)
