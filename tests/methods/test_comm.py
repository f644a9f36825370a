"""CoMM: what its terms compare, in the code's form and in the paper's."""

import jax
import numpy as np
import pytest

from mmalign import losses, methods
from mmalign.configs.comm import get_config
from mmalign.methods import JOINT
from mmalign.methods.checks import check_method
from mmalign.stages import method_options

KEY = jax.random.key(3)
STILL = {"dropout": 0.0}
PLAIN = {"pool": ("scaling",), "probability": 0.0}  # two views that are the windows as they are


@pytest.fixture(scope="module")
def loss(small):
    """(changes of its options) -> loss of all windows, its gradient, its parameters."""

    def of(seed=KEY, absent=(), **changes):
        method = small.create("comm", augment=PLAIN, **changes)
        batch = small.batch()
        here = {m: np.full(small.batch_size, m not in absent) for m in batch["present"]}
        batch = batch | {"present": here}
        params = small.all_random(jax.eval_shape(method.init, KEY, batch))["params"]
        objective = lambda params: method.loss({"params": params}, batch, seed)[0]
        value, grads = small.jit(jax.value_and_grad(objective))(params)
        return float(value), grads, params

    return of


def test_without_augmentation_the_forms_say_what_their_equations_say(small, loss):
    """Of dropout there is none either: both copies of a window have the same embeddings."""
    batch = small.batch()
    whole = {m: np.ones(small.batch_size, bool) for m in batch["present"]}
    batch = batch | {"present": whole}
    method = small.create("comm", augment=PLAIN, encoder=small.options("comm")["encoder"] | STILL)
    params = small.all_random(jax.eval_shape(method.init, KEY, batch))["params"]
    parts = method.embed({"params": params}, batch)
    names = [*whole, JOINT]
    head = lambda z: _head(params["head"], z)
    alone, fused = [head(parts[m]) for m in names[:-1]], head(parts[JOINT])
    cases = {
        (): np.mean([losses.nt_xent(z, fused).mean() for z in (*alone, fused)]),
        (("weight", (0.0, 0.0, 1.0)),): losses.nt_xent(fused, fused).mean() / 3,
        (("reduce", "sum"),): sum(losses.nt_xent(z, fused).mean() for z in (*alone, fused)),
        (("contrast", "info_nce"), ("alone", "clean")): np.mean(
            [losses.info_nce(z, fused, symmetric=False).mean() for z in (*alone, fused)]
        ),
    }
    for changes, want in cases.items():
        value, _, _ = loss(encoder=small.options("comm")["encoder"] | STILL, **dict(changes))
        np.testing.assert_allclose(value, want, rtol=2e-4, err_msg=str(changes))


def _head(params, z):
    """The head, from its definition."""
    params, z = jax.tree.map(np.asarray, (params, z))
    for i in range((len(params) - 1) // 2):
        layer, norm = params[f"hidden_{i}"], params[f"norm_{i}"]
        z = z @ layer["kernel"] + layer["bias"]
        z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
        z = np.maximum(z * norm["scale"] + norm["bias"], 0)
    return z @ params["out"]["kernel"] + params["out"]["bias"]


def test_the_paper_s_form_learns_a_token_in_place_of_hidden_ones(loss):
    value, grads, params = loss(form="paper")
    assert np.isfinite(value) and params["mask_token"].shape == (8,)
    assert np.abs(grads["mask_token"]).max() > 0
    _, grads, params = loss(form="paper", hidden="left_out")
    assert "mask_token" not in params


def test_weights_choose_terms(loss):
    """Of the fused views alone, everything learns; so it does of modalities alone."""
    for weight in ((0.0, 0.0, 1.0), (1.0, 1.0, 0.0)):
        _, grads, _ = loss(weight=weight)
        for m in ("acc", "emg"):
            own = jax.tree.leaves(grads["sensors"][m])
            assert max(np.abs(g).max() for g in own) > 0


def test_any_subset_is_fused_from_its_own_tokens(small):
    made, names = small.compiled("comm", 3), ("acc", "emg", "ecg")
    rows = made.batch["present"]["acc"].shape
    ask = lambda *there: made.embed(
        made.params, made.batch | {"present": {m: np.full(rows, m in there) for m in names}}
    )
    parts = ask(*names)
    for m in names:
        alone = ask(m)
        np.testing.assert_allclose(alone[JOINT], alone[m], atol=1e-5)
        np.testing.assert_allclose(alone[m], parts[m], atol=1e-5)
    pair = ask("acc", "ecg")
    assert np.abs(pair[JOINT] - parts[JOINT]).max() > 1e-3
    np.testing.assert_array_equal(pair["emg"], 0)


def test_fused_by_a_linear_map_it_is_one_of_embeddings(small):
    made = small.compiled("comm", fusion="linear")
    check_method(
        made.method, small.modalities(2), targets=small.targets, batch=made.batch,
        variables=made.variables,
    )  # fmt: skip
    whole = made.batch | {"present": {m: np.ones(32, bool) for m in ("acc", "emg")}}
    z = made.embed(made.params, whole)
    gone = whole | {"present": whole["present"] | {"emg": np.zeros(32, bool)}}
    alone, bias = made.embed(made.params, gone)[JOINT], made.params["fusion"]["out"]["bias"]
    other = whole | {"present": whole["present"] | {"acc": np.zeros(32, bool)}}
    np.testing.assert_allclose(
        alone + made.embed(made.params, other)[JOINT] - bias[None], z[JOINT], atol=1e-4
    )  # of a sum, nothing says what only both together say
    assert z[JOINT].shape == z["acc"].shape == (32, 8)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("form", {"form": "talk"}),
        ("method.fusion", {"fusion": "product"}),
        ("contrast", {"contrast": "clip"}),
        ("weight must be 3 numbers", {"weight": (1.0, 2.0)}),
        ("multiple of 4 and of 2 heads, got 6", {"width": 6}),
        ("depth 1 or more", {"depth": 0}),
        ("kind or modality of method.converter", {"converter": {"eeg": "tokens"}}),
        ("method.converter", {"converter": {"acc": "words"}}),
        ("each once", {"converter": {"series": ("tokens", "tokens")}}),
        ("augment.pool has to name", {"augment": None}),
    ],
)
def test_what_does_not_fit_is_named(small, message, changes):
    with pytest.raises(ValueError, match=message):
        small.create("comm", **changes)


def test_converters_go_by_modality_then_by_kind(small):
    shapes = lambda **changes: jax.eval_shape(
        small.create("comm", **changes).init, KEY, small.batch()
    )["params"]["sensors"]
    usual = shapes()
    assert set(usual["acc"]["converter"]) == {"patches", "singleton"}
    made = shapes(converter={"series": "features", "emg": "singleton"})
    assert set(made["acc"]["converter"]) == {"feature_weight", "feature_bias"}
    assert set(made["emg"]["converter"]) == {"singleton"}
    assert "comm" in methods.METHODS


@pytest.mark.parametrize(
    ("data", "modalities", "count", "unread"),
    [  # section of the paper: sizes of its encoders; `unread` are maps to embeddings
        ("trifeature224", {"a": ("image", (224, 224, 3)), "b": ("image", (224, 224, 3))},
         9_015_168, 2 * (9216 * 256 + 256)),
        ("mosi", {"vision": ("sequence", (50, 20)), "text": ("sequence", (50, 300))},
         864_040 + 875_240 + 19_840 + 417_024, 2 * (40 * 40 + 40)),
        ("mimic", {"tabular": ("vector", (5,)), "series": ("sequence", (24, 12))},
         170 + 2 * 10 * 512 + 806_912 + 3_153_920 + 658_688, 512 * 512 + 512),
        ("vision_touch", {"image": ("image", (128, 128, 3)), "force": ("sequence", (32, 6)),
                          "proprio": ("vector", (8,))}, 15_482_064, 512 * 512 + 512),
    ],
)  # fmt: skip
def test_published_networks_have_their_sizes(data, modalities, count, unread):
    config = get_config(data).to_dict()
    sensors = {m: methods.Modality(*of) for m, of in modalities.items()}
    made = methods.create(method_options(config["comm"], config), sensors)
    batch = {"inputs": {m: jax.ShapeDtypeStruct((2, *of.shape), "float32")
                        for m, of in sensors.items()}}  # fmt: skip
    shapes = jax.eval_shape(made.init, jax.eval_shape(lambda: KEY), batch)
    assert sum(x.size for x in jax.tree.leaves(shapes)) == count + unread
