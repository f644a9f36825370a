"""Every data set goes with every config: planned with windows of its sensors, rates and lengths."""

import itertools

import numpy as np
import pytest

from mmalign import grid, plan
from mmalign.configs import baselines, comm, common, compare, crossl, infomae, mmbind
from mmalign.data import catalogue, dataset

CONFIGS = {"infomae": infomae, "crossl": crossl, "baselines": baselines, "comm": comm,
           "compare": compare, "mmbind": mmbind}  # fmt: skip
PEOPLE, WINDOWS = 20, 12  # of each of them


def _placed(places, sensors, steps, rate_hz):
    """Streams of sensors at places, all alike."""
    return {f"{p}_{s}": (steps, 3, rate_hz) for p in places for s in sensors}


# modality: (steps, channels, Hz), as readers have them by default
SERIES = {
    "uci_har": dict.fromkeys(("acc", "gyro"), (128, 3, 50.0)),
    "sp_sw_har": _placed(("phone", "watch"), ("acc", "gyro"), 128, 50.0),
    "stress_predict": {"bvp": (640, 1, 64.0), "eda": (40, 1, 4.0), "temp": (40, 1, 4.0),
                       "acc": (320, 3, 32.0)},
    "ipol_gait": _placed(("back", "left_foot", "right_foot"), ("acc", "gyro", "mag"), 128, 100.0),
    "emg_imu_lis": {m: (400, size, 200.0) for m, size in
                    (("emg", 8), ("acc", 3), ("gyro", 3), ("orientation", 4))},
    "pamap2": _placed(("hand", "ankle", "chest"), ("acc", "gyro"), 512, 100.0),
    "wesad": dict.fromkeys(("ecg", "emg", "eda"), (1000, 1, 100.0)),
    "multibench": {m: (20, size, None) for m, size in (("vision", 35), ("text", 300))},
}  # fmt: skip
SERIES["e4"] = SERIES["stress_predict"]
for _name in ("npz", "arrays", "unimts", "recordings", "union"):
    SERIES[_name] = {"acc": (128, 3, 50.0), "gyro": (128, 3, 50.0), "ecg": (256, 1, 100.0)}
GRAVITY = {"gravity": (128, 3, 50.0), "movement": (128, 3, 50.0), "gyro": (128, 3, 50.0)}


def stand_in(name, config):
    """A small Dataset with the sensors of one; synthetic and trifeature are made as they are."""
    if name in ("synthetic", "trifeature"):
        small = {"synthetic": dict(subjects=10, windows=24, test_subjects=2),
                 "trifeature": dict(size=16, pairs=96, test_pairs=48)}[name]  # fmt: skip
        return catalogue.read({"name": name, "options": {**config.data.options, **small}})
    series = GRAVITY if config.data.options.get("gravity") else SERIES[name]
    rng, n = np.random.default_rng(0), PEOPLE * WINDOWS
    person = np.arange(n, dtype=np.int32) // WINDOWS
    known = name not in mmbind.UNFIT
    return dataset.check(dataset.Dataset(
        inputs={m: rng.standard_normal((n, *of[:2])).astype(np.float32) for m, of in series.items()},
        present=dict.fromkeys(series, np.ones(n, bool)),
        targets={"label": (np.arange(n) % 2).astype(np.int32)},
        group=person if known else np.full(n, -1, np.int32),
        split=np.where(person < PEOPLE - 5, dataset.TRAIN, dataset.TEST).astype(np.int8),
        recording=person,
        position=np.arange(n, dtype=np.int32) % WINDOWS,
        description=dataset.Description(
            name=name, rate_hz={m: of[2] for m, of in series.items() if of[2]},
            unit=dict.fromkeys(series, ""), channels=dict.fromkeys(series, ()),
            class_names=("a", "b"),
            kind={m: "series" if of[2] else "sequence" for m, of in series.items()},
        ),
    ))  # fmt: skip


def said(config):
    """Who has what, where a config wants it said."""
    who = {"first": ("acc", "ecg"), "second": ("acc", "gyro"), "labelled": ("ecg", "gyro")}
    if "parties" in config.data and not config.data.test_modalities:
        config.data.test_modalities = who["labelled"]
        config.dcm.method.anchor = "acc"
        for name, modalities in who.items():
            config.data.parties[name].modalities = modalities


def test_there_is_a_stand_in_for_every_data_set():
    assert {"synthetic", "trifeature", *SERIES} == set(common.DATA) == set(catalogue.SOURCES)


DEALT = [data for data in common.DATA if data not in mmbind.UNFIT]
# each data set by one of the configs that do alike with it; mmbind deals each out in its own way
PAIRS = [*zip(itertools.cycle(name for name in CONFIGS if name != "mmbind"), common.DATA),
         *(("mmbind", data) for data in DEALT)]  # fmt: skip


@pytest.mark.parametrize("data", common.DATA)
def test_every_config_can_be_asked_for_every_data_set(data):
    for name, module in CONFIGS.items():
        if name != "mmbind" or data in DEALT:
            assert module.get_config(f"data={data},smoke").data.name == data


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), PAIRS)
def test_it_fits_every_training(name, data, monkeypatch):
    config = CONFIGS[name].get_config(f"data={data},smoke")
    said(config)
    config.encoder.update(depth=1, hidden=8)
    config.rows = ()  # the references are in other tests
    if name == "compare":
        config.compare.methods = ("simclr",)  # others are in the configs above
        config = grid.run_of(config, grid.cells(config.compare.to_dict())[0], sensors=True)
    made = stand_in(data, config)
    monkeypatch.setattr(catalogue, "read", lambda config: made)
    planned = plan.plan(config, catalogue.load(config.data))
    assert planned.stages and planned.rows[-1].stage is not None
