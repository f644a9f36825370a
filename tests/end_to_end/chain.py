"""A config: two stages, one from the other, and a head, with networks as small as they come."""

from mmalign.configs import common

OPTIM = {"lr": 1e-3, "weight_decay": 0.05, "clip_norm": 1.0, "warmup_steps": 0}


def get_config():
    """Six steps a training, with a checkpoint inside each."""
    cfg = common.config("synthetic")
    cfg.data.options = dict(subjects=8, windows=16, test_subjects=2)
    small = dict(width=4, depth=1, dim=8, statistics=4, hidden=8, segments=2)
    cfg.encoder = {**common.encoder(), **small}
    cfg.augment.pool = ("scaling",)
    cfg.stages, cfg.rows = (
        ("pretrain", "align"),
        ("chance", "window_statistics", "pretrain", "head"),
    )
    cfg.pretrain = dict(
        label="Autoencoder",
        method=dict(name="autoencoder", augment=None),
        sampler=dict(kind="unpaired"),
    )
    cfg.align = dict(
        label="CMC",
        method=dict(name="cmc", projector=dict(hidden=8, out=8)),
        source="pretrain",
        warm_start=("sensors/[^/]+/encoder",),
        sampler=dict(kind="paired"),
    )
    cfg.head = common.head("Head", "align")
    cfg.head.method.hidden = (8,)
    for stage in (cfg.pretrain, cfg.align, cfg.head):
        stage.update(steps=6, batch_size=32, optim=OPTIM)
    cfg.evaluation.fractions = (1.0,)
    cfg.evaluation.missing.update(heads=("trained on complete",), patterns=("burst",))
    cfg.log_every, cfg.checkpoint_every, cfg.online = 1, 4, 2
    return cfg
