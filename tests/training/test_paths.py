import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.training.paths import cover, left_out, path_names, warm_start


def tree(fill, *, width=2, names=("acc", "gyro")):
    return {
        n: {"dense": {"kernel": jnp.full((3, width), fill)}, "bias": jnp.full(4, fill)}
        for n in names
    }


def test_paths_join_keys_by_slashes():
    assert path_names({"a": {"b": 1}, "c": 2}) == {"a": {"b": "a/b"}, "c": "c"}


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("critics", "critics/own/kernel", True),
        ("critics", "critics", True),
        ("critics", "critics_2/kernel", False),
        ("critics", "model/critics/kernel", False),
        (".*/kernel", "a/b/kernel", True),
        (".*/kernel", "a/b/kernel_2", False),
        ("acc|gyro", "gyro/bias", True),
    ],
)
def test_a_pattern_covers_whole_names_from_the_start(pattern, path, covered):
    assert bool(cover(pattern, path)) is covered


def test_warm_start_copies_what_is_covered_and_nothing_else():
    got = warm_start(tree(0.0), tree(1.0, names=("acc", "gyro", "decoder")), ["acc", ".*/bias"][:1])
    jax.tree.map(np.testing.assert_array_equal, got["acc"], tree(1.0)["acc"])
    jax.tree.map(np.testing.assert_array_equal, got["gyro"], tree(0.0)["gyro"])


def test_warm_start_renames_with_groups_and_keeps_the_model_dtype():
    source = {"enc_acc": tree(1.0)["acc"], "enc_gyro": tree(2.0)["gyro"]}
    source = jax.tree.map(lambda x: x.astype(jnp.bfloat16), source)
    got = warm_start({"encoders": tree(0.0)}, source, [r"enc_(\w+) -> encoders/\1"])
    want = {"encoders": {"acc": tree(1.0)["acc"], "gyro": tree(2.0)["gyro"]}}
    jax.tree.map(np.testing.assert_array_equal, got, want)
    assert {x.dtype for x in jax.tree.leaves(got)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(
    ("source", "patterns", "message"),
    [
        (tree(1.0), ["emg"], "'emg' covers no parameter of the source, which has: acc/bias, acc/d"),
        (tree(1.0, names=("emg",)), ["emg"], "'emg/bias' covers no parameter of the model"),
        (
            tree(1.0, width=5),
            ["acc"],
            r"'acc/dense/kernel': the model has shape \(3, 2\).*\(3, 5\)",
        ),
        (tree(1.0), ["acc -> new"], "'new/bias' covers no parameter of the model"),
    ],
)
def test_warm_start_that_does_not_fit_says_what_is_where(source, patterns, message):
    with pytest.raises(ValueError, match=message):
        warm_start(tree(0.0), source, patterns)


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["[^/]+"], ()),
        ([".*"], ()),
        (["acc", "gyro/bias"], ()),
        (["acc"], ("gyro",)),
        ([r"(acc|giro) -> own/\1"], ("gyro",)),
        ([], ("acc", "gyro")),
    ],
)
def test_what_a_warm_start_leaves_out_is_what_it_takes_no_parameter_of(patterns, left):
    assert left_out(("acc", "gyro", "emg"), tree(1.0), patterns) == left
    nested = {"base": {"sensors": tree(1.0)}}
    assert left_out(("gyro", "acc"), nested, ["base/sensors/acc"]) == ("gyro",)


NAMES = ("acc (left)", "[^x]+", "加速度", r"\1 -> +", "a.b", "$x$")


@pytest.mark.parametrize("pattern", ["[^/]+", r"([^/]+) -> \1", r"(.+)/bias -> \1/bias"])
def test_names_that_look_like_patterns_are_taken_as_they_are(pattern):
    got = warm_start(tree(0.0, names=NAMES), tree(1.0, names=NAMES), [pattern])
    assert left_out(NAMES, tree(1.0, names=NAMES), [pattern]) == ()
    for name in NAMES:
        np.testing.assert_array_equal(got[name]["bias"], 1.0)
