"""The configs: what their arguments choose, which data they take, where they are found."""

import json
import pathlib
import sys

import pytest
from ml_collections import config_dict, config_flags

from mmalign import main
from mmalign.configs import baselines, comm, common, compare, crossl, infomae, mmbind
from mmalign.data import catalogue
from mmalign.run_checks import BUILT_IN

ROOT = pathlib.Path(__file__).parents[1]
CONFIGS = {"infomae": infomae, "crossl": crossl, "comm": comm, "baselines": baselines,
           "compare": compare}  # fmt: skip
every_config = pytest.mark.parametrize("module", CONFIGS.values(), ids=CONFIGS)


def blocks(config):
    """{name: block} of the trainings."""
    return {name: block for name, block in config.items() if hasattr(block, "method")}


@pytest.fixture
def parsed(monkeypatch):
    """Config of a command line: (value of --config, *other flags) -> ConfigDict."""

    def parse(value, *flags):
        monkeypatch.setattr(sys, "argv", ["mmalign", f"--config={value}", *flags])
        values = main.flags.FlagValues()
        config_flags.DEFINE_config_file("config", flag_values=values)
        values["config"].parser = main._Parser()
        values(sys.argv)
        return values.config

    return parse


def test_words_of_an_argument_come_in_any_order_by_name_or_by_kind():
    kinds = {"data": ("synthetic", "npz"), "encoder": ("compact", "swin")}
    read = lambda arg: common.arguments(arg, **kinds)
    assert read("") == read(",") == ("synthetic", "compact", False)
    assert read("npz,swin") == read("swin, npz") == read("encoder=swin,data=npz")
    assert read("smoke,npz") == ("npz", "compact", True)
    assert read("data=package.module:load") == ("package.module:load", "compact", False)


@pytest.mark.parametrize(
    ("arg", "error"),
    [
        ("nope", "unknown config argument 'nope'; there is data: a, b; encoder: c, d, b; smoke"),
        ("data=c", "unknown config argument 'data=c'; there is data: a, b; encoder"),
        ("method=x.y:z", "unknown config argument 'method=x.y:z'; there is data"),
        ("encoder=x.y:z", "unknown config argument 'encoder=x.y:z'; there is data"),
        ("c,smoke,d", "config argument 'd': encoder is 'c' already"),
        ("b", "config argument 'b' is of data and encoder: write kind=name"),
    ],
)
def test_an_argument_that_is_not_understood_is_told_what_there_is(arg, error):
    with pytest.raises(ValueError, match=f"^{error}"):
        common.arguments(arg, data=("a", "b"), encoder=("c", "d", "b"))


def test_no_word_of_a_config_is_of_two_kinds():
    for more in (infomae.ENCODERS, crossl.PRESETS, tuple(baselines.METHODS)):
        words = (*common.DATA, *more, common.SMOKE)
        assert len(set(words)) == len(words)


@every_config
def test_every_config_takes_every_data_set_of_the_catalogue_and_a_function(module):
    assert set(common.DATA) == set(catalogue.SOURCES)
    for data in (*common.DATA, "my.windows:load"):
        config = module.get_config(f"data={data}")
        assert config.data.name == data
        # people's levels say nothing of stress
        assert config.data.standardise == ("subject" if data == "stress_predict" else "training")
        short = module.get_config(f"data={data},smoke")
        assert {block.steps for block in blocks(short).values()} == {2}
        own = data == "synthetic" or (module is comm and data == "trifeature")
        assert (short.data.options == config.data.options) != own


def test_mmbind_takes_what_has_people_and_three_sensors_and_says_why_not_else():
    assert {*mmbind.SENSORS, *mmbind.UNFIT} == {*common.DATA, "cross_dataset"}
    for data, why in mmbind.UNFIT.items():
        with pytest.raises(ValueError, match=f"'{data}' does not fit: {why}; there is synthetic"):
            mmbind.get_config(data)
    for data in mmbind.SENSORS:
        named = "union" if data == "cross_dataset" else data
        assert mmbind.get_config(f"{data},smoke").data.name == named


@pytest.mark.parametrize(
    ("arg", "there"),
    [("sp_sw_har,shared=eda", "for sp_sw_har there is usual, phone_acc, phone_gyro, watch_acc; "),
     ("npz,shared=acc", "for npz there is usual; config.data.parties says who has what"),
     ("cross_dataset,watch_acc", "for cross_dataset there is usual; ")],
)  # fmt: skip
def test_mmbind_shares_one_of_the_three_sensors(arg, there):
    with pytest.raises(ValueError, match=there):
        mmbind.get_config(arg)


@every_config
def test_its_rows_are_blocks_or_need_no_training_and_end_with_the_method(module):
    config = module.get_config("uci_har")
    assert config.rows[: len(BUILT_IN)] == tuple(BUILT_IN)
    assert set(config.rows) - set(BUILT_IN) <= set(blocks(config))
    assert not config.stages or config.rows[-len(config.stages) :] == config.stages
    assert "references" not in config and not any("view" in b for b in blocks(config).values())


@every_config
def test_all_data_take_the_same_settings_but_for_the_embedded(module):
    def settings(data):
        config = module.get_config(data).to_dict()
        return {key: value for key, value in config.items() if key != "data"}

    for data in common.DATA:
        own = data == "synthetic" or (module is comm and data == "trifeature")
        alike = not own or module is compare
        assert (settings(data) == settings("npz")) == alike


def test_one_encoder_and_one_supervised_network_are_in_every_config():
    made = [module.get_config("npz") for module in (infomae, crossl, comm, baselines)]
    for key in ("encoder", "augment", "supervised", "evaluation", "budget"):
        first, *others = (config[key] for config in made)
        assert all(other == first for other in others), key


def test_a_baseline_may_be_a_function_of_the_user_s():
    config = baselines.get_config("method=my.method:create,uci_har")
    assert config.train.method.to_dict() == {"name": "my.method:create"}
    assert config.train.label == "my.method:create" and config.data.name == "uci_har"


def test_heads_train_all_or_the_head_alone_of_what_a_stage_trained():
    config = crossl.get_config()
    assert (config.finetune.optim.freeze, config.frozen.optim.freeze) == ((), ("base",))
    for head in (config.finetune, config.frozen, infomae.get_config().finetune):
        assert head.source == head.method.base and not head.sampler.missing


@every_config
def test_missing_sensors_and_wandb_are_off_and_set_by_a_dict(module):
    config = module.get_config("npz").lock()
    assert not config.wandb and not config.data.missing and not config.data.options
    config.data.missing = {"kind": "burst", "rate": 0.3}
    config.wandb = {"project": "x"}
    assert config.data.missing.kind == "burst" and config.wandb.to_dict() == {"project": "x"}
    config.data.missing = {}
    assert not config.data.missing


def test_flags_add_keys_to_open_blocks(parsed):
    config = parsed(
        "crossl", "--config.wandb.project=x", "--config.wandb.tags=['a','b']",
        "--config.data.missing.kind=burst", "--config.data.missing.rate=0.3",
        "--config.data.options.subjects=12", "--config.finetune.sampler.missing.kind=subsets",
        "--config.evaluation.missing.devices.wrist=('acc',)",
        "--config.frozen.sampler.missing.rate.ecg=1",
    )  # fmt: skip
    assert config.wandb.to_dict() == {"project": "x", "tags": ["a", "b"]}
    assert config.data.missing.to_dict() == {"kind": "burst", "rate": 0.3}
    assert config.data.options.subjects == 12
    assert config.evaluation.missing.devices.wrist == ("acc",)
    assert config.finetune.sampler.missing.to_dict() == {"kind": "subsets"}
    assert config.frozen.sampler.missing.to_dict() == {"rate": {"ecg": 1}}
    assert config.is_locked and json.loads(config.to_json())["data"]["missing"]["rate"] == 0.3
    whole = parsed("crossl", "--config.data.missing={'kind': 'subject', 'rate': {'ecg': 0.5}}")
    assert whole.data.missing.to_dict() == {"kind": "subject", "rate": {"ecg": 0.5}}


def test_other_blocks_take_no_new_keys(parsed):
    for key in ("data.nope", "crossl.method.nope", "missing.kind", "seed.missing"):
        with pytest.raises((AttributeError, KeyError)):
            parsed("crossl", f"--config.{key}=1")


def test_a_config_is_found_by_name_and_by_path_wherever_one_is(parsed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    want = infomae.get_config("uci_har").lock()
    for value in ("infomae", "configs/infomae.py", ROOT / "configs" / "infomae.py"):
        assert parsed(f"{value}:uci_har").to_json() == want.to_json()
    pathlib.Path("mine.py").write_text(
        "from mmalign.configs import common\n"
        "def get_config(seed=0):\n"
        "    config = common.config('npz')\n"
        "    config.seed = int(seed)\n"
        "    return config\n"
    )
    assert (parsed("mine.py").seed, parsed("mine.py:3").seed) == (0, 3)
    assert parsed(tmp_path / "mine.py").data.name == "npz"


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("infomea", r"no config is called 'infomea' \(did you mean 'infomae'\?\); there is bas"),
        (
            "common",
            r"'common' \(did you mean 'comm'\?\); there is baselines, comm, compare, crossl",
        ),
        (
            "configs/nope.py",
            "no config is called 'nope'; there is baselines, comm, compare, crossl, infomae",
        ),
        (
            "nope.py",
            "there is no file nope.py; by name there is baselines, comm, compare, crossl, infomae",
        ),
        ("empty.py", "empty.py has no function get_config"),
        ("none.py", "get_config of none.py must return a ConfigDict, got NoneType"),
    ],
)
def test_a_config_that_is_not_there_is_told_which_there_are(
    parsed, value, error, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("empty.py").touch()
    pathlib.Path("none.py").write_text("def get_config(): pass\n")
    with pytest.raises(main.flags.IllegalFlagValueError, match=error):
        parsed(value)


def test_the_package_reads_the_one_folder_of_configs():
    assert pathlib.Path(infomae.__file__) == ROOT / "configs" / "infomae.py"
    assert main._names() == {*CONFIGS, "mmbind"}
    assert isinstance(common.config("npz"), config_dict.ConfigDict)
