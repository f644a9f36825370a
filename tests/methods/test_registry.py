"""Methods by name, those of other packages, and what `create` refuses."""

import jax
import pytest

from mmalign import methods
from mmalign.methods import Modality, Target
from mmalign.methods.checks import check_method

MINE = '''
"""A method of somebody else's package: the mean of a sensor's samples, scaled."""

import jax.numpy as jnp

from mmalign.methods import JOINT, Method
from mmalign.methods.contract import present_inputs, where_present


def create(modalities, *, encoder, augment=None, power=2.0, targets, length=1):
    names = {m: targets for m in modalities}

    def init(key, batch):
        return {"params": {m: jnp.ones(x.shape[-1]) for m, x in batch["inputs"].items()}}

    def loss(variables, batch, key):
        parts = embed(variables, batch)
        cost = sum((jnp.abs(parts[m]) ** power).mean() for m in modalities)
        return cost, {"metrics": {"cost": cost, "length": jnp.float32(length)}}

    def embed(variables, batch):
        x = present_inputs(batch)
        parts = {m: x[m].mean(axis=1) * variables["params"][m][None] for m in modalities}
        return fuse(variables, parts, batch["present"])

    def fuse(variables, parts, present):
        own = {m: where_present(parts[m], present[m]) for m in modalities}
        return own | {JOINT: jnp.concatenate([*own.values()], axis=1)}

    return Method(init, loss, embed, fuse)


def nothing(modalities, *, encoder):
    return {"params": {}}


def needy(modalities, *, encoder):
    return Method(None, None, None, needs=frozenset({"label"}))


number = 3
'''


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder on the path with a module of somebody else's."""
    (tmp_path / "their_package").mkdir()
    (tmp_path / "their_package" / "mine.py").write_text(MINE)
    (tmp_path / "their_package" / "broken.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)


def create(small, name, **options):
    config = {"name": name, "encoder": small.options("mae")["encoder"], **options}
    return methods.create(config, small.modalities(2), targets=small.targets, length=4)


def test_the_code_of_a_method_of_another_package_is_known_by_its_file(outside, tmp_path):
    spec = {"name": "their_package.mine:create", "power": 3.0}
    on_top = {"name": "classifier", "base": spec}
    first = methods.code(spec)
    assert [*first] == [spec["name"]] and methods.code(on_top) == first
    (tmp_path / "their_package" / "mine.py").write_text(MINE + "# another line")
    assert methods.code(spec)[spec["name"]] != first[spec["name"]]
    assert methods.code({"name": "simclr"}) == {}


def test_a_method_of_another_package_goes_by_its_place(small, outside):
    made = create(small, "their_package.mine:create", power=3.0)
    check_method(made, small.modalities(2))
    _, aux = made.loss(made.init(None, small.batch()), small.batch(), None)
    assert aux["metrics"]["length"] == 4


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("clip", {}, ValueError, r"no method is called 'clip'.*; there is .*infomae, .*mae"),
        ("infomea", {}, ValueError, r"did you mean 'infomae'\?"),
        ("nowhere.mine:create", {}, ValueError, "there is no module 'nowhere'; its folder has to"),
        ("their_package.mind:create", {}, ValueError, "no module 'their_package.mind'"),
        ("their_package.broken:create", {}, ModuleNotFoundError, "no_such_library"),
        ("their_package.mine:creat", {}, ValueError,
         r"no function of their_package.mine is called 'creat' \(did you mean 'create'\?\)"),
        ("their_package.mine:number", {}, ValueError, "must be a function, got int"),
        ("their_package.mine:nothing", {}, TypeError, "must return a Method, got dict"),
        ("their_package.mine:needy", {}, ValueError, "no need of a method is called 'label'"),
        ("their_package.mine:create", {"powr": 2}, ValueError,
         r"no option of method 'their_package.mine:create' is called 'powr' \(did you mean 'power"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(small, outside, name, options, error, said):
    with pytest.raises(error, match=said):
        create(small, name, **options)


def test_a_config_without_a_name_is_refused(small):
    with pytest.raises(ValueError, match="a method needs a name"):
        methods.create({"encoder": {}}, small.modalities(2))


@pytest.mark.parametrize("reserved", ["joint", "shared", "private", "logits"])
def test_a_modality_is_not_called_as_a_part_of_embeddings(small, reserved):
    with pytest.raises(ValueError, match=f"cannot be called '{reserved}'"):
        methods.create(small.options("mae"), {reserved: small.modalities(1)["acc"]})


@pytest.mark.parametrize(
    ("modality", "said"),
    [
        (Modality("video", (8, 8, 3)), "no kind of modality is called 'video'; there is image, se"),
        (Modality("series", (8,), 10.0), r"'cam' is of kind 'series': .* \[time, channels\], got"),
        (Modality("image", (8, 8)), r"\[height, width, channels\], got \(8, 8\)"),
        (Modality("vector", (8, 1)), r"\[features\], got \(8, 1\)"),
    ],
)
def test_the_shape_of_a_modality_is_that_of_its_kind(small, modality, said):
    with pytest.raises(ValueError, match=said):
        methods.create(small.options("mae"), {"cam": modality})


def test_what_predicts_along_time_is_for_series(small):
    others = small.modalities(1) | {"cam": Modality("image", (8, 8, 3))}
    with pytest.raises(ValueError, match="cpc predicts along time: 'cam' is of kind 'image'"):
        methods.create(small.options("cpc"), others)


@pytest.mark.parametrize("name", ["supervised", "classifier"])
@pytest.mark.parametrize(
    ("targets", "option", "said"),
    [
        ({}, {}, "no target is called 'label'; there is none"),
        ({"age": Target("real", 1)}, {}, "no target is called 'label'; there is age"),
        ({"age": Target("real", 1)}, {"target": "age"}, "of kind 'classes', 'age' is 'real'"),
        ({"label": Target("classes", 1)}, {}, "'label' needs 2 classes or more, got 1"),
        ({"label": Target("ordinal", 3)}, {}, "kind of target 'label' must be one of classes"),
    ],
)
def test_what_is_learnt_has_to_be_a_target_of_classes(small, name, targets, option, said):
    with pytest.raises(ValueError, match=said):
        methods.create(small.options(name, **option), small.modalities(2), targets=targets)


@pytest.mark.parametrize("name", ["supervised", "classifier"])
def test_another_target_than_the_label_is_learnt_by_its_name(small, name):
    targets = small.targets | {"walks": Target("classes", 3)}
    made = small.create(name, target="walks", targets=targets)
    batch = small.batch()
    del batch["targets"]["label"]
    batch["targets"]["walks"] = batch["row"]["acc"] % 3
    variables = jax.eval_shape(made.init, jax.random.key(0), batch)
    cost, _ = jax.eval_shape(made.loss, variables, batch, jax.random.key(0))
    logits = jax.eval_shape(made.embed, variables, batch)["logits"]
    assert cost.shape == () and logits.shape == (small.batch_size, 3)
