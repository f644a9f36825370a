"""What every method promises, whatever it learns from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign import methods
from mmalign.methods import JOINT, METHODS
from mmalign.methods.sensors import named_key, sensors

SELF_SUPERVISED = sorted(set(METHODS) - methods.LABELLED)
KEY = jax.random.key(1)
SPECTROGRAM = {"name": "compact", "representation": "spectrogram", "interval_s": 0.5, "patch": 1,
               "width": 8, "depth": 1, "segments": 2, "dim": 12, "hidden": 16}  # fmt: skip


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


def absent(batch, value, *modalities):
    """The batch without these modalities, and `value` in their place."""
    present = {m: p & (m not in modalities) for m, p in batch["present"].items()}
    inputs = {
        m: np.where(present[m][:, None, None], x, np.float32(value))
        for m, x in batch["inputs"].items()
    }
    return batch | {"inputs": inputs, "present": present}


def test_loss_is_one_number_with_metrics_and_a_gradient(method):
    (value, metrics), grads = method.loss(method.params, method.batch, KEY)
    assert value.shape == () and value.dtype == jnp.float32
    assert metrics and all(x.shape == () for x in metrics.values())
    assert finite((value, metrics, grads))
    assert sum(np.abs(g).sum() for g in jax.tree.leaves(grads)) > 0


def test_loss_is_a_function_of_its_key(method):
    draw = lambda seed: method.loss(method.params, method.batch, jax.random.key(seed))
    same(draw(1), draw(1))
    assert len({float(draw(seed)[0][0]) for seed in range(6)}) > 1


def test_embeddings_have_a_row_for_each_window_and_are_zero_where_absent(method):
    parts = method.embed(method.params, method.batch)
    assert {"acc", "emg", JOINT} <= set(parts)
    for part, z in parts.items():
        assert z.ndim == 2 and len(z) == len(method.batch["row"]) and z.dtype == jnp.float32
        assert finite(z)
        if part in method.batch["present"]:
            here = method.batch["present"][part]
            np.testing.assert_array_equal(z[~here], 0)
            assert (np.abs(z[here]).sum(axis=1) > 0).all()
    same(parts, method.embed(method.params, method.batch))


def test_an_embedding_knows_its_own_window_alone(method):
    order = np.random.default_rng(0).permutation(len(method.batch["row"]))
    shuffled = method.embed(method.params, jax.tree.map(lambda x: x[order], method.batch))
    for part, z in method.embed(method.params, method.batch).items():
        np.testing.assert_allclose(shuffled[part], z[order], atol=1e-5)


def test_fusing_embeddings_of_whole_windows_is_embedding_windows_that_lack_sensors(small, name):
    made = small.compiled(name, 3)
    assert (made.method.fuse is None) == (name == "infomae")  # its u answers for an absent sensor
    if made.method.fuse is None:
        return
    whole = small.batch(3)
    whole["present"] = {m: np.ones_like(p) for m, p in whole["present"].items()}
    parts = {m: z for m, z in made.embed(made.params, whole).items() if m in whole["present"]}
    lacking = small.batch(3)["present"] | {"ecg": np.arange(small.batch_size) % 2 == 0}
    # through jit, which sorts the modalities by name
    fused = small.jit(made.method.fuse)({"params": made.params}, parts, lacking)
    want = made.embed(made.params, whole | {"present": lacking})
    assert set(fused) == set(want)
    for part, z in want.items():
        np.testing.assert_allclose(fused[part], z, rtol=1e-5, atol=1e-6, err_msg=part)


def test_what_stands_where_a_modality_is_absent_is_never_read(method):
    nan = absent(method.batch, np.nan)
    assert all(np.isnan(x).any() for x in nan["inputs"].values())
    same(method.loss(method.params, method.batch, KEY), method.loss(method.params, nan, KEY))
    same(method.embed(method.params, method.batch), method.embed(method.params, nan))


def test_a_modality_absent_everywhere_teaches_nothing_and_breaks_nothing(method, name):
    for gone in (["emg"], ["acc", "emg"]):
        batch = absent(method.batch, np.nan, *gone)
        loss, grads = method.loss(method.params, batch, KEY)
        assert finite((loss, grads, method.embed(method.params, batch)))
        own = grads.get("base", grads)["sensors"]
        for m in gone:
            same(own[m], jax.tree.map(jnp.zeros_like, own[m]))
    loss, grads = method.loss(method.params, absent(method.batch, 0.0, "emg"), KEY)
    own = grads.get("base", grads)["sensors"]
    learns = any(np.abs(g).max() > 0 for g in jax.tree.leaves(own["acc"]))
    assert learns == (name != "cmc")  # which learns from pairs of modalities and nothing else


@pytest.mark.parametrize("name", ["mae", "supervised"])  # InfoMAE's takes long to compile
def test_init_reads_shapes_and_key_alone(small, name):
    init = small.jit(small.create(name).init)
    batch = absent(small.batch(), np.nan, "acc", "emg")
    first, again, other = (init(jax.random.key(k), batch) for k in (0, 0, 1))
    assert set(first) == {"params"} and finite(first)
    same(first, again)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(first))
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


@pytest.mark.parametrize("name", SELF_SUPERVISED)
def test_a_self_supervised_method_reads_neither_label_nor_subject(small, name):
    made = small.create(name)
    unlabelled = {k: x for k, x in small.batch().items() if k not in ("label", "group")}
    variables = jax.eval_shape(made.init, KEY, unlabelled)
    jax.eval_shape(made.loss, variables, unlabelled, KEY)
    jax.eval_shape(made.embed, variables, unlabelled)


def test_options_are_checked_by_name(small, name):
    given = small.options(name)
    create = lambda config: methods.create(config, small.modalities(2), num_classes=4)
    with pytest.raises(ValueError, match=f"method '{name}' does not know layers; .*encoder"):
        create(given | {"layers": 3})
    for option in set(given) - {"name"}:
        with pytest.raises(ValueError, match=f"method '{name}' needs {option}; its options are"):
            create({k: v for k, v in given.items() if k != option})


def test_keys_go_by_name():
    draws = {jax.random.key_data(named_key(KEY, *names)).tobytes()
             for names in ((), ("acc",), ("emg",), ("acc", "emg"), ("emg", "acc"))}  # fmt: skip
    assert len(draws) == 5
    assert named_key(None, "acc") is None


def test_an_unknown_method_is_refused_with_the_names_there_are(small):
    with pytest.raises(ValueError, match=r"'clip' is unknown; there is .*infomae, .*mae"):
        methods.create({"name": "clip"}, small.modalities(2))


def test_the_front_end_refuses_what_it_cannot_build(small):
    series = small.options("mae")["encoder"]
    for encoder, said in [
        (series | {"representation": "wavelet"}, "series or spectrogram, got 'wavelet'"),
        (SPECTROGRAM | {"interval_s": None}, "encoder.interval_s is needed"),
        (series | {"per_modality": {"ppg": {}}}, "per_modality names 'ppg'; there is acc, emg"),
        (series | {"width_": 3}, "no option of compact is called 'width_'"),
    ]:
        with pytest.raises(ValueError, match=said):
            small.create("mae", encoder=encoder)
    for reserved in (JOINT, "shared", "private", "logits"):
        with pytest.raises(ValueError, match=f"cannot be called '{reserved}'"):
            methods.create(small.options("mae"), {reserved: small.modalities(1)["acc"]})


def test_encoders_may_differ_between_modalities(small):
    series = small.options("mae")["encoder"]
    made = small.create("mae", encoder=series | {"per_modality": {"emg": {"dim": 5, "width": 4}}})
    parts = jax.eval_shape(
        lambda key, batch: made.embed(made.init(key, batch), batch), KEY, small.batch()
    )
    assert {m: z.shape[1] for m, z in parts.items()} == {"acc": 12, "emg": 5, JOINT: 17}


def test_a_phase_shift_reaches_a_series_and_a_spectrogram_as_what_they_are(small):
    """One encoder of each kind: three channels of a series are no real and imaginary parts."""
    series = small.options("mae")["encoder"]
    front = sensors(
        {
            "encoder": series | {"per_modality": {"emg": SPECTROGRAM | {"patch_s": None}}},
            "augment": {"pool": ("phase_shift",), "probability": 1.0, "per": "batch"},
        },
        small.modalities(2),
    )
    inputs = small.batch()["inputs"]
    plain, view = front.grids(inputs), small.jit(front.view)(KEY, inputs)
    magnitude = lambda x: np.abs(x[..., :2] + 1j * x[..., 2:])
    spectrum = lambda x: np.abs(np.fft.rfft(x[:, :, 0], axis=1))
    for m, same_in in (("acc", spectrum), ("emg", magnitude)):
        changed, before = np.asarray(view[m]), np.asarray(plain[m])
        assert changed.shape == before.shape and not np.allclose(changed, before, atol=0.1)
        inside = slice(1, -1) if m == "acc" else slice(None)  # mean and Nyquist have no phase
        np.testing.assert_allclose(
            same_in(changed)[:, inside], same_in(before)[:, inside], rtol=1e-3, atol=1e-3
        )
