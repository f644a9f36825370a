import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.training import compile_step, program

BRANCHES = 12
X = jnp.ones((256, 256))


def temporaries(compiled):
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.fixture
def step():
    """A step of branches that could run side by side."""

    def run(x, weights):
        return [jnp.cumsum(x @ w, axis=0)[-1] for w in weights]

    return jax.jit(run)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="an option of XLA's CPU back end")
def test_large_programs_are_ordered_for_memory_and_small_ones_are_not(step, monkeypatch):
    weights = [X * i for i in range(BRANCHES)]
    small = compile_step(step, X, weights)
    assert temporaries(small) == temporaries(step.lower(X, weights).compile())
    monkeypatch.setattr(program, "_LARGE", 0)
    large = compile_step(step, X, weights)
    assert temporaries(large) < temporaries(small) / 2
    np.testing.assert_array_equal(large(X, weights), small(X, weights))


def test_an_option_that_this_version_of_xla_lacks_is_left_out(step, monkeypatch):
    monkeypatch.setattr(program, "_LARGE", 0)
    monkeypatch.setattr(program, "_SPARING", {"xla_no_such_option": "1"})
    (out,) = compile_step(step, X, [X])(X, [X])
    assert (out == len(X) ** 2).all()
