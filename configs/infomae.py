"""InfoMAE: masked autoencoders of each sensor, then alignment from few pairs.

python -m mmalign --config=infomae                                # embedded data
python -m mmalign --config=infomae:uci_har --config.data.dir=FOLDER
python -m mmalign --config=infomae:npz --config.data.path=windows.npz
python -m mmalign --config=infomae:uci_har,swin ...               # the published encoder
python -m mmalign --config=infomae:smoke                          # two steps

Data: those of `common.DATA`; encoders: compact, swin, deepsense.
A head on the aligned network, all of it trained, takes a while and is a row on demand:
`--config.rows="('chance','supervised','finetune','align')"`.
"""

from ml_collections import config_dict

from mmalign.configs import common

ENCODERS = ("compact", "swin", "deepsense")
INTERVALS_S = {"emg_imu_lis": 0.4, "wesad": 0.4}  # of spectrograms: 0.32 does not divide windows


def get_config(arg=""):
    """Config of a run; `arg` names a data set and an encoder, see `common.arguments`."""
    data, encoder, smoke = common.arguments(arg, data=common.DATA, encoder=ENCODERS)
    cfg = common.config(data)
    if encoder != "compact":
        cfg.encoder = _published(encoder, data)
    cfg.stages = ("pretrain", "align")
    cfg.rows = (*common.REFERENCES, "joint_pretrain", "pretrain", "align")
    cfg.pretrain = common.training(
        "Unaligned concatenation",
        2e-3,
        method=dict(name="mae", augment=None, mask_ratio=0.5, shared=32, private=128),
        sampler=dict(kind="unpaired"),
    )
    cfg.align = _alignment(
        "InfoMAE",
        source="pretrain",
        warm_start=("sensors/[^/]+/(encoder|shared|private|decoder)",),
    )
    cfg.joint_pretrain = _alignment("Joint pretraining on the pairs")
    cfg.finetune = common.head("Fine-tuned InfoMAE", "align")
    if data == common.TOY:
        _toy(cfg)
    if smoke:
        common.smoke(cfg)
        for stage in (cfg.align, cfg.joint_pretrain):
            stage.sampler.fraction = 0.5
    return cfg


def _published(name, data):
    spectrogram = dict(
        representation="spectrogram", interval_s=INTERVALS_S.get(data, 0.32), overlap=0.5
    )
    return dict(name=name, preset="har", **spectrogram) | common.slow(data, interval_s=2.0)


def _alignment(label, **block):
    """Block of the alignment; of a tenth of the pairs, or of small data 256 of them."""
    method = dict(
        name="infomae", mask_ratio=0.5, shared=32, private=128, form="two_ratio", noise=0.3,
        negatives=4, stem=dict(features=(16, 32), out=64), critic=dict(hidden=64, depth=2),
        temperature=0.2, margin=1.0,
        alpha=0.3, beta=0.02, gamma=0.002, epsilon=0.02, delta=1.0, lam=1.0, eta=0.3,
    )  # fmt: skip
    sampler = dict(kind="paired", fraction=config_dict.placeholder(float), length=4)
    block = common.training(label, 1e-3, method=method, sampler=sampler, **block)
    block["optim"]["groups"] = dict(critics=dict(lr=2e-3, b1=0.5))
    return block


def _toy(cfg):
    """The embedded data: narrower codes, sterner critics, and as many steps as show the method."""
    cfg.pretrain.update(steps=1000, batch_size=256)
    for stage in (cfg.pretrain, cfg.align, cfg.joint_pretrain):
        stage.method.update(shared=8, private=64)
    for stage in (cfg.align, cfg.joint_pretrain):
        stage.steps = 400
        stage.sampler.fraction = 0.1
        stage.method.update(alpha=1.0, gamma=0.01, epsilon=0.1, lam=0.3, temperature=0.5)
