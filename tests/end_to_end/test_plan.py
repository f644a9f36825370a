"""What does not fit is refused before anything is trained, naming the stage and the key."""

import dataclasses

import jax
import numpy as np
import pytest

from mmalign import evaluation, plan
from mmalign.data import catalogue


@pytest.fixture(scope="module")
def dataset(tiny):
    return catalogue.load(tiny.config().data)


@pytest.fixture
def refused(tiny, dataset):
    """Plans a changed config, which must fail: (match, changes) -> None."""

    def check(match, changes, dataset=dataset, edit=lambda config: None):
        config = tiny.config({"references": ()} | changes)
        with config.unlocked():
            edit(config)
        with pytest.raises(ValueError, match=match):
            plan.stages(config, dataset)

    return check


def test_stages_come_in_order_and_supervision_once_for_each_fraction(tiny, dataset):
    stages = plan.stages(tiny.config(), dataset)
    names = ["pretrain", "align", "joint_pretrain", "supervised_10", "supervised_100"]
    assert list(stages) == names == [stage.name for stage in stages.values()]
    train = np.flatnonzero(dataset.split == 0)
    pairs = stages["align"].view
    assert pairs.windows == len(train) // 2  # the smoke config's half
    assert stages["joint_pretrain"].view.windows == pairs.windows
    assert (
        stages["supervised_100"].view.windows == len(train) > stages["supervised_10"].view.windows
    )
    assert stages["align"].source == "pretrain" and stages["joint_pretrain"].source is None


def test_the_supervised_reference_learns_from_the_windows_that_probes_learn_from(tiny, dataset):
    config = tiny.config({"seed": 3})
    view = plan.stages(config, dataset)["supervised_10"].view
    seen = {int(row) for step in range(9) for row in view.rows(step)["acc"]}
    assert seen == set(evaluation.labelled_rows(dataset, 0.1, config.seed).tolist())


def test_a_labelled_block_may_name_its_own_share_of_labels(tiny, dataset):
    config = tiny.config({"evaluation.fractions": (0.1, 1.0)})
    with config.unlocked():
        config.supervised.view = {"fraction": 0.5}
    stages = plan.stages(config, dataset)
    assert [name for name in stages if name.startswith("supervised")] == ["supervised_50"]
    train = int(np.sum(dataset.split == 0))
    assert stages["supervised_50"].view.windows == pytest.approx(train / 2, abs=6)  # of 6 classes


def test_planning_places_nothing_on_devices(tiny, dataset):
    before = len(jax.live_arrays())
    plan.stages(tiny.config({"references": ()}), dataset)
    assert len(jax.live_arrays()) == before


def test_references_and_stages_can_be_dropped_while_their_blocks_stay(tiny, dataset):
    config = tiny.config({"references": (), "stages": ("pretrain",)})
    assert list(plan.stages(config, dataset)) == ["pretrain"]


@pytest.mark.parametrize("encoder", ["swin", "deepsense"])
def test_every_encoder_fits_every_stage(tiny, dataset, encoder):
    stages = plan.stages(tiny.config((), f"smoke,{encoder}"), dataset)
    assert [stages[name].config["method"]["name"] for name in ("pretrain", "align")] == [
        "mae",
        "infomae",
    ]


ONE = {"stages": ("pretrain",)}


@pytest.mark.parametrize(
    ("match", "changes"),
    [
        ("placement must be one of device, host, got 'gpu'", {"data.placement": "gpu"}),
        ("placement must be one of device, host, got ''", {"data.placement": ""}),
        ("log_every must be 1 or more, got 0", {"log_every": 0}),
        ("checkpoint_every must be 1 or more, got -1", {"checkpoint_every": -1}),
        ("stages is empty", {"stages": ()}),
        ("fractions is empty", {"evaluation.fractions": ()}),
        (r"fraction must lie in \(0, 1\], got 2", {"evaluation.fractions": (0.5, 2.0)}),
        ("'nope': config.nope is missing", {"stages": ("pretrain", "nope")}),
        ("'seed': config.seed is missing, or without a method", {"stages": ("seed",)}),
        ("'align' is there twice", {"references": ("align",)}),
        ("'supervised' is supervised, which is a reference", {"stages": ("supervised",)}),
        ("label 'InfoMAE' is there twice", {"pretrain.label": "InfoMAE"}),
        ("'pretrain': steps must be 1 or more, got 0", {"pretrain.steps": 0}),
        ("'pretrain': batch_size must be 1 or more, got 0", {"pretrain.batch_size": 0}),
        ("'pretrain': warmup_steps=6 does not fit a stage of 6", {"pretrain.optim.warmup_steps": 6}),
        ("'pretrain': a batch of 50 cannot be split over 8 devices; 48 or 56", {
            "pretrain.batch_size": 50}),
        ("'pretrain': the view has 192 windows of 'acc'.*the 400 of one batch", {
            "pretrain.batch_size": 400}),
        ("'pretrain': method.name 'nope' is unknown; there is .*infomae", {"pretrain.method.name": "nope"}),
        ("'pretrain': no backbone is called 'nope'", {"encoder.name": "nope"} | ONE),
        ("'align': the view has 8 pairs .*, fewer than the 48 of one batch", {"align.view.fraction": 0.05}),
        ("'align': method 'infomae' compares sensors: view.kind must be paired, got 'unpaired'", {
            "align.view.kind": "unpaired"}),
        ("'align': a batch of 12 sequences is too small for 9 negatives", {"align.method.negatives": 9}),
        ("'align': batch_size 48 must be a multiple of view.length 5", {"align.view.length": 5}),
        ("'align': .*covers no parameter of the source, which has: sensors/acc", {
            "align.warm_start": ("sensors/[^/]+/encoderr",)}),
        ("'align': .*covers no parameter of the model", {
            "align.warm_start": ("sensors/acc/encoder -> acc",)}),
        ("'align': warm start of 'sensors/acc/decoder/.*the model has shape", {
            "pretrain.method.shared": 5}),
        ("'align': source is 'pretrain'.*there is none", {"stages": ("align",)}),
        ("'align': source is 'joint_pretrain'.*stages before it: pretrain", {
            "align.source": "joint_pretrain", "references": ("joint_pretrain",)}),
        ("'align': source is None, warm_start .*needs patterns and one", {"align.source": None}),
        (r"'align': source is 'pretrain', warm_start \(\); a warm start", {"align.warm_start": ()}),
        ("config.evaluation.missing: missing.rate must lie in .* got 2.0", {
            "evaluation.missing.rates": (2.0,)}),
        ("'finetune_10': method.base is 'nope', which is no stage of the config", {
            "finetune.method.base": "nope", "references": ("finetune",)}),
        ("'finetune_10': method.reads must be one of joint, latents, got 'both'", {
            "finetune.method.reads": "both", "references": ("finetune",)}),
        ("'finetune_10': method.base is 'supervised', which has a head of its own", {
            "finetune.method.base": "supervised", "references": ("finetune",)}),
        ("'finetune_10': source is 'align'.*stages before it: pretrain", {
            "stages": ("pretrain",), "references": ("finetune",)}),
        ("'finetune' is supervised, which is a reference", {"stages": ("finetune",)}),
        ("'align': pattern 'nothing'.*", {"align.optim.groups": {"nothing": {"lr": 1.0}}}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(refused, match, changes):
    refused(match, changes)


def test_unknown_and_missing_keys_are_named(refused):
    refused("config has unknown keys sed", {}, edit=lambda c: c.update(sed=1))
    refused("config needs the keys log_every, seed", {}, edit=lambda c: (
        c.__delitem__("seed"), c.__delitem__("log_every")))  # fmt: skip
    refused(
        "'pretrain': stage has unknown keys step;", {}, edit=lambda c: c.pretrain.update(step=1)
    )
    refused(
        "'pretrain': stage needs the keys view;", {}, edit=lambda c: c.pretrain.__delitem__("view")
    )
    refused("'pretrain': method 'mae' does not know codes", {},
            edit=lambda c: c.pretrain.method.update(codes=1))  # fmt: skip
    refused("'pretrain': optim: unknown lrr", {}, edit=lambda c: c.pretrain.optim.update(lrr=1))


def test_sensors_that_cannot_be_hidden_so_are_refused(refused):
    hide = lambda stage, **missing: lambda c: c[stage].view.update(missing=missing)
    refused(r"'align': missing.rate must lie in \[0, 1\], got 3", {},
            edit=hide("align", kind="independent", rate=3))  # fmt: skip
    refused("'align': device 'wrist' has no modality 'gyro'; there is acc, emg", {},
            edit=hide("align", kind="subsets", devices={"wrist": ("gyro",)}))  # fmt: skip
    refused("'pretrain': view 'unpaired' has no option 'missing'", {},
            edit=hide("pretrain", kind="subsets"))  # fmt: skip
    refused("'finetune_10': missing 'burst' needs duration", {"references": ("finetune",)},
            edit=hide("finetune", kind="burst", rate=0.1))  # fmt: skip


def test_warm_start_as_one_string_is_not_taken_for_its_letters(refused):
    def edit(config):
        del config.align["warm_start"]
        config.align.warm_start = "sensors"

    refused(
        "'align': warm_start must be a tuple of patterns, got the string 'sensors'", {}, edit=edit
    )


def test_data_without_labels_to_learn_or_test_on_is_refused(refused, dataset):
    change = lambda **arrays: dataclasses.replace(dataset, **arrays)
    unknown = np.full_like(dataset.label, -1)
    train = dataset.split == 0
    refused("no labelled test window", {}, change(label=unknown))
    refused("no labelled window", {}, change(label=np.where(train, unknown, dataset.label)))
    refused("all of one class", {}, change(label=np.where(train, 0, dataset.label)))


def test_data_of_one_modality_is_refused(refused, dataset):
    alone = dataclasses.replace(dataset, **{
        name: {"acc": getattr(dataset, name)["acc"]} for name in ("inputs", "present")})  # fmt: skip
    refused("'align': alignment needs two modalities or more, got acc", {}, alone)
