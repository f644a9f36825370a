"""CroSSL: latents of all sensors, two masked views of them, VICReg between the views.

python -m mmalign.main --config=configs/crossl.py                        # embedded data
python -m mmalign.main --config=configs/crossl.py:uci_har --config.data.dir=FOLDER
python -m mmalign.main --config=configs/crossl.py:npz --config.data.path=windows.npz
python -m mmalign.main --config=configs/crossl.py:pamap2,released ...    # preset; or paper
python -m mmalign.main --config=configs/crossl.py:smoke                  # two steps

The first command takes two to three minutes on two CPU cores and gives about 82 % accuracy with 1 %
of the labels (random encoder 37, supervised network 63), 91 % with all of them (47, 90).

Real data: uci_har, stress_predict, ipol_gait, pamap2, wesad. Options of the method that are None
here are those of its preset; `--config.crossl.method.mask.keep_prob=0.5` changes one.
Label efficiency at CroSSL's shares: `--config.evaluation.fractions="(0.01,0.05,0.1,0.5,1.0)"`.
Half of a person's sensors missing: `--config.evaluation.missing.patterns="('subject',)"`.
"""

import functools

from ml_collections import config_dict

from mmalign import defaults

REAL = ("uci_har", "stress_predict", "ipol_gait", "pamap2", "wesad")
ARGUMENTS = ("", *REAL, "npz", "smoke")
PRESETS = ("fixed", "paper", "released")


def get_config(arg=""):
    """Config of a run; `arg` is "DATA" or "DATA,PRESET", the data "smoke" two steps a stage."""
    arg, _, preset = arg.partition(",")
    preset = preset or "fixed"
    for given, known in ((arg, ARGUMENTS), (preset, PRESETS)):
        if given not in known:
            raise ValueError(f"unknown config argument {given!r}, expected one of {known}")
    cfg = config_dict.ConfigDict()
    cfg.seed = 0
    cfg.data = dict(name="synthetic" if arg in ("", "smoke") else arg)
    cfg.data.dir = config_dict.placeholder(str)  # folder of the original zip
    cfg.data.path = config_dict.placeholder(str)  # your .npz, or a folder of them
    cfg.data.cache_dir = config_dict.placeholder(str)
    cfg.data.folds = config_dict.placeholder(int)  # test on fold `fold` of so many of the subjects
    cfg.data.fold, cfg.data.fold_seed = 0, 0
    cfg.data.folds_of = "all"  # "train": without the test people, to choose settings by
    # levels of skin conductance and temperature tell people apart and not what they do
    cfg.data.standardise = "subject" if arg == "stress_predict" else "training"
    cfg.data.missing = config_dict.placeholder(config_dict.ConfigDict)
    cfg.data.placement = "device"  # "host": stream batches, for data larger than the device
    cfg.data.options = {}
    # strides: a seventh of the published encoder's cost; the parameters are the same
    cfg.encoder = dict(name="conv", preset="crossl", strides=(2, 2, 2))
    cfg.augment = dict(
        pool=("scaling", "magnitude_warp", "time_warp", "permutation"),
        probability=0.5,
        per="example",
    )  # of the supervised network; CroSSL has none

    cfg.stages = ("crossl",)
    cfg.crossl = dict(
        label="CroSSL",
        method=dict(name="crossl", augment=None, preset=preset, **_options()),
        view=dict(kind="paired"),
        batch_size=256,
        steps=400,
        optim=dict(lr=2e-3, warmup_steps=50, clip_norm=1.0),
    )
    cfg.references = ("supervised",)
    cfg.supervised = dict(
        label="Supervised network",
        method=dict(name="supervised", mix=None),
        batch_size=128,
        steps=250,
        optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0),
    )
    # Not in references, as it takes a while: the aligned network with a head, all of it trained or
    # the head alone: --config.references="('supervised','finetune','frozen')"
    for name, label, freeze in (
        ("finetune", "Fine-tuned CroSSL", ()),
        ("frozen", "Frozen CroSSL", ("base",)),
    ):
        cfg[name] = dict(
            label=label,
            method=dict(name="classifier", base="crossl", reads="joint", hidden=128, dropout=0.1),
            source="crossl",
            warm_start=(r"([^/]+) -> base/\1",),
            view=dict(missing=None),  # dict(kind="subsets") hides a random set of sensors
            batch_size=128,
            steps=250,
            optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0, freeze=freeze),
        )
    cfg.evaluation = defaults.evaluation()
    cfg.log_every, cfg.checkpoint_every = 50, 200
    cfg.wandb = config_dict.placeholder(config_dict.ConfigDict)
    if preset == "released":
        cfg.crossl.batch_size = 8
        cfg.crossl.optim = dict(lr=1e-4, warmup_steps=0, floor=1.0, eps=1e-7)
    if arg == "smoke":
        _smoke(cfg)
    return cfg


def _options():
    """Everything that can be changed of a preset, as it is there."""
    # one placeholder for each, as fields that share one change together
    text, number, whole, flag, names = (
        functools.partial(config_dict.placeholder, kind) for kind in (str, float, int, bool, tuple)
    )
    return dict(
        mask=dict(
            strategy=text(), keep_prob=number(), k=whole(), min_keep=whole(), rescale=text(),
            fill=text(), groups=names(), pairing=text(), time_keep_prob=number(),
            block_s=number(), synchronous=flag(), anneal=number(),
        ),
        loss=dict(
            name=text(), invariance=number(), variance=number(), covariance=number(),
            gamma=number(), eps=number(), unbiased=flag(), temperature=number(),
        ),
        aggregator=dict(name=text(), hidden=names(), out=whole(), final_norm=text()),
        complete_variance=number(), pattern_centring=flag(), expander=names(),
        head_input=text(), encoder_init=text(), encoder_dropout=flag(), kernel_l2=number(),
    )  # fmt: skip


def _smoke(cfg):
    cfg.data.options = dict(subjects=8, windows=32, test_subjects=2)
    for name in (*cfg.stages, *cfg.references, "finetune", "frozen"):
        cfg[name].update(steps=2, batch_size=48)
        cfg[name].optim.update(warmup_steps=0)
