"""The experiment on missing sensors: its config, and what its pages are computed from."""

import pytest

from experiments import missing_sensors, orderings, protocol


def run(spatial, random, scratch, rivals, lost=0.1):
    """Results of a seed: macro-F1 of fine-tuned rows; each loses `lost` without a sensor."""
    rows = {
        "CroSSL, spatial masks, fine-tuned": spatial,
        "CroSSL, random masks, fine-tuned": random,
        "From scratch": scratch,
    } | {f"{name}, fine-tuned": f1 for name, f1 in rivals.items()}
    record = {"part": "joint", "protocol": "network", "accuracy": 0.5}
    summary = [
        {"row": row + suffix, "head": "network", "complete": f1, "worst": f1 - 2 * lost,
         "by_count": {"2": f1, "1": f1 - share}}
        for row, f1 in rows.items()
        for suffix, share in (("", lost), (", sensors hidden", lost / 2))
    ]  # fmt: skip
    return {
        "records": [
            record | {"row": row, "fraction": fraction, "macro_f1": f1 * fraction}
            for row, f1 in rows.items()
            for fraction in (0.1, 1.0)
        ],
        "missing": {"summary": summary},
        "data": {"modalities": {"a": {}, "b": {}}},
    }


ROWS = {
    "spatial": "CroSSL, spatial masks, fine-tuned",
    "random": "CroSSL, random masks, fine-tuned",
    "scratch": "From scratch",
    "baselines": ["SimCLR, fine-tuned", "CPC, fine-tuned"],
    "hidden": ", sensors hidden",
}


def test_orderings_are_differences_within_a_seed():
    runs = [
        run(0.80, 0.70, 0.75, {"SimCLR": 0.6, "CPC": 0.7}),
        run(0.70, 0.65, 0.75, {"SimCLR": 0.5, "CPC": 0.6}),
    ]
    found = {(f["claim"].split()[-1], f["condition"]): f for f in orderings.compare(runs, ROWS)}
    assert len(found) == 4 * 4
    mean = found["methods", "100 % labels"]
    assert mean["points"] == pytest.approx([0.15, 0.0]) and mean["verdict"] == "holds"
    assert mean["relative"][0] == pytest.approx((0.15 / 0.65 + 0.15 / 0.55) / 2)
    assert found["them", "100 % labels"]["points"] == pytest.approx([0.1, 0.0])  # CPC
    scratch = found["scratch", "100 % labels"]
    assert scratch["points"] == pytest.approx([0.0, 0.05 * 2**0.5])
    assert (scratch["above"], scratch["verdict"]) == (1, "undecided")
    assert found["scratch", "10 % labels"]["points"][1] == pytest.approx(0.005 * 2**0.5)
    assert found["ones", "sensors missing in both"]["points"] == pytest.approx(
        [0.075, 0.025 * 2**0.5]
    )


def test_missing_sensors_are_the_sets_that_lack_some_and_rows_trained_with_some_hidden():
    worse = run(0.8, 0.8, 0.8, {})
    for s in worse["missing"]["summary"]:
        if "random" in s["row"]:
            s["by_count"] = {"2": 0.1, "1": 0.3 if s["row"].endswith("hidden") else 0.6}
    rows = ROWS | {"baselines": [], "scratch": None}
    found = {f["condition"]: f["points"][0] for f in orderings.compare([worse], rows)}
    assert found["sensors missing in the test"] == pytest.approx(0.7 - 0.6)
    assert found["sensors missing in both"] == pytest.approx(0.75 - 0.3)


def test_what_was_not_trained_is_not_compared():
    one = run(0.8, 0.7, 0.6, {})
    rows = ROWS | {"baselines": [], "random": None}
    claims = {f["claim"] for f in orderings.compare([one], rows)}
    assert claims == {"CroSSL above training from scratch"}
    assert orderings.compare([one], ROWS | {"spatial": None}) == []


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [([0.1, 0.2], "holds"), ([-0.1, -0.2], "reversed"), ([0.1, -0.2], "undecided"),
     ([0.1, 0.0], "undecided"), ([0.1], "one seed")],
)  # fmt: skip
def test_an_ordering_holds_only_if_every_seed_has_it(gain, verdict):
    assert orderings.judge(gain) == verdict


def test_counts_of_sensors_are_averaged_over_seeds_where_all_have_them():
    first, second = run(0.8, 0.7, 0.6, {}), run(0.6, 0.7, 0.6, {}, lost=0.2)
    del second["missing"]["summary"][2]
    found = {(c["row"], c["sensors"]): c["macro_f1"] for c in missing_sensors.by_count(
        [first, second])}  # fmt: skip
    assert found[ROWS["spatial"], "1"] == pytest.approx([0.55, 0.15 * 2**0.5])
    assert found[ROWS["spatial"], "worst"][0] == pytest.approx((0.6 + 0.2) / 2)
    gone = first["missing"]["summary"][2]["row"]
    assert (gone, "1") not in found and len(found) == 5 * 3


def test_a_seed_is_another_fold_and_pretrainings_are_shared():
    configs = [missing_sensors.experiment("ipol_gait", seed) for seed in (1, 6)]
    assert [c.data.fold for c in configs] == [1, 1] and configs[0].data.folds == 5
    config = configs[0]
    assert config.stages == ("simclr", "cocoa", "cpc", "random", "spatial")
    untrained = len(protocol.UNTRAINED)
    assert config.rows[:untrained] == protocol.UNTRAINED
    assert config.rows[-5:] == config.stages
    heads = config.rows[untrained:-5]
    sources = [config[name].get("source") for name in heads]
    assert [sources.count(name) for name in config.stages] == [2] * 5
    assert sources.count(None) == 2  # from scratch
    steps = {config[name].steps for name in config.stages}
    assert len(steps) == 1 and len({config[name].steps for name in heads}) == 1
    hidden = [name for name in heads if config[name].sampler.get("missing")]
    assert len(hidden) == 6 and all(config[name].sampler.fraction == 1.0 for name in hidden)


def test_unknown_strategies_are_refused_by_name():
    with pytest.raises(ValueError, match=r"strategies must be of spatial, .* got 'sptial'"):
        missing_sensors.experiment("synthetic", 0, strategies=("sptial",))
    with pytest.raises(ValueError, match=r"baselines must be of simclr, .* got 'byol'"):
        missing_sensors.experiment("synthetic", 0, baselines=("byol",))


def test_devices_are_made_of_sensors_of_the_data():
    assert {m for names in protocol.DEVICES["ipol_gait"].values() for m in names} == {
        f"{place}_{kind}" for place in protocol.PLACES for kind in protocol.KINDS
    }
