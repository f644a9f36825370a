"""The order of a step's operations on CPUs."""

import jax
import jax.numpy as jnp

from mmalign.training import compiler


def test_a_step_on_a_cpu_is_ordered_for_memory():
    options = compiler.compiler_options()
    assert options == {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}

    def six(ws, xs):
        return sum(jnp.tanh(jnp.tanh(x @ w) @ w.T).sum() for w, x in zip(ws, xs))

    ws, xs = [jnp.ones((64, 64))] * 6, [jnp.ones((512, 64))] * 6
    need = [
        jax.jit(jax.grad(six), compiler_options=o).lower(ws, xs).compile().memory_analysis()
        for o in (options, None)
    ]  # fmt: skip
    assert need[0].temp_size_in_bytes < 0.7 * need[1].temp_size_in_bytes


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch):
    compiler.compiler_options.cache_clear()
    monkeypatch.setattr(compiler, "_SPARING", {"xla_cpu_no_such_option": "1"})
    try:
        assert compiler.compiler_options() is None
    finally:
        compiler.compiler_options.cache_clear()


def test_other_backends_have_no_options(monkeypatch):
    compiler.compiler_options.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    try:
        assert compiler.compiler_options() is None
    finally:
        compiler.compiler_options.cache_clear()
