"""A config of two short stages, the second from the first, that are traced quickly."""

from mmalign.configs import common


def get_config():
    """SimCLR of two sensors, from masked autoencoders."""
    cfg = common.config("synthetic")
    cfg.encoder = dict(name="compact", patch_s=0.16, width=4, depth=2, dim=8)
    cfg.augment.pool = ("scaling",)
    cfg.stages = ("pretrain", "align")
    cfg.rows = ("chance", "raw_windows", "window_statistics", "random_encoder", "pretrain")
    optim = dict(lr=1e-3)
    cfg.pretrain = dict(
        label="Masked autoencoders", method=dict(name="mae", augment=None), steps=6, batch_size=48,
        sampler=dict(kind="unpaired"), optim=optim,
    )  # fmt: skip
    cfg.align = dict(
        label="SimCLR", source="pretrain", warm_start=("sensors/[^/]+/encoder",), steps=6,
        method=dict(name="simclr", projector=dict(hidden=8, out=8), temperature=0.2),
        batch_size=48, sampler=dict(kind="paired"), optim=optim,
    )  # fmt: skip
    cfg.data.options = dict(subjects=8, windows=32, test_subjects=2)
    cfg.evaluation.fractions = (0.1, 1.0)
    cfg.log_every, cfg.checkpoint_every = 1, 4
    return cfg
