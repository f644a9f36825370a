"""MMBind's loss on windows of all combinations of sensors."""

import jax
import numpy as np
import pytest

from mmalign.methods.mmbind import _two

KEY = jax.random.key(3)
NAMES = ("acc", "emg", "ecg")


@pytest.fixture(scope="module")
def batch(small):
    """Windows without weights."""
    return {name: x for name, x in small.batch(3).items() if name != "weight"}


def value(small, batch, params=None, **options):
    made = small.compiled("mmbind", 3, **options)
    (cost, _), gradient = made.loss(made.params if params is None else params, batch, KEY)
    return float(cost), gradient


def test_weights_weigh_the_loss_of_a_window_and_no_negative(small, batch):
    n = small.batch_size
    one = value(small, batch)[0]
    of = lambda w: value(small, batch | {"weight": np.asarray(w, np.float32)})[0]
    np.testing.assert_allclose(of(np.ones(n)), one, rtol=1e-6)
    np.testing.assert_allclose(of(np.full(n, 0.5)), one / 2, rtol=1e-6)
    each = [of(np.eye(n)[i]) for i in range(n)]
    np.testing.assert_allclose(sum(each), one, rtol=1e-5)
    assert min(each) > 0


def test_constant_slots_are_compared_where_slots_are_and_not_where_the_present_is(small, batch):
    """An encoder whose sensor is in no window learns from constants alone, or not at all."""
    gone = batch | {"present": batch["present"] | {"ecg": np.zeros(small.batch_size, bool)}}
    largest = lambda tree: max(float(np.abs(x).max()) for x in jax.tree.leaves(tree))
    of = lambda **options: value(small, gone, **options)[1]["sensors"]["ecg"]
    assert largest(of()) > 0
    assert largest(of(views="present")) == 0


def test_the_constant_is_the_one_that_was_asked_for(small, batch):
    assert value(small, batch)[0] != value(small, batch, fill=-1.1)[0]
    whole = batch | {"present": dict.fromkeys(NAMES, np.ones(small.batch_size, bool))}
    whole["inputs"] = {m: np.where(np.isnan(x), 0, x) for m, x in batch["inputs"].items()}
    assert value(small, whole)[0] == value(small, whole, fill=-1.1)[0]


def test_a_spectrogram_of_what_is_absent_is_that_of_the_constant(small, batch):
    encoder = {"name": "deepsense", "representation": "spectrogram", "interval_s": 0.25,
               "overlap": 0.5, "depth": 1, "width": 4, "dim": 4}  # fmt: skip
    made = small.create("mmbind", 3, encoder=encoder, augment=None, fill=-1.1)
    params = small.all_random(jax.eval_shape(made.init, KEY, batch)["params"])
    loss = small.jit(lambda batch: made.loss({"params": params}, batch, KEY)[0])
    filled = {m: np.where(p.reshape(-1, *[1] * (x.ndim - 1)), x, np.float32(-1.1))
              for (m, x), p in zip(batch["inputs"].items(), batch["present"].values())}  # fmt: skip
    whole = {m: np.ones_like(p) for m, p in batch["present"].items()}
    want = loss(batch | {"inputs": filled, "present": whole})
    np.testing.assert_allclose(loss(batch), want, rtol=1e-5)


def test_a_prompt_tells_each_head_what_is_there(small, batch):
    made = small.compiled("mmbind", 3, prompt=True)
    width = made.params["sensors"]["acc"]["head"]["hidden_0"]["kernel"].shape[0]
    plain = small.compiled("mmbind", 3).params["sensors"]["acc"]["head"]["hidden_0"]["kernel"]
    assert width == plain.shape[0] + 3
    silent = jax.tree.map(np.array, made.params)
    for m in NAMES:
        silent["sensors"][m]["head"]["hidden_0"]["kernel"][-3:] = 0
    assert value(small, batch, prompt=True)[0] != value(small, batch, silent, prompt=True)[0]


def test_two_views_are_the_anchor_and_the_other_that_is_there():
    rng = np.random.default_rng(0)
    z = {m: rng.standard_normal((4, 5)).astype(np.float32) for m in NAMES}
    present = {"acc": np.array([1, 1, 1, 0], bool), "emg": np.array([1, 0, 0, 1], bool),
               "ecg": np.array([1, 1, 0, 1], bool)}  # fmt: skip
    (anchor, other), (where, _) = _two(z, present, "acc")
    np.testing.assert_array_equal(anchor, z["acc"])
    np.testing.assert_array_equal(where, [True, True, False, False])
    np.testing.assert_array_equal(other[:2], [z["emg"][0], z["ecg"][1]])


@pytest.mark.parametrize(
    ("match", "options"),
    [
        ("method.views must be one of slots, present, two, got 'one'", {"views": "one"}),
        ("method.views='two' with method.anchor=None", {"views": "two"}),
        ("method.views='slots' with method.anchor='acc'", {"anchor": "acc"}),
        ("no modality of method.anchor is called 'ppg'", {"views": "two", "anchor": "ppg"}),
    ],
)
def test_what_does_not_fit_is_named(small, match, options):
    with pytest.raises(ValueError, match=match):
        small.create("mmbind", 2, **options)
    with pytest.raises(ValueError, match="mmbind needs two modalities or more"):
        small.create("mmbind", 1)
