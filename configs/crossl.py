"""CroSSL: latents of all sensors, two masked views of them, VICReg between the views.

python -m mmalign --config=crossl                                 # embedded data
python -m mmalign --config=crossl:uci_har --config.data.dir=FOLDER
python -m mmalign --config=crossl:npz --config.data.path=windows.npz
python -m mmalign --config=crossl:pamap2,released ...             # preset; or paper
python -m mmalign --config=crossl:smoke                           # two steps

Data: those of `common.DATA`. The presets `paper` and `released` come with the published encoder.
A probe reads the latents side by side, as that of the released code does; z by
`--config.crossl.method.head_input=global`. Options of the method that are None here are those of
its preset; `--config.crossl.method.mask.keep_prob=0.5` changes one.
Label efficiency at CroSSL's shares: `--config.evaluation.fractions="(0.01,0.05,0.1,0.5,1.0)"`.
Half of a person's sensors missing: `--config.evaluation.missing.patterns="('subject',)"`.
The aligned network with a head, all of it trained or the head alone, takes a while and is a row on
demand: `--config.rows="('chance','supervised','finetune','frozen','crossl')"`.
"""

import functools

from ml_collections import config_dict

from mmalign.configs import common

PRESETS = ("fixed", "paper", "released")


def get_config(arg=""):
    """Config of a run; `arg` names a data set and a preset, see `common.arguments`."""
    data, preset, smoke = common.arguments(arg, data=common.DATA, preset=PRESETS)
    cfg = common.config(data)  # its `augment` is the supervised network's; CroSSL has none
    if preset != "fixed":
        # strides: a seventh of the published encoder's cost; the parameters are the same
        cfg.encoder = dict(name="conv", preset="crossl", strides=(2, 2, 2))
    cfg.stages = ("crossl",)
    cfg.rows = (*common.REFERENCES, "crossl")
    cfg.crossl = common.training(
        "CroSSL",
        2e-3,
        method=dict(name="crossl", augment=None, preset=preset, **_options()),
        sampler=dict(kind="paired"),
    )
    cfg.finetune = common.head("Fine-tuned CroSSL", "crossl")
    cfg.frozen = common.head("Frozen CroSSL", "crossl", freeze=("base",))
    if preset == "released":
        cfg.crossl.batch_size = 8
        cfg.crossl.optim = dict(lr=1e-4, warmup_steps=0, floor=1.0, eps=1e-7)
    if smoke:
        common.smoke(cfg)
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
