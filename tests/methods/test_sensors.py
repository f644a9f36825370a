"""The front end: every kind of modality becomes a grid that an encoder of its kind reads."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.methods.contract import JOINT, Modality
from mmalign.methods.sensors import named_key, sensors

KEY = jax.random.key(1)
MODALITIES = {
    "acc": Modality("series", (32, 3), 16.0),
    "odd": Modality("series", (11, 2), 16.0),
    "photo": Modality("image", (7, 9, 1)),
    "facts": Modality("vector", (3,)),
    "age": Modality("vector", (1,)),
    "words": Modality("sequence", (5, 4)),
}
SERIES = {"acc": MODALITIES["acc"], "emg": Modality("series", (48, 2), 24.0)}
ENCODER = {
    "name": "compact", "patch_s": 0.25, "width": 8, "depth": 1, "segments": 2, "dim": 12,
    "hidden": 16,
    "per_kind": {
        "image": {"width": 4, "depth": 2, "hidden": 8},
        "sequence": {"width": 8, "depth": 1, "heads": 2, "hidden": 8, "dropout": 0.0},
    },
}  # fmt: skip
SPECTROGRAM = {
    "name": "compact", "representation": "spectrogram", "interval_s": 0.5, "patch": 1, "width": 8,
    "depth": 1, "segments": 2, "dim": 12, "hidden": 16,
}  # fmt: skip
AUGMENT = {"pool": ("scaling", "negation"), "probability": 0.8, "per": "example"}


def front_of(modalities, encoder=ENCODER, augment=AUGMENT):
    return sensors({"encoder": encoder, "augment": augment}, modalities)


def windows(modalities, rows=8):
    rng = np.random.default_rng(0)
    return {m: rng.normal(size=(rows, *x.shape)).astype(np.float32) for m, x in modalities.items()}


def random(shapes):
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda p: 0.3 * rng.normal(size=p.shape).astype(np.float32), shapes)


@functools.cache
def every_kind():
    """(front, inputs, what `run` gives, its gradient).

    run: a view of all modalities, half of it hidden, encoded and decoded, in one program.
    """
    front, inputs = front_of(MODALITIES), windows(MODALITIES)
    params = {}
    for m, x in front.grids(inputs).items():
        encoder, decoder, patching, dim = front.backbones[m]
        of = lambda module, *x: random(jax.eval_shape(module.init, KEY, *x)["params"])
        masked = jnp.zeros((8, *patching.grid), bool)
        params[m] = {"encoder": of(encoder, x, masked), "decoder": of(decoder, jnp.zeros((1, dim)))}

    def run(params, key):
        grids, out = front.view(key, inputs), {}
        for m, x in grids.items():
            masked = front.backbones[m].patching.draw_mask(named_key(key, m), 8, 0.5)
            encoded = front.tokens(m, params[m]["encoder"], x, masked=masked, key=key)
            patches = front.decode(m, params[m]["decoder"], encoded["pooled"])
            asked = front.backbones[m].patching.patchify(x)
            out[m] = {**encoded, "grid": x, "patches": patches, "asked": asked}
        return sum(((o["patches"] - o["asked"]) ** 2).mean() for o in out.values()), out

    gradient, out = jax.jit(jax.grad(run, has_aux=True))(params, KEY)
    return front, inputs, jax.tree.map(np.asarray, out), gradient


@pytest.mark.parametrize(
    ("m", "grid"),
    [
        ("acc", (32, 1, 3)), ("odd", (11, 1, 2)), ("photo", (7, 9, 1)), ("facts", (3, 1, 1)),
        ("age", (1, 1, 1)), ("words", (5, 1, 4)),
    ],
)  # fmt: skip
def test_every_kind_is_a_grid_that_an_encoder_of_one_width_reads(m, grid):
    front, inputs, out, gradient = every_kind()
    assert front.kinds[m] == MODALITIES[m].kind
    assert out[m]["grid"].shape == (8, *grid)
    np.testing.assert_array_equal(front.grids({m: inputs[m]})[m].ravel(), inputs[m].ravel())
    tokens, mask = out[m]["tokens"], out[m]["mask"]
    assert out[m]["pooled"].shape == (8, 12)
    assert mask.shape == tokens.shape[:2] and mask.dtype == bool
    assert out[m]["patches"].shape == out[m]["asked"].shape
    for x in jax.tree.leaves((out[m], gradient[m])):
        assert np.isfinite(x).all()
    learns = [np.abs(g).max() > 0 for g in jax.tree.leaves(gradient[m])]
    assert all(learns) or (m == "age" and sum(learns) >= len(learns) - 1)  # of one, none is hidden


def test_a_view_augments_every_kind_whatever_its_size():
    front, inputs, out, _ = every_kind()
    for m, x in front.grids(inputs).items():
        changed = np.abs(out[m]["grid"] - np.asarray(x)).reshape(8, -1).max(axis=1) > 1e-6
        assert changed.any(), m
    every_series = ("permutation", "time_warp", "phase_shift", "time_shift", "frequency_mask")
    front = front_of(MODALITIES, augment={"pool": every_series})
    view = jax.eval_shape(front.view, KEY, inputs)
    assert {m: x.shape for m, x in view.items()} == {m: o["grid"].shape for m, o in out.items()}


def test_encoders_go_by_kind_and_may_differ_between_modalities():
    encoder = {
        "name": "conv", "preset": "crossl",
        "per_kind": {"vector": {"width": 16}, "sequence": {"name": "compact", "patch": 2}},
        "per_modality": {"age": {"dim": 4}, "odd": {"dim": 8, "kernels_s": (0.25, 0.1, 0.01)}},
    }  # fmt: skip
    backbones = front_of(MODALITIES, encoder).backbones
    names = {m: type(b.encoder).__name__ for m, b in backbones.items()}
    assert names == {
        "acc": "ConvEncoder", "odd": "ConvEncoder", "photo": "SmallConv2d", "facts": "MlpEncoder",
        "age": "MlpEncoder", "words": "CompactEncoder",
    }  # fmt: skip
    # as wide as the series' encoder, by default too
    assert {m: b.dim for m, b in backbones.items()} == dict.fromkeys(names, 96) | {
        "age": 4, "odd": 8
    }  # fmt: skip
    assert backbones["facts"].encoder.widths == backbones["age"].encoder.widths == (16, 16)
    assert backbones["odd"].encoder.kernels == (4, 2, 1)
    only = front_of({"photo": MODALITIES["photo"]}, {"name": "compact", "dim": 20}).backbones
    assert only["photo"].dim == 20
    published = {
        "name": "compact",
        "dim": 20,
        "per_kind": {"image": {"name": "resnet", "preset": "resnet18"}},
    }
    assert front_of({"photo": MODALITIES["photo"]}, published).backbones["photo"].dim == 512


def test_a_pool_that_is_empty_augments_nothing_and_one_of_a_modality_nothing_else():
    inputs = windows(MODALITIES)
    for augment in (None, {}, AUGMENT | {"pool": ()}):
        front = front_of(MODALITIES, augment=augment)
        assert front.policy is None
        valid = {"acc": np.arange(32)[None] % np.arange(1, 9)[:, None] == 0}
        assert front.view_valid(KEY, valid) == valid
        for m, x in front.view(KEY, inputs).items():
            np.testing.assert_array_equal(x, front.grids(inputs)[m])
    nothing = {kind: {"pool": ()} for kind in ("image", "vector", "sequence")}
    augment = {"pool": ("negation",), "probability": 1.0, "options": None, "per_kind": nothing}
    front = front_of(MODALITIES, augment=augment)
    view = jax.jit(front.view)(KEY, inputs)
    for m, x in front.grids(inputs).items():
        np.testing.assert_array_equal(view[m], -x if front.kinds[m] == "series" else x)


@functools.cache
def with_gaps():
    """(front of a series and a spectrogram, inputs, valid, both views and their masks)."""
    spectral = {"per_modality": {"emg": SPECTROGRAM | {"patch_s": None}}}
    front = front_of(SERIES, {**ENCODER, **spectral}, AUGMENT | {"pool": ("permutation", "jitter")})
    rng = np.random.default_rng(0)
    valid = {m: np.ones((8, x.shape[0]), bool) for m, x in SERIES.items()}
    for mask in valid.values():
        for row in mask[1:]:
            start = rng.integers(0, len(row) - 14)
            row[start : start + 14] = False
    inputs = {m: np.where(valid[m][..., None], x, 0) for m, x in windows(SERIES).items()}
    views = jax.jit(
        lambda key: (
            front.view(key, inputs), front.view_valid(key, valid),
            front.two_views(key, inputs), front.two_views_valid(key, valid),
            front.view_valid(key, {"emg": valid["emg"]}),
        )
    )(KEY)  # fmt: skip
    return front, inputs, valid, views


def test_gaps_of_a_view_are_where_its_samples_came_from_gaps():
    _, _, valid, (view, moved, both, both_moved, alone) = with_gaps()
    small = np.abs(np.asarray(view["acc"])[:, :, 0]).max(axis=-1) < 0.02  # jitter at the most
    np.testing.assert_array_equal(moved["acc"], ~small)
    assert (moved["acc"] != valid["acc"]).any() and moved["acc"][0].all()
    np.testing.assert_array_equal(alone["emg"], moved["emg"])
    assert both_moved["acc"].shape == (2, 8, 32) and both_moved["emg"].shape == (2, 8, 48)
    small = np.abs(np.asarray(both["acc"])[:, :, :, 0]).max(axis=-1) < 0.02
    np.testing.assert_array_equal(both_moved["acc"], ~small)
    assert (both_moved["acc"][0] != both_moved["acc"][1]).any()


def test_encoders_are_given_the_rows_that_hold_a_valid_sample():
    """Of a spectrogram, those are intervals."""
    front, inputs, valid, _ = with_gaps()
    grids = front.grids(inputs)
    encode = {}
    for m in SERIES:
        encoder = front.backbones[m].encoder
        params = random(jax.eval_shape(encoder.init, KEY, grids[m])["params"])
        run = jax.jit(lambda x, v, m=m, p=params: front.tokens(m, p, x, valid=v))
        encode[m] = functools.partial(run, grids[m])
        broken = jnp.where(front._rows(m, valid[m])[:, :, None, None], grids[m], jnp.nan)
        jax.tree.map(np.testing.assert_array_equal, run(broken, valid[m]), encode[m](valid[m]))
    intervals = valid["emg"].reshape(8, 4, 12).any(axis=2)
    assert not intervals.all() and intervals[0].all()
    np.testing.assert_array_equal(encode["emg"](valid["emg"])["mask"], intervals)
    halves = valid["acc"].reshape(8, 16, 2).any(axis=2)  # the convolution's stride is two samples
    np.testing.assert_array_equal(encode["acc"](valid["acc"])["mask"], halves)


def test_a_gap_is_not_read_by_a_convolution():
    front = front_of({"acc": SERIES["acc"]}, {"name": "conv", "dim": 8, "strides": (2, 2, 1)}, None)
    x, valid = windows(SERIES)["acc"][:, :, None], np.ones((8, 32), bool)
    valid[:, 20:] = False
    params = random(jax.eval_shape(front.backbones["acc"].encoder.init, KEY, x)["params"])
    encode = jax.jit(lambda x: front.tokens("acc", params, x, valid=valid))
    encoded = encode(np.where(valid[:, :, None, None], x, np.nan))
    np.testing.assert_array_equal(encoded["mask"], np.arange(8)[None].repeat(8, 0) < 5)
    want = np.asarray(encoded["tokens"])[:, :5].mean(axis=1)
    np.testing.assert_allclose(encoded["pooled"], want, rtol=1e-4, atol=1e-6)


def test_a_phase_shift_reaches_a_series_and_a_spectrogram_as_what_they_are():
    """One encoder of each kind: three channels of a series are no real and imaginary parts."""
    front = front_of(
        SERIES,
        {**ENCODER, "per_modality": {"emg": SPECTROGRAM | {"patch_s": None}}},
        {"pool": ("phase_shift",), "probability": 1.0, "per": "batch"},
    )
    inputs = windows(SERIES)
    plain, view = front.grids(inputs), jax.jit(front.view)(KEY, inputs)
    magnitude = lambda x: np.abs(x[..., :2] + 1j * x[..., 2:])
    spectrum = lambda x: np.abs(np.fft.rfft(x[:, :, 0], axis=1))
    for m, same_in in (("acc", spectrum), ("emg", magnitude)):
        changed, before = np.asarray(view[m]), np.asarray(plain[m])
        assert changed.shape == before.shape and not np.allclose(changed, before, atol=0.1)
        inside = slice(1, -1) if m == "acc" else slice(None)  # mean and Nyquist have no phase
        np.testing.assert_allclose(
            same_in(changed)[:, inside], same_in(before)[:, inside], rtol=1e-3, atol=1e-3
        )


def test_keys_go_by_name():
    draws = {jax.random.key_data(named_key(KEY, *names)).tobytes()
             for names in ((), ("acc",), ("emg",), ("acc", "emg"), ("emg", "acc"))}  # fmt: skip
    assert len(draws) == 5
    assert named_key(None, "acc") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"representation": "wavelet"},
            "encoder.representation must be one of series, spectrogram",
        ),
        (SPECTROGRAM | {"interval_s": None, "patch_s": None}, "encoder.interval_s is needed"),
        (
            {"per_modality": {"ppg": {}}},
            "of encoder.per_modality is called 'ppg'; there is acc, ag",
        ),
        (
            {"per_kind": {"series": {}}},
            "kind of encoder.per_kind is called 'series'.*; there is ima",
        ),
        ({"per_kind": {"vector": {"heads": 3}}}, "no option of mlp is called 'heads'"),
        ({"per_kind": {"image": {"name": "vit"}}}, "no backbone is called 'vit'"),
        ({"width_": 3}, "no option of compact is called 'width_'"),
    ],
    ids=str,
)
def test_encoders_that_cannot_be_built_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        front_of(MODALITIES, {**ENCODER, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probabilty": 0.5}, r"no option of augment is called 'probabilty' \(did you mean"),
        ({"kinds": {}}, "no option of augment is called 'kinds'"),
        ({"per_kind": {"image": {"pool": ("warp",)}}}, "per_kind.image.pool. is called 'warp'"),
        ({"per_modality": {"ppg": {}}}, "of augment.per_modality is called 'ppg'; there is acc"),
    ],
    ids=str,
)
def test_augmentations_that_there_are_not_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        front_of(MODALITIES, augment=AUGMENT | changes)


def test_modalities_that_cannot_be_read_are_refused():
    for reserved in (JOINT, "shared", "private", "logits"):
        with pytest.raises(ValueError, match=f"cannot be called '{reserved}'"):
            front_of({reserved: SERIES["acc"]})
    with pytest.raises(ValueError, match=r"encoder.patch_s is in seconds: .* needs a rate_hz"):
        front_of({"acc": Modality("series", (32, 3))})
