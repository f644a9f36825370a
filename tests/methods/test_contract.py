"""What every method promises, whatever it learns from."""

import importlib
import importlib.util
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import methods, options, to_onnx
from mmalign.configs import mmbind
from mmalign.methods import JOINT, METHODS
from mmalign.methods.checks import check_method
from mmalign.methods.example_windows import in_gaps, lacking

ROOT = pathlib.Path(__file__).parents[2]
KEY = jax.random.key(1)
SPECTROGRAM = {"name": "compact", "representation": "spectrogram", "interval_s": 0.5, "patch": 1,
               "width": 8, "depth": 1, "segments": 2, "dim": 12, "hidden": 16}  # fmt: skip
PAIRS, LABELS = {"pairs"}, {"labels"}
NEEDS = {
    "autoencoder": set(), "classifier": LABELS, "cmc": PAIRS, "cmg": PAIRS, "cocoa": PAIRS,
    "comm": PAIRS, "generator": PAIRS,
    "cpc": set(), "cross": PAIRS, "cross_self": PAIRS, "crossl": PAIRS, "factorcl": PAIRS,
    "gmc": PAIRS, "gram": PAIRS, "infmasking": PAIRS, "infomae": {"some_pairs", "sequences"},
    "joint_autoencoder": PAIRS, "mae": set(), "mmbind": PAIRS, "simclr": PAIRS,
    "simsiam": PAIRS, "supcon": LABELS, "supcon_tuned": LABELS, "supervised": LABELS,
    "symile": PAIRS,
}  # fmt: skip
SIDE_BY_SIDE = {"autoencoder", "cmc", "cmg", "cocoa", "cpc", "cross", "cross_self", "factorcl",
                "generator", "gmc", "gram", "joint_autoencoder", "mae", "mmbind", "simclr",
                "simsiam", "supcon", "supcon_tuned", "symile"}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(METHODS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def method(small, name):
    return small.compiled(name)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def finite(tree):
    return all(np.isfinite(x).all() for x in jax.tree.leaves(tree))


def test_every_method_keeps_the_contract(small, method):
    check_method(
        method.method, small.modalities(len(method.batch["present"])), targets=small.targets,
        batch=method.batch, variables=method.variables,
    )  # fmt: skip


def test_a_method_says_what_its_sampler_has_to_give(small):
    assert {name: small.create(name).needs for name in METHODS} == NEEDS


def test_every_method_can_be_asked_about_missing_sensors_without_its_encoders(method, name):
    assert (method.method.fuse is None) == (name in ("comm", "infmasking"))


def test_loss_is_a_function_of_its_key(method):
    draw = lambda seed: method.loss(method.params, method.batch, jax.random.key(seed))
    same(draw(1), draw(1))
    assert len({float(draw(seed)[0][0]) for seed in range(6)}) > 1


def test_embeddings_say_something_of_every_window_that_has_the_sensor(method):
    parts = method.embed(method.params, method.batch)
    for m, present in method.batch["present"].items():
        assert (np.abs(parts[m][present]).sum(axis=1) > 0).all() and not parts[m][~present].any()


def test_every_method_is_an_onnx_model_of_any_number_of_windows(method):
    pytest.importorskip("onnx", reason="of the extra `onnx`, which is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="of the extra `test`")
    batch = {of: method.batch[of] for of in ("inputs", "present")}
    means = {m: np.zeros_like(x) for m, x in method.variables.get("means", {}).items()}
    variables = {"params": method.params, **({"means": means} if means else {})}

    def embed(given):
        batched = {of: {m: given[f"{of}/{m}"] for m in xs} for of, xs in batch.items()}
        return {f"z/{part}": z for part, z in method.method.embed(variables, batched).items()}

    given = {f"{of}/{m}": x for of, xs in batch.items() for m, x in xs.items()}
    file = to_onnx.convert(embed, {name: (x.shape[1:], x.dtype) for name, x in given.items()})
    session = runtime.InferenceSession(file)
    found = dict(zip([x.name for x in session.get_outputs()], session.run(None, given)))
    want = method.embed(method.params, method.batch)
    assert found.keys() == {f"z/{part}" for part in want}
    for part, z in want.items():
        np.testing.assert_allclose(found[f"z/{part}"], z, rtol=1e-5, atol=1e-5)


def test_a_modality_absent_everywhere_teaches_nothing_and_breaks_nothing(method, name):
    for gone in (["emg"], ["acc", "emg"]):
        batch = lacking(method.batch, *gone)
        loss, grads = method.loss(method.params, batch, KEY)
        assert finite((loss, grads, method.embed(method.params, batch)))
        own = grads.get("base", grads)["sensors"]
        for m in gone if name != "mmbind" else ():  # whose constant slots are compared, by default
            same(own[m], jax.tree.map(jnp.zeros_like, own[m]))
    loss, grads = method.loss(method.params, lacking(method.batch, "emg"), KEY)
    own = grads.get("base", grads)["sensors"]
    learns = any(np.abs(g).max() > 0 for g in jax.tree.leaves(own["acc"]))
    # these learn from pairs of modalities alone
    assert learns == (name not in ("cmc", "cmg", "cross", "generator", "gram", "symile"))


@pytest.mark.parametrize("name", sorted(SIDE_BY_SIDE))
def test_the_mean_of_the_training_stands_where_a_modality_is_absent(small, name):
    """In the joint embedding alone, where a linear probe reads it as nothing; zeros without it."""
    made = small.compiled(name)
    assert set(made.variables) == {"params", "means"}
    means, present = made.variables["means"], made.batch["present"]
    bare = {"params": made.params}
    complete = made.batch | {"present": {m: np.ones_like(p) for m, p in present.items()}}
    parts = {m: z for m, z in made.embed(made.params, complete).items() if m in present}
    for variables, fill in ((made.variables, means), (bare, jax.tree.map(np.zeros_like, means))):
        fused = made.method.fuse(variables, parts, present)
        own = {m: np.where(p[:, None], parts[m], fill[m][None]) for m, p in present.items()}
        np.testing.assert_array_equal(fused[JOINT], np.concatenate([*own.values()], axis=1))
        for m, p in present.items():
            np.testing.assert_array_equal(fused[m], np.where(p[:, None], parts[m], 0))
    started = jax.tree.leaves(jax.eval_shape(made.method.init, KEY, made.batch)["means"])
    assert [x.shape for x in started] == [x.shape[1:] for x in parts.values()]


def test_the_other_methods_answer_for_what_is_absent_by_themselves(small):
    codes = {"infomae": {"readout": "codes"}}  # which has means for what encoders say beside them
    for name in set(METHODS) - SIDE_BY_SIDE:
        made = small.create(name, **codes.get(name, {}))
        assert set(jax.eval_shape(made.init, KEY, small.batch())) == {"params"}


@pytest.mark.parametrize("name", ["mae", "supervised"])  # InfoMAE's takes long to compile
def test_init_draws_finite_parameters_from_its_key(small, name):
    init = small.jit(small.create(name).init)
    batch = in_gaps(small.batch() | {"present": dict.fromkeys(("acc", "emg"), np.zeros(32, bool))},
                    np.nan)  # fmt: skip
    first, again, other = (init(jax.random.key(k), batch)["params"] for k in (0, 0, 1))
    same(first, again)
    assert finite(first) and all(x.dtype == jnp.float32 for x in jax.tree.leaves(first))
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(other))
    assert any((a != b).any() for a, b in pairs)


@pytest.mark.parametrize("changes", [{}, {"encoder": SPECTROGRAM}], ids=["series", "spectrogram"])
def test_three_modalities_of_different_rates_fit_as_well(small, name, changes):
    made, batch = small.create(name, 3, **changes), small.batch(3)
    variables = jax.eval_shape(made.init, KEY, batch)
    loss, aux = jax.eval_shape(made.loss, variables, batch, KEY)
    assert loss.shape == () and all(x.shape == () for x in jax.tree.leaves(aux["metrics"]))
    parts = jax.eval_shape(made.embed, variables, batch)
    assert {"acc", "emg", "ecg", JOINT} <= set(parts)
    assert all(z.shape[0] == small.batch_size and z.ndim == 2 for z in parts.values())


def test_options_are_checked_by_name(small, name):
    given = small.options(name)
    create = lambda config: methods.create(config, small.modalities(2), targets=small.targets)
    for option in ("layers", "targets", "length"):  # the last two are the run's to give
        said = f"no option of method '{name}' is called '{option}'.*; there is .*encoder"
        with pytest.raises(ValueError, match=said):
            create(given | {option: 3})
    with pytest.raises(ValueError, match=f"method '{name}' needs .*encoder; its options are"):
        create({"name": name})


def configured():
    """(name, options) of the methods in configs/, of the data that is embedded."""
    others = {"mae", "supcon", "supcon_tuned", "mmbind", "generator", "cmg"}
    of_baselines = sorted(SIDE_BY_SIDE - others | {"comm", "infmasking"})
    for file, arguments in (("infomae", [""]), ("crossl", [""]), ("baselines", of_baselines)):
        path = ROOT / "configs" / f"{file}.py"
        spec = importlib.util.spec_from_file_location(file, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for argument in arguments:
            for block in module.get_config(argument).to_dict().values():
                if isinstance(block, dict) and "method" in block:
                    yield block["method"]["name"], block["method"]
    for name in ("mmbind", "generator", "cmg"):  # the other rows are what these options are for
        yield name, mmbind.get_config()[name].method.to_dict()


def test_options_left_out_are_those_of_the_configs():
    seen = set()
    for name, given in configured():
        path, _, function = METHODS[name].partition(":")
        usual = options.of(getattr(importlib.import_module(path), function))
        for option in set(given) - {"name", "augment", "encoder", "base", "anchor"}:
            value = given[option]
            if isinstance(value, dict) and set(value.values()) == {None}:  # nothing is changed
                value = None
            of_a_preset = usual[option] is None  # which the embedded data change something of
            assert value == usual[option] or of_a_preset, (name, option)
        seen.add(name)
    assert seen == set(METHODS)


def test_encoders_may_differ_between_modalities(small):
    series = small.options("mae")["encoder"]
    made = small.create("mae", encoder=series | {"per_modality": {"emg": {"dim": 5, "width": 4}}})
    parts = jax.eval_shape(
        lambda key, batch: made.embed(made.init(key, batch), batch), KEY, small.batch()
    )
    assert {m: z.shape[1] for m, z in parts.items()} == {"acc": 12, "emg": 5, JOINT: 17}
