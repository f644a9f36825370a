"""The checker of the contract: it lets methods that keep it pass, and says what others break."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmalign.methods import JOINT, Method, Modality, Target, Watch
from mmalign.methods.checks import check_method
from mmalign.methods.contract import present_inputs, where_present
from mmalign.methods.example_windows import example_batch, in_gaps

MODALITIES = {  # of every kind
    "words": Modality("sequence", (3, 4)),
    "acc": Modality("series", (6, 2), 10.0),
    "cam": Modality("image", (2, 3, 1)),
    "age": Modality("vector", (5,)),
}
WIDTH = 3


def flat(x):
    return x.reshape(len(x), -1)


def own_parts(variables, batch):
    """{m: [b, WIDTH]}: a linear map of what is present."""
    weights, x = variables["params"], present_inputs(batch)
    return {m: where_present(flat(x[m]) @ weights[m], batch["present"][m]) for m in MODALITIES}


def init(key, batch):
    shape = lambda x: (np.prod(x.shape[1:]), WIDTH)
    return {"params": {m: jax.random.normal(key, shape(x)) for m, x in batch["inputs"].items()}}


def cost_of(parts, batch):
    """Mean over modalities of the distance from 1, over windows that have them."""
    rows = {m: jnp.square(z - 1).mean(axis=1) for m, z in parts.items()}
    mean = lambda x, p: jnp.where(p, x, 0.0).sum() / jnp.maximum(p.sum(), 1)
    return sum(mean(rows[m], batch["present"][m]) for m in MODALITIES)


def loss(variables, batch, key):
    cost = cost_of(own_parts(variables, batch), batch)
    return cost, {"metrics": {"cost": cost}}


def embed(variables, batch):
    return fuse(variables, own_parts(variables, batch), batch["present"])


def fuse(variables, parts, present):
    own = {m: where_present(parts[m], present[m]) for m in MODALITIES}
    return own | {JOINT: jnp.concatenate([own[m] for m in MODALITIES], axis=1)}


KEEPS = Method(init, loss, embed, fuse)


def check(method=KEEPS, **changes):
    check_method(method._replace(**changes), MODALITIES)


def test_a_method_that_keeps_its_promises_passes_with_modalities_of_every_kind():
    check()
    check(fuse=None)
    check(needs=frozenset({"weights", "pairs"}), watches=(Watch("cost", 0.1, "low"),))


def with_means(variables, parts, present):
    means = variables.get("means", dict.fromkeys(MODALITIES, jnp.zeros(WIDTH)))
    own = {m: where_present(parts[m], present[m]) for m in MODALITIES}
    filled = [jnp.where(present[m][:, None], own[m], means[m][None]) for m in MODALITIES]
    return own | {JOINT: jnp.concatenate(filled, axis=1)}


def init_means(key, batch):
    return init(key, batch) | {"means": dict.fromkeys(MODALITIES, jnp.zeros(WIDTH))}


MEANS = Method(
    init_means, loss, lambda v, b: with_means(v, own_parts(v, b), b["present"]), with_means
)


def init_state(key, batch):
    return init(key, batch) | {"state": {"mean": jnp.zeros(WIDTH), "steps": jnp.int32(0)}}


def running(variables, batch, key):
    """Embeddings compared with the mean of those that were seen so far."""
    parts, state = own_parts(variables, batch), variables["state"]
    seen = jnp.concatenate([*parts.values()]).mean(axis=0)
    cost = cost_of({m: z - state["mean"][None] for m, z in parts.items()}, batch)
    share = 1 / (state["steps"] + 1.0)
    mean = (1 - share) * state["mean"] + share * jax.lax.stop_gradient(seen)
    after = {"mean": mean, "steps": state["steps"] + 1}
    return cost, {"metrics": {"cost": cost}, "state": after}


def test_a_method_may_keep_a_state_that_its_loss_moves_on():
    method = Method(init_state, running, embed, fuse)
    check(method)
    batches = [example_batch(MODALITIES, seed=seed) for seed in range(3)]
    variables = method.init(jax.random.key(0), batches[0])
    for batch in batches:
        _, aux = method.loss(variables, batch, None)
        variables |= {"state": aux["state"]}
    parts = [jnp.concatenate([*own_parts(variables, b).values()]) for b in batches]
    assert variables["state"]["steps"] == 3
    np.testing.assert_allclose(
        variables["state"]["mean"], jnp.concatenate(parts).mean(axis=0), rtol=1e-5
    )


def towards_average(variables, batch, key):
    """Embeddings compared with those of the averaged parameters."""
    ahead = own_parts({"params": variables["target"]}, batch)
    parts = own_parts(variables, batch)
    cost = cost_of(
        {m: z + 1 - 0.9 * jax.lax.stop_gradient(ahead[m]) for m, z in parts.items()}, batch
    )
    return cost, {"metrics": {"cost": cost}}


def test_a_loss_may_compare_with_the_averaged_parameters():
    check(loss=towards_average)


def supervised(variables, batch, key):
    cost = cost_of(own_parts(variables, batch), batch) * batch["targets"]["label"].mean()
    return cost, {"metrics": {"cost": cost}}


def test_a_method_that_needs_labels_may_look_at_them():
    check(loss=supervised, needs=frozenset({"labels"}))
    targets = {"label": Target("real", 1), "steps": Target("multi_hot", 3)}
    method = KEEPS._replace(loss=supervised, needs=frozenset({"labels"}))
    check_method(method, MODALITIES, targets=targets)


def of_pairs(variables, batch, key):
    rows = batch.get("paired", jnp.ones(len(batch["present"]["acc"]), bool))
    present = {m: p & rows for m, p in batch["present"].items()}
    cost = cost_of(own_parts(variables, batch), batch | {"present": present})
    return cost, {"metrics": {"cost": cost}}


def test_a_method_may_tell_pairs_from_other_rows():
    check(loss=of_pairs, needs=frozenset({"some_pairs"}))


def careless(variables, batch, key):
    """Reads inputs where they are absent."""
    z = sum((flat(x) @ variables["params"][m]).mean() for m, x in batch["inputs"].items())
    return z**2, {"metrics": {"cost": z}}


def looks(variables, batch, key):
    value, aux = loss(variables, batch, key)
    return value * batch.get("targets", {"label": jnp.ones(1)})["label"].mean(), aux


def groups(variables, batch, key):
    value, aux = loss(variables, batch, key)
    return value + jnp.where(batch["group"] == 2, 1.0, 0.0).sum(), aux


def changed(function, change):
    """The function with `change` of what it returns."""
    return lambda *args: change(function(*args))


def mean_of_all(parts):
    """Another joint embedding: the mean over modalities, absent ones as zeros."""
    return parts | {JOINT: sum(parts[m] for m in MODALITIES) / len(MODALITIES)}


def mean_of_present(variables, batch):
    parts = own_parts(variables, batch)
    count = sum(p.astype(jnp.float32) for p in batch["present"].values())
    return parts | {JOINT: sum(parts.values()) / jnp.maximum(count, 1)[:, None]}


def noisy(parts):
    return parts | {JOINT: parts[JOINT] + np.random.default_rng().normal()}


def rolling(parts):
    """Other noise in each call of the same program."""
    draw = lambda: np.float32(np.random.default_rng().normal())
    noise = jax.pure_callback(draw, jax.ShapeDtypeStruct((), jnp.float32))
    return parts | {JOINT: parts[JOINT] + noise}


def divides(variables, batch, key):
    parts = own_parts(variables, batch)
    z = sum(parts[m].sum() / batch["present"][m].sum() for m in MODALITIES)
    return z**2, {"metrics": {"cost": z}}


def spread(variables, batch):
    x = {m: flat(x).mean() for m, x in batch["inputs"].items()}
    return {m: w * x[m] for m, w in variables["params"].items()}


def joined_as_given(variables, parts, present):
    own = {m: where_present(parts[m], present[m]) for m in parts}
    return own | {JOINT: jnp.concatenate([*own.values()], axis=1)}


def raw(parts, batch):
    return parts | {JOINT: flat(batch["inputs"]["age"])}


BREAKS = {
    "loss reads what is absent": (
        {"loss": careless}, "loss reads inputs where nothing was measured: NaN there changed"),
    "embed reads what is absent": (
        {"embed": lambda v, b: raw(embed(v, b), b), "fuse": None},
        "embed reads inputs where nothing was measured: NaN there changed"),
    "loss asks for targets": (
        {"loss": supervised}, "loss reads 'targets' of the batch, and does not need 'labels'"),
    "loss looks at targets": (
        {"loss": looks}, "loss reads the targets or the group of the batch, and does not need"),
    "loss asks for the group": (
        {"loss": groups}, "loss reads 'group' of the batch, and does not need 'labels'"),
    "embed asks for targets": (
        {"embed": lambda v, b: embed(v, b) | {"logits": b["targets"]["label"]}},
        "embed reads 'targets' of the batch, which is not there for it"),
    "init asks for the group": (
        {"init": lambda key, b: init(key, b) | {"means": b["group"]}}, "init reads 'group' of the"),
    "embed is another than fuse": (
        {"embed": mean_of_present, "fuse": lambda *a: mean_of_all(fuse(*a))},
        "fuse and embed differ in 'joint' of the same windows"),
    "fuse goes by the order of a dict": (
        {"fuse": joined_as_given}, "fuse and embed differ in 'joint'"),
    "fuse lacks a part": (
        {"embed": changed(embed, lambda z: z | {"latents": z[JOINT]})}, "fuse returns .*, embed "),
    "embed draws when it is traced": (
        {"embed": changed(embed, noisy)}, "embed is not deterministic"),
    "embed draws when it runs": (
        {"embed": changed(embed, rolling)}, "embed is not deterministic"),
    "embed is no zeros where absent": (
        {"embed": changed(embed, lambda z: z | {"cam": z["cam"] + 1})},
        "embed: 'cam' is not zeros where it is absent"),
    "embed is zeros": (
        {"embed": changed(embed, lambda z: z | {"cam": 0 * z["cam"]})},
        "embed: 'cam' is zeros where it is present"),
    "embed looks at other windows": (
        {"embed": changed(embed, lambda z: z | {JOINT: jnp.cumsum(z[JOINT], axis=0)})},
        "embed of a window depends on the others in the batch"),
    "embed has no joint part": (
        {"embed": changed(embed, lambda z: {m: z[m] for m in MODALITIES})},
        "embed must return a part for each modality and 'joint'"),
    "embed has another rank": (
        {"embed": changed(embed, lambda z: z | {JOINT: z[JOINT].sum(axis=1)})},
        r"embed must return float32 \[windows, width\], 'joint' is float32 \[32\]"),
    "init reads values": (
        {"init": lambda key, b: {"params": spread(init(key, b), b)}},
        "init reads more of the batch than shapes"),
    "init returns something else": (
        {"init": lambda key, b: init(key, b)["params"]}, "init must return a dict of params"),
    "loss is a vector": (
        {"loss": lambda v, b, k: (own_parts(v, b)["age"].mean(axis=1), loss(v, b, k)[1])},
        r"loss must return one float, got shape \(32,\)"),
    "loss has no metrics": (
        {"loss": lambda v, b, k: (loss(v, b, k)[0], {"metrics": {}})}, "loss must return metrics"),
    "loss teaches nothing": (
        {"loss": changed(loss, jax.lax.stop_gradient)}, "loss has a gradient of zeros"),
    "loss is not finite": (
        {"loss": changed(loss, lambda x: (jnp.log(-x[0]), x[1]))}, "is not finite"),
    "loss divides by nobody": (
        {"loss": divides}, r"loss is not finite where all windows lack \['age'\]"),
    "state is forgotten": (
        {"init": init_state}, "loss must return the next state, of the shapes of the one that"),
    "state is made up": (
        {"loss": changed(loss, lambda x: (x[0], x[1] | {"state": 1}))}, "loss must return"),
    "a watch looks at nothing": (
        {"watches": (Watch("spread", 0.1, "low"),)}, "watches 'spread', which is no metric"),
    "loss takes all rows for pairs": (
        {"needs": frozenset({"some_pairs"})},
        "loss does not read `paired`, and needs no more than 'some_pairs'"),
    "loss breaks where rows are no pairs": (
        {"needs": frozenset({"some_pairs"}), "loss": lambda v, b, k: changed(loss, lambda x: (
            x[0] / jnp.all(b.get("paired", True)), x[1]))(v, b, k)},
        "loss is not finite where half of the rows are no pairs"),
    "nobody gives what it needs": (
        {"needs": frozenset({"label"})}, "needs must be of .*'labels'.*, got .*'label'"),
    "common is no zeros where absent": (
        {"common": changed(own_parts, lambda z: z | {"cam": z["cam"] + 1})},
        "common: 'cam' is not zeros where it is absent"),
    "common has two widths": (
        {"common": changed(own_parts, lambda z: z | {"cam": z["cam"][:, :1]})},
        "common must return a part of one width for each modality, got .*'cam': 1"),
    "common reads what is not there": (
        {"common": lambda v, b: {m: flat(x) @ v["params"][m] for m, x in b["inputs"].items()}},
        "common reads inputs where nothing was measured"),
    "means are not used": ({"init": init_means}, "means must change 'joint' where a modality"),
    "means are not declared": (
        {"embed": MEANS.embed, "fuse": MEANS.fuse}, "means are read, and init returns none"),
    "means are of another width": (
        {**MEANS._asdict(), "init": lambda key, b: init(key, b) | {
            "means": dict.fromkeys(MODALITIES, jnp.zeros(1))}},
        "means must be as wide as the embeddings"),
    "means of some": (
        {"init": lambda key, b: init(key, b) | {"means": {"cam": jnp.zeros(WIDTH)}}},
        r"init must return means for each modality, got \['cam'\]"),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_promise_is_named(what):
    changes, said = BREAKS[what]
    with pytest.raises(AssertionError, match=said):
        check(**changes)


def test_means_for_what_is_absent_pass():
    check(MEANS)


def test_windows_that_are_all_complete_say_nothing():
    batch = example_batch(MODALITIES)
    complete = batch | {"present": {m: np.ones_like(p) for m, p in batch["present"].items()}}
    with pytest.raises(ValueError, match="all windows of the batch are complete"):
        check_method(KEEPS, MODALITIES, batch=complete)


def test_samples_that_were_not_measured_are_not_read_either():
    rng, batch = np.random.default_rng(0), example_batch(MODALITIES)
    batch = in_gaps(batch | {"valid": {"acc": rng.random((32, 6)) < 0.8}}, 0.0)
    check_method(KEEPS, MODALITIES, batch=batch)
    x = present_inputs(in_gaps(batch, np.nan))
    measured = batch["valid"]["acc"] & batch["present"]["acc"][:, None]
    assert (np.isfinite(x["acc"])).all() and (x["acc"][~measured] == 0).all()
    np.testing.assert_array_equal(x["acc"], batch["inputs"]["acc"])

    def whole_windows(variables, batch, key):
        """Knows windows that are absent, and no gaps inside one."""
        return loss(variables, {name: x for name, x in batch.items() if name != "valid"}, key)

    with pytest.raises(AssertionError, match="loss reads inputs where nothing was measured"):
        check_method(KEEPS._replace(loss=whole_windows), MODALITIES, batch=batch)
