"""What does not fit is refused before anything is trained, naming the stage and the key."""

import dataclasses

import jax
import numpy as np
import pytest

from mmalign import evaluation, methods, plan


@pytest.fixture
def refused(tiny, dataset):
    """Plans a changed config, which must fail: (match, changes) -> None."""

    def check(match, changes, dataset=dataset, edit=lambda config: None):
        config = tiny.config({"rows": ()} | changes)
        with config.unlocked():
            edit(config)
        with pytest.raises(ValueError, match=match):
            plan.plan(config, dataset)

    return check


@pytest.fixture
def stages(dataset):
    """{name: Stage} of a config."""
    return lambda config: plan.plan(config, dataset).stages


def test_stages_that_differ_in_what_is_drawn_alone_are_made_of_the_same(tiny, stages):
    one, other = (
        stages(tiny.config({"seed": seed, "rows": ("joint_pretrain",)})) for seed in (0, 1)
    )
    for a, b in ((one["align"], other["align"]), (one["align"], one["joint_pretrain"])):
        assert a.method is b.method and a.tx is b.tx
    assert one["pretrain"].tx is not one["align"].tx


def test_stages_come_in_order_and_supervision_once_for_each_fraction(tiny, dataset, stages):
    stages = stages(tiny.config())
    names = [
        "pretrain",
        "align",
        "supervised_10",
        "supervised_100",
        "joint_pretrain",
        "random_encoder",
    ]
    assert list(stages) == names == [stage.name for stage in stages.values()]
    train = np.flatnonzero(dataset.split == 0)
    pairs = stages["align"].sampler
    assert pairs.windows == len(train)  # of so few all of them
    assert stages["joint_pretrain"].sampler.windows == pairs.windows
    assert (
        stages["supervised_100"].sampler.windows
        == len(train)
        > stages["supervised_10"].sampler.windows
    )
    assert stages["align"].source == "pretrain" and stages["joint_pretrain"].source is None


def test_what_learns_from_labels_and_is_probed_is_probed_at_the_share_it_learnt_from(tiny, dataset):
    config = tiny.config({"rows": ("supcon", "supervised")})
    with config.unlocked():
        config.supcon = config.supervised.copy_and_resolve_references()
        config.supcon.label = "SupCon"
        del config.supcon["method"]
        config.supcon.method = dict(name="supcon")
    rows = {row.name: row.evaluations for row in plan.plan(config, dataset).rows}
    probed = {name: found["probe"].spec["fractions"] for name, found in rows.items()}
    assert probed["supcon_10"] == (0.1,) and probed["supcon_100"] == (1.0,)
    free = [name for name, found in rows.items() if "label_free" in found]
    assert free == ["supcon_100", "align"]  # networks that answer have no embeddings of all


def test_the_supervised_reference_learns_from_the_windows_that_probes_learn_from(
    tiny, dataset, stages
):
    config = tiny.config({"seed": 3})
    sampler = stages(config)["supervised_10"].sampler
    seen = {int(row) for step in range(9) for row in sampler.rows(step)["acc"]}
    assert seen == set(evaluation.labelled_rows(dataset, 0.1, config.seed).tolist())


def test_a_labelled_block_may_name_its_own_share_of_labels(tiny, dataset, stages):
    config = tiny.config({"evaluation.fractions": (0.1, 1.0)})
    with config.unlocked():
        config.supervised.sampler = {"fraction": 0.5}
    stages = stages(config)
    assert [name for name in stages if name.startswith("supervised")] == ["supervised_50"]
    train = int(np.sum(dataset.split == 0))
    assert stages["supervised_50"].sampler.windows == pytest.approx(
        train / 2, abs=6
    )  # of 6 classes


def test_planning_places_nothing_on_devices(tiny, dataset):
    before = len(jax.live_arrays())
    plan.plan(tiny.config({"rows": ()}), dataset)
    assert len(jax.live_arrays()) == before


def test_rows_and_stages_can_be_dropped_while_their_blocks_stay(tiny, stages):
    assert list(stages(tiny.config({"rows": (), "stages": ("pretrain",)}))) == ["pretrain"]


def test_a_row_brings_along_what_it_starts_from(tiny, stages):
    made = stages(tiny.config({"rows": ("finetune",), "stages": ("joint_pretrain",)}))
    assert list(made) == ["joint_pretrain", "pretrain", "align", "finetune_10", "finetune_100"]


def test_nodes_hang_on_what_they_are_computed_from_and_on_nothing_else(tiny, dataset):
    rows = {"rows": ("window_statistics", "pretrain", "random_encoder", "supervised")}
    nodes = lambda changes: {
        node.folder.rpartition("-")[0]: node.digest
        for row in plan.plan(tiny.config(rows | changes), dataset).rows
        for node in (row.stage and row.stage.node, row.embedding, *row.evaluations.values())
        if node
    }
    usual = nodes({})
    changed = lambda changes: {name for name, digest in nodes(changes).items()
                               if usual.get(name) != digest}  # fmt: skip
    assert not changed({"log_every": 7, "checkpoint_every": 5, "online": 2})
    assert not changed({"data.placement": "host"})
    assert not changed({"align.label": "Mine", "rows": ("align", "pretrain")})
    missing = {"evaluation-random_encoder_missing", "evaluation-pretrain_missing",
               "evaluation-align_missing", "evaluation-supervised_100_missing",
               "evaluation-window_statistics_missing"}  # fmt: skip
    assert changed({"evaluation.missing.limit": 5}) == missing
    align = {"training-align", "embedding-align", "evaluation-align_probe",
             "evaluation-align_missing", "evaluation-align_information",
             "evaluation-align_label_free", "evaluation-align_across"}  # fmt: skip
    assert changed({"align.optim.lr": 0.5}) == align
    assert changed({"pretrain.optim.lr": 0.5}) == align | {
        "training-pretrain", "embedding-pretrain", "evaluation-pretrain_probe",
        "evaluation-pretrain_missing", "evaluation-pretrain_label_free",
    }  # fmt: skip
    assert changed({"seed": 1}) == set(usual) - {"embedding-window_statistics"}


def test_names_of_classes_change_the_page_alone_and_code_of_ones_own_its_training(
    tiny, dataset, monkeypatch
):
    config = tiny.config({"rows": (), "stages": ("pretrain",)})
    about = dataclasses.replace(dataset.description, class_names=("other",) * dataset.num_classes)
    made = plan.plan(config, dataset)
    other = plan.plan(config, dataclasses.replace(dataset, description=about))
    assert made.stages["pretrain"].node.digest == other.stages["pretrain"].node.digest
    assert made.report.digest != other.report.digest
    monkeypatch.setattr(methods, "code", lambda spec: {"mine.py:create": "abc"})
    edited = plan.plan(config, dataset).stages["pretrain"].node
    assert edited.digest != made.stages["pretrain"].node.digest


def test_stages_that_start_from_each_other_are_refused(refused):
    refused("stages start from each other: pretrain <- align <- pretrain", {},
            edit=lambda c: c.pretrain.update(source="align", warm_start=("sensors",)))  # fmt: skip


@pytest.mark.parametrize("encoder", ["swin", "deepsense"])
def test_every_encoder_fits_every_stage(tiny, stages, encoder):
    stages = stages(tiny.config({"rows": ("supervised",)}, f"smoke,{encoder}"))
    assert [stages[name].block["method"]["name"] for name in ("pretrain", "align")] == [
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
        ("online must be 1 or more, got 0", {"online": 0}),
        ("checkpoint_every must be 1 or more, got -1", {"checkpoint_every": -1}),
        ("stages is empty", {"stages": ()}),
        ("fractions is empty", {"evaluation.fractions": ()}),
        (r"fraction must lie in \(0, 1\], got 2", {"evaluation.fractions": (0.5, 2.0)}),
        ("no block of config.stages is called 'nope'; there is align, ", {"stages": ("pretrain", "nope")}),
        ("no block of config.stages is called 'seed'", {"stages": ("seed",)}),
        ("no row of config.rows is called 'chanc' .did you mean 'chance'", {"rows": ("chanc",)}),
        ("'align' is there twice in config.rows", {"rows": ("align", "align")}),
        ("'supervised' learns from labels, which is for rows only", {"stages": ("supervised",)}),
        ("label 'InfoMAE' is there twice", {"pretrain.label": "InfoMAE", "rows": ("pretrain",)}),
        ("'pretrain': steps must be 1 or more, got 0", {"pretrain.steps": 0}),
        ("'pretrain': batch_size must be 1 or more, got 0", {"pretrain.batch_size": 0}),
        ("'pretrain': warmup_steps=6 does not fit a stage of 6", {"pretrain.optim.warmup_steps": 6}),
        ("'pretrain': a batch of 50 cannot be split over 8 devices; 48 or 56", {
            "pretrain.batch_size": 50}),
        ("'pretrain': no method is called 'nope'; there is .*infomae", {"pretrain.method.name": "nope"}),
        ("'pretrain': no backbone is called 'nope'", {"encoder.name": "nope"} | ONE),
        ("'align': there are 1 runs of sampler.length=4 pairs of sampler.fraction=0.001", {
            "align.sampler.fraction": 0.001}),
        ("'align': a batch of 2 sequences is too small for a negative of each of 2 modalities", {
            "align.sampler.fraction": 0.05}),
        ("'align': batch_size 64 must be a multiple of sampler.length 5", {"align.sampler.length": 5}),
        ("'align': .*covers no parameter of the source, which has: sensors/acc", {
            "align.warm_start": ("sensors/[^/]+/encoderr",)}),
        ("'align': .*covers no parameter of the model", {
            "align.warm_start": ("sensors/acc/encoder -> acc",)}),
        ("'align': warm start of 'sensors/acc/decoder/.*the model has shape", {
            "pretrain.method.shared": 5}),
        ("config.nope, which stage 'align' starts from is missing, or without a method", {
            "align.source": "nope"}),
        ("'align': source is None, warm_start .*needs patterns and one", {"align.source": None}),
        (r"'align': source is 'pretrain', warm_start \(\); a warm start", {"align.warm_start": ()}),
        ("config.evaluation.missing: missing.rate must lie in .* got 2.0", {
            "evaluation.missing.rates": (2.0,)}),
        ("'finetune': method.base is 'nope', which is no stage of the config", {
            "finetune.method.base": "nope", "rows": ("finetune",)}),
        ("'finetune': method.reads must be one of joint, latents, got 'both'", {
            "finetune.method.reads": "both", "rows": ("finetune",)}),
        ("'finetune': method.base is 'supervised', which learns from labels itself", {
            "finetune.method.base": "supervised", "rows": ("finetune",)}),
        ("'finetune' learns from labels, which is for rows only", {"stages": ("finetune",)}),
        ("no option of stage.stop is called 'evry'.*; there is every, patience, share", {
            "finetune.stop": {"every": 1, "patience": 1, "share": 0.2, "evry": 1}, "rows": ("finetune",)}),
        ("'finetune': stage.stop: every and patience must be 1 or more", {
            "finetune.stop.every": 0, "rows": ("finetune",)}),
        ("'align': stop is for what learns from labels", {
            "align.stop": {"every": 1, "patience": 1, "share": 0.2}}),
        ("'align': pattern 'nothing'.*", {"align.optim.groups": {"nothing": {"lr": 1.0}}}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(refused, match, changes):
    refused(match, changes)


def test_unknown_and_missing_keys_are_named(refused):
    refused("config.chance has the name of a row that is built in: rename it", {},
            edit=lambda c: c.update(chance=c.pretrain))  # fmt: skip
    refused("no option of config is called 'sed' .did you mean 'seed'", {},
            edit=lambda c: c.update(sed=1))  # fmt: skip
    refused("config needs log_every, seed; its options are", {}, edit=lambda c: (
        c.__delitem__("seed"), c.__delitem__("log_every")))  # fmt: skip
    refused(
        "'pretrain': no option of stage is called 'step' .did you mean 'steps'",
        {},
        edit=lambda c: c.pretrain.update(step=1),
    )
    refused(
        "'pretrain': stage needs sampler; its options",
        {},
        edit=lambda c: c.pretrain.__delitem__("sampler"),
    )
    refused("'pretrain': no option of method 'mae' is called 'codes'", {},
            edit=lambda c: c.pretrain.method.update(codes=1))  # fmt: skip
    refused("'pretrain': optim: unknown lrr", {}, edit=lambda c: c.pretrain.optim.update(lrr=1))


def test_a_method_that_takes_every_row_for_a_pair_gets_no_others(refused):
    def edit(config):
        config.align.sampler.unpaired = 0.5
        del config.align["method"]
        config.align.method = {"name": "cmc", "augment": None}

    refused(
        "'align': the method needs pairs, which sampler.kind 'paired' with sampler.unpaired does "
        "not give; it gives sequences, some_pairs",
        {},
        edit=edit,
    )


def test_sensors_that_cannot_be_hidden_so_are_refused(refused):
    hide = lambda stage, **missing: lambda c: c[stage].sampler.update(missing=missing)
    refused(r"'align': missing.rate must lie in \[0, 1\], got 3", {},
            edit=hide("align", kind="independent", rate=3))  # fmt: skip
    refused("'align': no modality of device 'wrist' is called 'gyro'; there is acc, emg", {},
            edit=hide("align", kind="subsets", devices={"wrist": ("gyro",)}))  # fmt: skip
    refused("'pretrain': no option of sampler 'unpaired' is called 'missing'", {},
            edit=hide("pretrain", kind="subsets"))  # fmt: skip
    refused("'finetune_10': missing 'burst' needs duration", {"rows": ("finetune",)},
            edit=hide("finetune", kind="burst", rate=0.1))  # fmt: skip


def test_warm_start_as_one_string_is_not_taken_for_its_letters(refused):
    def edit(config):
        del config.align["warm_start"]
        config.align.warm_start = "sensors"

    refused(
        "'align': warm_start must be a tuple of patterns, got the string 'sensors'", {}, edit=edit
    )


def test_data_that_cannot_be_learnt_or_tested_on_is_refused(refused, dataset):
    train = dataset.split == 0
    label = lambda x: dataclasses.replace(dataset, targets={"label": x})
    refused("has no test window", {}, dataset.select(train))
    refused("all of one class", {}, label(np.where(train, 0, dataset.label)))
    alone = np.where(train & (dataset.group != dataset.group[train][0]), -1, dataset.label)
    refused("needs two with labelled windows, got 1", {"online": 2}, label(alone))


def test_data_of_one_modality_is_refused(refused, dataset):
    alone = dataclasses.replace(dataset, **{
        name: {"acc": getattr(dataset, name)["acc"]} for name in ("inputs", "present")})  # fmt: skip
    refused("'align': alignment needs two modalities or more, got acc", {}, alone)
