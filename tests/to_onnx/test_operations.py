"""What jax computes, onnxruntime computes from the file, for batches of any size."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mmalign import to_onnx

onnx = pytest.importorskip("onnx", reason="of the extra `onnx`, which is not installed")
runtime = pytest.importorskip("onnxruntime", reason="of the extra `test`, which is not installed")
WEIGHT = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
SHAPE = (6, 4)  # of a window


def compare(functions, rows=(1, 5), shape=SHAPE, **tolerance):
    """{name: function of a window's x [n, *shape] and flag bool [n]}, all in one model."""
    call = lambda given: {k: f(given["x"], given["flag"]) for k, f in functions.items()}
    file = to_onnx.convert(call, {"x": (shape, np.float32), "flag": ((), np.bool_)})
    session = runtime.InferenceSession(file)
    assert [d.name for d in session.get_outputs()] == sorted(functions)
    rng = np.random.default_rng(0)
    for n in rows:
        given = {
            "x": rng.standard_normal((n, *shape)).astype(np.float32),
            "flag": rng.random(n) < 0.5,
        }
        want = jax.jit(call)(given)
        for name, found in zip(sorted(functions), session.run(None, given)):
            assert found.dtype == want[name].dtype and found.shape == want[name].shape, name
            np.testing.assert_allclose(found, want[name], err_msg=name, **(
                {"rtol": 1e-5, "atol": 1e-5} | tolerance))  # fmt: skip
    return onnx.load_from_string(file)


def test_numbers_one_by_one():
    positive = lambda f: lambda x, flag: f(jnp.abs(x) + 0.5)
    of_x = lambda f: lambda x, flag: f(x)
    both = lambda f: lambda x, flag: f(x > 0, x < 1)
    compare({
        **{f.__name__: of_x(f) for f in (
            jnp.abs, jnp.cos, lax.erf, jnp.exp, jnp.floor, jax.nn.sigmoid, jnp.sign, jnp.sin,
            jnp.square, jnp.tanh, jax.nn.relu, jax.nn.gelu, jax.nn.silu, jax.nn.softmax,
        )},
        **{f.__name__: positive(f) for f in (jnp.log, jnp.sqrt, lax.rsqrt)},
        **{f.__name__: both(f) for f in (jnp.logical_and, jnp.logical_or)},
        **{f.__name__: of_x(functools.partial(f, 0.25)) for f in (
            jnp.equal, jnp.greater, jnp.greater_equal, jnp.less, jnp.less_equal, jnp.not_equal,
            jnp.maximum, jnp.minimum, jnp.subtract, jnp.divide,
        )},
        "whole": lambda x, flag: lax.div(x.astype(jnp.int32), 2),
        "cube": lambda x, flag: x**3, "inverse": lambda x, flag: (x + 9) ** -2,
        "power": lambda x, flag: jnp.abs(x) ** 1.5,
        "clip": lambda x, flag: lax.clamp(-0.5, x, 0.5),
        "chosen": lambda x, flag: jnp.where(flag[:, None, None], x, -1.0),
        "stopped": lambda x, flag: lax.stop_gradient(x) - (-x),
        "not": lambda x, flag: ~flag,
    })  # fmt: skip


def test_axes():
    compare({
        **{f.__name__: lambda x, flag, f=f: f(x, axis=(1, 2)) for f in (jnp.sum, jnp.max, jnp.min)},
        "any": lambda x, flag: (x > 1).any(axis=1), "all": lambda x, flag: (x > -1).all(axis=2),
        "argmax": lambda x, flag: x.argmax(axis=1), "argmin": lambda x, flag: x.argmin(axis=2),
        "norm": lambda x, flag: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True),
        "of_batch": lambda x, flag: x - x.mean(axis=0, keepdims=True),
    })  # fmt: skip


def test_shapes():
    rows, columns = np.triu_indices(6, 1, 4)
    compare({
        "flat": lambda x, flag: x.reshape(x.shape[0], -1),
        "windows": lambda x, flag: x.reshape(-1, 3, 4).sum(axis=1).reshape(-1, 2, 4),
        "order": lambda x, flag: x.transpose(2, 0, 1), "mixed": lambda x, flag: lax.reshape(
            x, (x.shape[0], 24), (0, 2, 1)),
        "squeezed": lambda x, flag: x[:, :1].squeeze(1), "whole": lambda x, flag: lax.slice(
            x, (0, 0, 0), x.shape),
        "steps": lambda x, flag: x[:, 1::2, :3], "back": lambda x, flag: x[:, ::-1, ::-1],
        "padded": lambda x, flag: jnp.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=7.0),
        "cropped": lambda x, flag: lax.pad(x, 0.0, ((0, 0, 0), (-1, 1, 0), (0, 0, 0))),
        "split": lambda x, flag: jnp.add(*jnp.split(x, 2, axis=1)),
        "stacked": lambda x, flag: jnp.stack([x, 2 * x], axis=2),
        "token": lambda x, flag: jnp.concatenate(
            [jnp.broadcast_to(WEIGHT[0], (x.shape[0], 1, 4)), x], axis=1),
        "twice": lambda x, flag: jnp.tile(x, (2, 1, 1)) + jnp.ones((2 * x.shape[0], 1, 1)),
        "pairs": lambda x, flag: x[:, rows, columns], "one": lambda x, flag: x[..., -1],
        "taken": lambda x, flag: jnp.take(x, np.array([[3, 0], [5, 5]]), axis=1),
        "moved": lambda x, flag: x.transpose(1, 0, 2)[np.array([2, 4])],
        "known": lambda x, flag: x + jnp.sort(WEIGHT, axis=0)[None],  # a sort, of weights alone
    })  # fmt: skip


def test_products():
    compare({
        "matrix": lambda x, flag: x @ WEIGHT.T, "left": lambda x, flag: WEIGHT.T @ x,
        "pairs": lambda x, flag: jnp.einsum("btc,bsc->bts", x, x),
        "heads": lambda x, flag: jnp.einsum("bthk,bshk->bhts", *[x.reshape(-1, 6, 2, 2)] * 2),
        "all": lambda x, flag: jnp.einsum("btc,tcd->bd", x, WEIGHT.reshape(6, 4, 1)),
        "along": lambda x, flag: jax.vmap(jnp.dot)(x[:, :, 0], x[:, :, 1]),
    })  # fmt: skip


@pytest.mark.parametrize("options", [
    {"window_strides": (2,), "padding": "SAME"},
    {"window_strides": (1,), "padding": [(4, 0)], "rhs_dilation": (2,)},
    {"window_strides": (1,), "padding": "VALID", "feature_group_count": 2},
])  # fmt: skip
def test_convolutions(options):
    groups = options.get("feature_group_count", 1)
    kernel = np.random.default_rng(2).standard_normal((3, 4 // groups, 8)).astype(np.float32)
    form = {"dimension_numbers": ("NWC", "WIO", "NWC")} | options
    compare({"y": lambda x, flag: lax.conv_general_dilated(x, kernel, **form)}, shape=(9, 4))


def test_images_and_the_largest_of_their_parts():
    kernel = np.random.default_rng(2).standard_normal((3, 3, 2, 5)).astype(np.float32)
    form = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    largest = lambda x, size, step, pad: lax.reduce_window(
        x, -np.inf, lax.max, (1, *size, 1), (1, *step, 1), ((0, 0), *pad, (0, 0)))  # fmt: skip
    compare({
        "convolved": lambda x, flag: lax.conv_general_dilated(x, kernel, (2, 1), "SAME", **form),
        "largest": lambda x, flag: largest(x, (3, 2), (2, 2), ((1, 1), (0, 0))),
    }, shape=(8, 6, 2))  # fmt: skip


@pytest.mark.parametrize("time", [1, 7, 30, 128])
def test_spectra_are_as_exact_as_jax_has_them(time):
    """onnxruntime's own are off by 1e-5 of the largest at 100 samples."""
    spectrum = lambda x: jnp.fft.rfft(x, axis=1)
    compare({
        "real": lambda x, flag: spectrum(x).real, "imag": lambda x, flag: spectrum(x).imag,
        "some": lambda x, flag: spectrum(x)[:, ::2].imag[:, None],
    }, shape=(time, 2), rtol=0, atol=1e-6 * 2 * time**0.5)  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
def test_loops(reverse):
    def total(x, flag):
        step = lambda carry, x: (jnp.tanh(carry @ WEIGHT[:4] + x), carry)
        last, before = lax.scan(step, jnp.zeros_like(x[:, 0]), x.swapaxes(0, 1), reverse=reverse)
        return last, before.swapaxes(0, 1)

    compare(
        {name: lambda x, flag, i=i: total(x, flag)[i] for i, name in enumerate(("last", "all"))}
    )


def test_functions_inside_are_written_as_they_are_called():
    @jax.custom_vjp
    def doubled(x):
        return 2 * x

    doubled.defvjp(lambda x: (2 * x, ()), lambda _, g: (g,))
    compare({
        "t0": lambda x, flag: doubled(x), "t1": lambda x, flag: jax.checkpoint(jnp.tanh)(x),
        "t2": lambda x, flag: jax.jit(jax.nn.relu)(x), "given": lambda x, flag: x,
        "nothing": lambda x, flag: jnp.zeros((x.shape[0], 2)),
    })  # fmt: skip


def test_what_two_operations_read_is_stored_once():
    model = compare({"a": lambda x, flag: x * WEIGHT[None], "b": lambda x, flag: x + WEIGHT[None]})
    assert sum(np.prod(w.dims) == WEIGHT.size for w in model.graph.initializer) == 1
    assert {d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim[:1]} == {"n"}
    assert not any(w.external_data for w in model.graph.initializer)


@pytest.mark.parametrize(("function", "said"), [
    (lambda x: jnp.sort(x, axis=1), "operation 'sort' has no form in ONNX here"),
    (lambda x: jnp.cumsum(x, axis=1), "operation 'cumsum'"),
    (lambda x: x.astype(jnp.bfloat16), "dtype bfloat16"),
    (lambda x: x.astype(jnp.int32) & 3, "operation 'and' of int32"),
    (lambda x: jnp.abs(jnp.fft.rfft(x)), "operation 'abs' of complex numbers"),
    (lambda x: jnp.fft.fft(x + 0j), "operation 'convert_element_type'|dtype complex64"),
    (lambda x: jnp.fft.rfft2(x).real, "operation 'fft' other than of real samples"),
    (jnp.fft.rfft, "a complex tensor"),
    (lambda x: jnp.asarray(WEIGHT)[x.argmax(axis=1)],
     "operation 'gather' by places that the inputs choose"),
    (lambda x: lax.slice(x, (1, 0, 0), x.shape), "operation 'slice' of the batch"),
    (lambda x: x[0], "operation '(gather|dynamic_slice)'"),
    (lambda x: lax.pad(x, 0.0, ((0, 0, 0), (0, 0, 1), (0, 0, 0))), "operation 'pad' between"),
    (lambda x: jnp.concatenate([x, jnp.ones((1, 6, 4))]) * jnp.ones((x.shape[0] + 1, 1, 1)),
     r"a size of n \+ 1, where the batch is n"),
    (lambda x: lax.conv_transpose(x, np.ones((3, 4, 2), np.float32), (2,), "SAME"),
     "operation 'conv_general_dilated' transposed"),
])  # fmt: skip
def test_what_cannot_be_written_is_named(function, said):
    with pytest.raises(to_onnx.Unsupported, match=said):
        to_onnx.convert(lambda given: {"y": function(given["x"])}, {"x": (SHAPE, np.float32)})


def test_one_name_is_of_one_thing():
    with pytest.raises(ValueError, match=r"different names, both have \['x'\]"):
        to_onnx.convert(lambda given: given, {"x": (SHAPE, np.float32)})
