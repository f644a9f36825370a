"""Self-supervised baselines on the data and encoders of the other configs.

python -m mmalign.main --config=configs/baselines.py                      # SimCLR, embedded data
python -m mmalign.main --config=configs/baselines.py:cpc
python -m mmalign.main --config=configs/baselines.py:cocoa,uci_har --config.data.dir=FOLDER
python -m mmalign.main --config=configs/baselines.py:smoke                # SimCLR, two steps
python -m mmalign.main --config=configs/baselines.py:gmc,smoke            # GMC, two steps

Label efficiency at CroSSL's shares: `--config.evaluation.fractions="(0.01,0.05,0.1,0.5,1.0)"`.
"""

from ml_collections import config_dict

from mmalign import defaults

DATA = ("synthetic", "uci_har", "sp_sw_har", "npz", "smoke")
_PROJECTOR = dict(hidden=64, out=32)
METHODS = {
    # On the embedded data it stays near the random encoder: phases are random there, and what
    # restores the samples best is linear in them, where no linear probe finds an amplitude.
    "autoencoder": dict(label="Autoencoder", method=dict(augment=None)),
    "cmc": dict(label="CMC", method=dict(projector=_PROJECTOR, loss=dict(temperature=0.2))),
    "cocoa": dict(
        label="COCOA",
        method=dict(projector=_PROJECTOR, loss=dict(temperature=0.5, form="sum")),
    ),
    "cpc": dict(
        label="CPC",
        method=dict(augment=None, pieces=8, horizon=4, context=64, temperature=0.2),
    ),
    "gmc": dict(label="GMC", method=dict(projector=_PROJECTOR, loss=dict(temperature=0.2))),
    "joint_autoencoder": dict(
        label="Joint autoencoder",
        method=dict(augment=None, fusion=(128, 64)),
    ),
    "simclr": dict(label="SimCLR", method=dict(projector=_PROJECTOR, temperature=0.2)),
    "simsiam": dict(label="SimSiam", method=dict(projector=_PROJECTOR, bottleneck=16)),
}


def get_config(arg=""):
    """Config of a run; `arg` is "NAME" or "NAME,DATA", the data "smoke" two steps a stage."""
    name, _, data = ("simclr,smoke" if arg == "smoke" else arg).partition(",")
    name, data = name or "simclr", data or "synthetic"
    for given, known in ((name, tuple(METHODS)), (data, DATA)):
        if given not in known:
            raise ValueError(f"unknown config argument {given!r}, expected one of {known}")
    cfg = config_dict.ConfigDict()
    cfg.seed = 0
    cfg.data = dict(name="synthetic" if data == "smoke" else data)
    cfg.data.dir = config_dict.placeholder(str)  # folder of the original zip
    cfg.data.path = config_dict.placeholder(str)  # your .npz, or a folder of them
    cfg.data.cache_dir = config_dict.placeholder(str)
    cfg.data.folds = config_dict.placeholder(int)  # test on fold `fold` of so many of the subjects
    cfg.data.fold, cfg.data.fold_seed = 0, 0
    cfg.data.folds_of = "all"  # "train": without the test people, to choose settings by
    cfg.data.standardise = "training"  # or "subject": each person's levels and gains are left out
    cfg.data.missing = config_dict.placeholder(config_dict.ConfigDict)
    cfg.data.placement = "device"  # "host": stream batches, for data larger than the device
    cfg.data.options = {}
    cfg.encoder = dict(name="compact", representation="series", patch_s=0.16, width=32, dim=64)
    cfg.augment = dict(
        pool=("scaling", "magnitude_warp", "time_warp", "permutation"),
        probability=0.5,
        per="example",
    )
    block = METHODS[name]
    cfg.stages = ("train",)
    cfg.train = dict(
        label=block["label"],
        method=dict(name=name, **block["method"]),
        view=dict(kind="paired"),
        batch_size=256,
        steps=1000,
        optim=dict(lr=1e-3, warmup_steps=50, weight_decay=0.05, clip_norm=1.0),
    )
    cfg.references = ("supervised",)
    cfg.supervised = dict(
        label="Supervised network",
        method=dict(name="supervised", mix=None),
        batch_size=128,
        steps=250,
        optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0),
    )
    cfg.deep_conv_lstm = dict(  # config.references=("supervised","deep_conv_lstm") trains it too
        label="DeepConvLSTM",
        method=dict(
            name="supervised", mix=None,
            encoder=dict(name="deep_conv_lstm", filters=(16, 16, 16, 16), dim=64),
        ),
        batch_size=128,
        steps=250,
        optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0),
    )  # fmt: skip
    cfg.evaluation = defaults.evaluation()
    cfg.log_every, cfg.checkpoint_every = 50, 200
    cfg.wandb = config_dict.placeholder(config_dict.ConfigDict)
    if data in ("uci_har", "sp_sw_har"):
        # people differ more: wider codes, and turned sensors among the augmentations
        cfg.encoder.update(width=64, dim=256)
        if cfg.train.method.get("augment", cfg.augment):
            cfg.augment.pool = ("rotation", *cfg.augment.pool)
    if data == "smoke":
        cfg.data.options = dict(subjects=8, windows=32, test_subjects=2)
        for stage in (cfg.train, cfg.supervised, cfg.deep_conv_lstm):
            stage.update(steps=2, batch_size=48)
            stage.optim.update(warmup_steps=0)
    return cfg
