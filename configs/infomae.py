"""InfoMAE: masked autoencoders of each sensor, then alignment from few pairs.

python -m mmalign.main --config=configs/infomae.py                        # embedded data
python -m mmalign.main --config=configs/infomae.py:uci_har --config.data.dir=FOLDER
python -m mmalign.main --config=configs/infomae.py:sp_sw_har --config.data.dir=FOLDER
python -m mmalign.main --config=configs/infomae.py:npz --config.data.path=windows.npz
python -m mmalign.main --config=configs/infomae.py:smoke                  # two steps
"""

from ml_collections import config_dict

ARGUMENTS = ("", "uci_har", "sp_sw_har", "npz", "smoke")


def get_config(arg=""):
    """Config of a run; `arg` picks the data set, "smoke" a run of two steps a stage."""
    if arg not in ARGUMENTS:
        raise ValueError(f"unknown config argument {arg!r}, expected one of {ARGUMENTS}")
    smoke = arg == "smoke"
    cfg = config_dict.ConfigDict()
    cfg.seed = 0
    cfg.data = dict(name=arg if arg in ("uci_har", "sp_sw_har", "npz") else "synthetic")
    cfg.data.dir = config_dict.placeholder(str)  # folder of the original zip
    cfg.data.path = config_dict.placeholder(str)  # the user's .npz, or a folder of them
    cfg.data.cache_dir = config_dict.placeholder(str)
    cfg.data.placement = "device"  # "host": stream batches, for data larger than the device
    cfg.data.options = {}
    cfg.encoder = dict(name="compact", representation="series", patch_s=0.16, width=32, depth=3,
                       dim=128)  # fmt: skip
    cfg.augment = dict(pool=("scaling", "magnitude_warp", "time_warp", "permutation"),
                       probability=0.5, per="batch")  # fmt: skip

    cfg.stages = ("pretrain", "align")
    cfg.pretrain = dict(
        label="Unaligned concatenation",
        method=dict(name="mae", augment=None, mask_ratio=0.5, code=64),
        view=dict(kind="unpaired"),
        batch_size=256,
        steps=1500,
        optim=dict(lr=2e-3, warmup_steps=50, weight_decay=0.05, clip_norm=1.0),
    )
    align = dict(
        method=dict(
            name="infomae", mask_ratio=0.5, code=64, form="two_ratio", noise=0.3, negatives=4,
            stem=dict(features=(16, 32), out=64), critic=dict(hidden=128, depth=2),
            temperature=0.2, margin=1.0,
            alpha=1.0, beta=0.02, gamma=0.01, epsilon=0.1, delta=1.0, lam=1.0, eta=1.0,
        ),
        view=dict(kind="paired", fraction=0.05, length=4),
        batch_size=128,
        steps=400,
        optim=dict(lr=5e-4, warmup_steps=50, weight_decay=0.05, clip_norm=1.0,
                   groups=dict(critics=dict(lr=2e-3, b1=0.5))),
    )  # fmt: skip
    cfg.align = dict(
        label="InfoMAE", source="pretrain",
        warm_start=("sensors/[^/]+/(encoder|shared|private|decoder)",), **align,
    )  # fmt: skip
    cfg.references = ("joint_pretrain", "supervised")
    cfg.joint_pretrain = dict(label="Joint pretraining on the pairs", **align)
    cfg.supervised = dict(
        label="Supervised network",
        method=dict(name="supervised"),
        batch_size=128,
        steps=250,
        optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0),
    )
    cfg.evaluation = dict(fractions=(0.01, 0.1, 1.0))
    cfg.log_every, cfg.checkpoint_every = 50, 200
    cfg.wandb = config_dict.placeholder(config_dict.ConfigDict)
    if smoke:
        cfg.data.options = dict(subjects=8, windows=32, test_subjects=2)
        for name in (*cfg.stages, *cfg.references):
            cfg[name].update(steps=2, batch_size=48)
            cfg[name].optim.update(warmup_steps=0)
        cfg.align.view.fraction = cfg.joint_pretrain.view.fraction = 0.5
    return cfg
