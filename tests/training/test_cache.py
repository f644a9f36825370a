import jax
import pytest

from mmalign.training import enable_compilation_cache

PROGRAM = """
import jax, jax.numpy as jnp
from mmalign.training import cache
folder = cache.enable_compilation_cache()
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
jax.jit(lambda x: jnp.sin(x) + 1)(jnp.ones(3))
count = lambda kind: sum(event.endswith(kind) for event in events)
print(folder, count("/cache_hits"), count("/cache_misses"))
"""


def test_a_second_start_compiles_nothing(tmp_path, start_python):
    def run():
        unset = dict.fromkeys(("JAX_COMPILATION_CACHE_DIR", "MMALIGN_COMPILATION_CACHE"), "")
        process = start_python("-c", PROGRAM, XDG_CACHE_HOME=str(tmp_path), **unset)
        output = process.communicate()[0]
        assert process.returncode == 0, output
        folder, hits, misses = output.splitlines()[-1].split()
        return folder, int(hits), int(misses)

    folder, hits, misses = run()
    assert folder == str(tmp_path / "mmalign" / "xla") and hits == 0 and misses > 0
    assert run() == (folder, misses, 0)
    assert (tmp_path / "mmalign" / "xla").stat().st_mode & 0o077 == 0


@pytest.fixture
def unset(monkeypatch):
    """No cache is set, and none stays set."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.delenv("MMALIGN_COMPILATION_CACHE", raising=False)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_argument_and_variable_turn_it_off(unset, monkeypatch):
    assert enable_compilation_cache(False) is None
    monkeypatch.setenv("MMALIGN_COMPILATION_CACHE", "off")
    assert enable_compilation_cache() is None
    assert jax.config.jax_compilation_cache_dir is None


def test_folder_that_jax_was_given_is_kept(unset, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    assert enable_compilation_cache(tmp_path / "other") == tmp_path
    assert not (tmp_path / "other").exists()


def test_folder_that_cannot_be_written_warns_and_goes_on(unset, tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="compiled at every start"):
        assert enable_compilation_cache(tmp_path / "file" / "xla") is None
