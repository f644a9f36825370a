"""What the experiments with CroSSL share: people held out, one encoder for all, equal trainings."""

import argparse
import pathlib

import mmalign
from mmalign.configs.baselines import METHODS
from mmalign.configs.crossl import get_config
from mmalign.run_checks import BUILT_IN

DATA = ("stress_predict", "ipol_gait", "synthetic")
STRATEGIES = ("spatial", "random", "feature_shared")
BASELINES = ("simclr", "cocoa", "cpc")
UNTRAINED = tuple(BUILT_IN)  # the first rows of every table
# 35 and 19 people are few: their differences outweigh those of initial weights, so that each seed
# tests on another fifth of them.
FOLDS = 5
FRACTIONS = (0.1, 1.0)
STEPS, TUNING_STEPS = 200, 150
LR = 1e-3  # of all but CroSSL
BATCH, TUNING_BATCH = 128, 64
# Strides set the cost alone, not the parameters: about the same number of steps for fast and slow
# sensors, which two cores train in minutes.
ENCODER = {
    "stress_predict": {
        "per_modality": {"bvp": {"strides": (4, 4, 2)}, "acc": {"strides": (4, 4, 2)}}
    },
    "ipol_gait": {"strides": (4, 2, 2)},
    "synthetic": {},
}
PLACES, KINDS = ("back", "left_foot", "right_foot"), ("acc", "gyro", "mag")
DEVICES = {"ipol_gait": {place: tuple(f"{place}_{kind}" for kind in KINDS) for place in PLACES}}


def arguments(doc, data=DATA, runs="seeds", each="each tests on a fifth of the people"):
    """The flags that the experiments share; `runs` is that of the numbers of their runs."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=data, required=True)
    parser.add_argument("--dir", help="folder with the original file; downloaded if not given")
    parser.add_argument(f"--{runs}", default="0,1,2", help=each)
    parser.add_argument("--workdir", default="runs/experiments")
    return parser


def artifacts(args):
    """Folder of what all experiments in a workdir train: each training is done once."""
    return pathlib.Path(args.workdir, "artifacts")


def run_seeds(args, name, configured):
    """[(results, folder)] of each seed of the flags; `configured(seed)` is its config."""
    out = []
    for seed in map(int, args.seeds.split(",")):
        folder = pathlib.Path(args.workdir, f"{name}-{seed}")
        out.append((mmalign.run(configured(seed), folder, artifacts=artifacts(args)), folder))
    return out


def base(data, seed, dir=None):
    """Config of a run without stages and rows: data, fold, encoder and evaluation."""
    config = get_config(data)
    config.seed = seed
    config.data.update(dir=dir, folds=FOLDS, fold=seed % FOLDS)
    config.encoder = {"name": "conv", "preset": "crossl", "strides": (2, 2, 2), **ENCODER[data]}
    config.stages = config.rows = ()
    config.evaluation = dict(
        fractions=FRACTIONS,
        missing=dict(
            heads=("trained on complete",), devices=DEVICES.get(data, {}), patterns=(),
            references=True,
        ),
    )  # fmt: skip
    config.checkpoint_every = STEPS
    return config


def scaling(config):
    """How channels are standardised, for the page."""
    whose = {"subject": "each person's own", "training": "the training people's"}
    return f"Channels are standardised by {whose[config['data']['standardise']]} statistics"


def crossl(config, label, **changes):
    """Block of a CroSSL pretraining; `changes` of its method, as configs/crossl.py names them."""
    block = config.crossl.to_dict()
    return _pretraining(label, block["method"] | {"head_input": "global"} | changes, block["optim"])


def baseline(config, name):
    """Block of a pretraining by a method of configs/baselines.py, on the same encoder."""
    made = METHODS[name]
    optim = config.supervised.optim.to_dict() | {"lr": LR}
    return _pretraining(made["label"], {"name": name, **made["method"]}, optim)


def classifier(config, label, stage, *, trained=True, hidden=False, fraction=None):
    """Block of a head on the embedding of a stage, all of which is trained.

    Args:
      config: of the run.
      label: row of the tables.
      stage: name of the block whose method it is on.
      trained: whether that stage's parameters are where it starts, or random ones.
      hidden: whether a random set of sensors is hidden from each window of each step.
      fraction: share of the labels; None, each of the evaluation's.
    """
    sampler = {"missing": {"kind": "subsets"}} if hidden else {}
    start = {"source": stage, "warm_start": (r"([^/]+) -> base/\1",)} if trained else {}
    return dict(
        label=label,
        method=dict(
            name="classifier", base=stage, reads="joint", hidden=(128,), dropout=0.1, augment=None
        ),
        sampler=sampler if fraction is None else sampler | {"fraction": fraction},
        batch_size=TUNING_BATCH,
        steps=TUNING_STEPS,
        optim=config.supervised.optim.to_dict() | {"lr": LR, "warmup_steps": TUNING_STEPS // 10},
        **start,
    )


def _pretraining(label, method, optim):
    return dict(
        label=label,
        method=method,
        sampler=dict(kind="paired"),
        batch_size=BATCH,
        steps=STEPS,
        optim=optim | {"warmup_steps": STEPS // 10},
    )
