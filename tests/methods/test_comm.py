"""CoMM: what its terms compare, in the code's form and in the paper's."""

import jax
import numpy as np
import pytest

from mmalign import methods
from mmalign.configs.comm import get_config
from mmalign.methods import JOINT
from mmalign.methods.checks import check_method
from mmalign.methods.comm import FORMS, _chosen
from mmalign.stages import method_options

KEY = jax.random.key(3)


def test_single_choices_win_over_the_form():
    nothing = dict.fromkeys(FORMS["code"])
    assert _chosen("code", **nothing) == FORMS["code"]
    for form, changes in (("code", {"reduce": "sum", "alone": "clean"}), ("paper", {
        "contrast": "nt_xent", "hidden": "left_out"
    })):  # fmt: skip
        assert _chosen(form, **nothing | changes) == FORMS[form] | changes


def test_the_paper_s_form_has_a_token_for_hidden_ones(small):
    shapes = lambda **changes: jax.eval_shape(
        small.create("comm", form="paper", **changes).init, KEY, small.batch()
    )["params"]
    assert shapes()["mask_token"].shape == (8,)
    assert "mask_token" not in shapes(hidden="left_out")


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
