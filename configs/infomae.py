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

from mmalign.configs import common

ENCODERS = ("compact", "swin", "deepsense")
# Shares of the training windows that are pairs; of the smallest sets one that fills a batch.
PAIRS = {
    "uci_har": 0.05,
    "sp_sw_har": 0.25,  # 1,114 training windows in all
    "stress_predict": 0.05,
    "ipol_gait": 0.1,
    "emg_imu_lis": 0.25,  # 702
    "pamap2": 0.1,
    "wesad": 0.1,
}
INTERVALS_S = {"emg_imu_lis": 0.4, "wesad": 0.4}  # of spectrograms: 0.32 does not divide windows


def get_config(arg=""):
    """Config of a run; `arg` names a data set and an encoder, see `common.arguments`."""
    data, encoder, smoke = common.arguments(arg, data=common.DATA, encoder=ENCODERS)
    cfg = common.config(data)
    cfg.encoder = _encoder(encoder, data)
    cfg.stages = ("pretrain", "align")
    cfg.rows = (*common.REFERENCES, "joint_pretrain", "pretrain", "align")
    cfg.pretrain = dict(
        label="Unaligned concatenation",
        method=dict(name="mae", augment=None, mask_ratio=0.5, shared=8, private=64),
        sampler=dict(kind="unpaired"),
        batch_size=256,
        steps=1000,
        optim=dict(lr=2e-3, warmup_steps=50, weight_decay=0.05, clip_norm=1.0),
    )
    cfg.align = dict(
        label="InfoMAE",
        source="pretrain",
        warm_start=("sensors/[^/]+/(encoder|shared|private|decoder)",),
        **_alignment(),
    )
    cfg.joint_pretrain = dict(label="Joint pretraining on the pairs", **_alignment())
    cfg.finetune = common.head("Fine-tuned InfoMAE", "align")
    if data in common.REAL:
        _real(cfg, data)
    if smoke:
        common.smoke(cfg)
        for stage in (cfg.align, cfg.joint_pretrain):
            stage.sampler.fraction = 0.5
            if data != "synthetic":  # batches are small, and there may be many sensors
                stage.method.negatives = 1
    return cfg


def _encoder(name, data):
    if name == "compact":
        return common.compact(data)
    spectrogram = dict(
        representation="spectrogram", interval_s=INTERVALS_S.get(data, 0.32), overlap=0.5
    )
    return dict(name=name, preset="har", **spectrogram) | common.slow(data, interval_s=2.0)


def _alignment():
    return dict(
        method=dict(
            name="infomae", mask_ratio=0.5, shared=8, private=64, form="two_ratio", noise=0.3,
            negatives=4, stem=dict(features=(16, 32), out=64), critic=dict(hidden=64, depth=2),
            temperature=0.5, margin=1.0,
            alpha=1.0, beta=0.02, gamma=0.01, epsilon=0.1, delta=1.0, lam=0.3, eta=0.3,
        ),
        sampler=dict(kind="paired", fraction=0.1, length=4),
        batch_size=128,
        steps=400,
        optim=dict(
            lr=1e-3, warmup_steps=50, weight_decay=0.05, clip_norm=1.0,
            groups=dict(critics=dict(lr=2e-3, b1=0.5)),
        ),
    )  # fmt: skip


def _real(cfg, data):
    """People differ more: wider codes, longer training, more contrast, gentler critics."""
    cfg.augment.pool = common.turned(cfg.augment.pool, data)
    longer = 2 if data == "uci_har" else 1
    cfg.pretrain.update(steps=2000 * longer, batch_size=128)
    for stage in (cfg.pretrain, cfg.align, cfg.joint_pretrain):
        stage.method.update(shared=32, private=128)
    for stage in (cfg.align, cfg.joint_pretrain):
        stage.sampler.fraction = PAIRS[data]
        stage.steps = 400 * longer
        stage.method.update(alpha=0.3, gamma=0.002, epsilon=0.02, lam=1.0, temperature=0.2)
        if data == "ipol_gait":  # nine sensors: a batch has no more rows for each of them
            stage.method.negatives = 3
        if data == "emg_imu_lis":  # each window is a gesture of its own, with no neighbours in time
            stage.sampler.length = 1
