"""InfoMAE: masked autoencoders of each sensor, then alignment from few pairs.

python -m mmalign.main --config=configs/infomae.py                        # embedded data
python -m mmalign.main --config=configs/infomae.py:uci_har --config.data.dir=FOLDER
python -m mmalign.main --config=configs/infomae.py:sp_sw_har --config.data.dir=FOLDER
python -m mmalign.main --config=configs/infomae.py:npz --config.data.path=windows.npz
python -m mmalign.main --config=configs/infomae.py:uci_har,swin ...       # the published encoder
python -m mmalign.main --config=configs/infomae.py:smoke                  # two steps
"""

from ml_collections import config_dict

from mmalign import defaults

ARGUMENTS = ("", "uci_har", "sp_sw_har", "npz", "smoke")
_SPECTROGRAM = dict(representation="spectrogram", interval_s=0.32, overlap=0.5)
ENCODERS = {
    "compact": dict(name="compact", representation="series", patch_s=0.16, width=32, dim=64),
    "swin": dict(name="swin", preset="har", **_SPECTROGRAM),
    "deepsense": dict(name="deepsense", preset="har", **_SPECTROGRAM),
}


def get_config(arg=""):
    """Config of a run; `arg` is "DATA" or "DATA,ENCODER", the data "smoke" two steps a stage."""
    arg, _, encoder = arg.partition(",")
    encoder = encoder or "compact"
    for given, known in ((arg, ARGUMENTS), (encoder, tuple(ENCODERS))):
        if given not in known:
            raise ValueError(f"unknown config argument {given!r}, expected one of {known}")
    cfg = config_dict.ConfigDict()
    cfg.seed = 0
    cfg.data = dict(name="synthetic" if arg in ("", "smoke") else arg)
    cfg.data.dir = config_dict.placeholder(str)  # folder of the original zip
    cfg.data.path = config_dict.placeholder(str)  # your .npz, or a folder of them
    cfg.data.cache_dir = config_dict.placeholder(str)
    cfg.data.placement = "device"  # "host": stream batches, for data larger than the device
    cfg.data.options = {}
    cfg.data.folds = config_dict.placeholder(int)  # test on fold `fold` of so many of the subjects
    cfg.data.fold, cfg.data.fold_seed = 0, 0
    cfg.data.folds_of = "all"  # "train": without the test people, to choose settings by
    cfg.data.standardise = "training"  # or "subject": each person's levels and gains are left out
    cfg.data.missing = config_dict.placeholder(config_dict.ConfigDict)
    cfg.encoder = dict(ENCODERS[encoder])
    cfg.augment = dict(
        pool=("scaling", "magnitude_warp", "time_warp", "permutation"),
        probability=0.5,
        per="example",
    )

    cfg.stages = ("pretrain", "align")
    cfg.pretrain = dict(
        label="Unaligned concatenation",
        method=dict(name="mae", augment=None, mask_ratio=0.5, shared=8, private=64),
        view=dict(kind="unpaired"),
        batch_size=256,
        steps=1000,
        optim=dict(lr=2e-3, warmup_steps=50, weight_decay=0.05, clip_norm=1.0),
    )
    alignment = dict(
        method=dict(
            name="infomae", mask_ratio=0.5, shared=8, private=64, form="two_ratio", noise=0.3,
            negatives=4, stem=dict(features=(16, 32), out=64), critic=dict(hidden=64, depth=2),
            temperature=0.5, margin=1.0,
            alpha=1.0, beta=0.02, gamma=0.01, epsilon=0.1, delta=1.0, lam=0.3, eta=0.3,
        ),
        view=dict(kind="paired", fraction=0.1, length=4),
        batch_size=128,
        steps=400,
        optim=dict(
            lr=1e-3, warmup_steps=50, weight_decay=0.05, clip_norm=1.0,
            groups=dict(critics=dict(lr=2e-3, b1=0.5)),
        ),
    )  # fmt: skip
    cfg.align = dict(
        label="InfoMAE",
        source="pretrain",
        warm_start=("sensors/[^/]+/(encoder|shared|private|decoder)",),
        **alignment,
    )
    cfg.references = ("joint_pretrain", "supervised")
    cfg.joint_pretrain = dict(label="Joint pretraining on the pairs", **alignment)
    cfg.supervised = dict(
        label="Supervised network",
        method=dict(name="supervised", mix=None),  # dict(alpha=1.0, cut_probability=0.75) as FOCAL
        batch_size=128,
        steps=250,
        optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0),
    )
    # Not in references, as it takes a while: the aligned network with a head, all of it trained or
    # the head alone, by hidden sensors or not: --config.references="('supervised','finetune')"
    cfg.finetune = dict(
        label="Fine-tuned InfoMAE",
        method=dict(name="classifier", base="align", reads="joint", hidden=128, dropout=0.1),
        source="align",
        warm_start=(r"([^/]+) -> base/\1",),
        view=dict(missing=None),  # dict(kind="subsets") hides a random set of sensors
        batch_size=128,
        steps=250,
        optim=dict(
            lr=1e-3,
            warmup_steps=25,
            weight_decay=0.05,
            clip_norm=1.0,
            freeze=(),
        ),
    )  # freeze=("base",) trains the head alone
    cfg.evaluation = defaults.evaluation()
    cfg.log_every, cfg.checkpoint_every = 50, 200
    cfg.wandb = config_dict.placeholder(config_dict.ConfigDict)
    if arg in ("uci_har", "sp_sw_har"):
        _real(cfg, arg)
    if arg == "smoke":
        _smoke(cfg)
    return cfg


def _real(cfg, name):
    """People differ more: wider codes, longer training, more contrast, gentler critics."""
    if cfg.encoder.name == "compact":
        cfg.encoder.update(width=64, dim=256)
    cfg.augment.pool = ("rotation", "scaling", "magnitude_warp", "time_warp", "permutation")
    for stage in (cfg.pretrain, cfg.align, cfg.joint_pretrain):
        stage.method.update(shared=32, private=128)
    # sp_sw_har has 1,114 training windows in all: 5 % of them would not fill a batch
    fraction, longer = (0.05, 2) if name == "uci_har" else (0.25, 1)
    cfg.pretrain.update(steps=2000 * longer, batch_size=128)
    for stage in (cfg.align, cfg.joint_pretrain):
        stage.view.fraction = fraction
        stage.steps = 400 * longer
        stage.method.update(alpha=0.3, gamma=0.002, epsilon=0.02, lam=1.0, temperature=0.2)


def _smoke(cfg):
    cfg.data.options = dict(subjects=8, windows=32, test_subjects=2)
    for name in (*cfg.stages, *cfg.references, "finetune"):
        cfg[name].update(steps=2, batch_size=48)
        cfg[name].optim.update(warmup_steps=0)
    for stage in (cfg.align, cfg.joint_pretrain):
        stage.view.fraction = 0.5
