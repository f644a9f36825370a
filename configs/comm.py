"""CoMM: the fused views of a window agree, and those of each sensor with them.

python -m mmalign --config=comm                                   # Trifeature, 32 pixels
python -m mmalign --config=comm:trifeature224                     # pictures and pairs as published
python -m mmalign --config=comm:uci_har --config.data.dir=FOLDER
python -m mmalign --config=comm:npz --config.data.path=windows.npz
python -m mmalign --config=comm:infmasking                        # its successor, beside it
python -m mmalign --config=comm:smoke                             # two steps

On Trifeature every method is trained twice, as published: on pairs of any pictures, from which what
they share (shape) and what is of one alone (texture_1, texture_2) is read; and on pairs that match
alone, from which it is read whether others do (match): what both say only together. The table of
targets has all of it, and the rows named "matching pairs" are of the second training. More rows:
`--config.rows="('cross_self_match','cross_self','comm_match','comm')"`.
`--config.comm.method.form=paper` is the paper's form where the released code differs.
"""

from mmalign.configs import baselines, common

METHODS = ("comm", "infmasking")
PUBLISHED = "trifeature224"
COMPARED = ("cross", "cross_self", *METHODS)
UNBIASED, BIASED = 0, 1  # sources of pairs


def get_config(arg=""):
    """Config of a run; `arg` names a data set and a method, see `common.arguments`."""
    data, method, smoke = common.arguments(
        arg, data=("trifeature", PUBLISHED, *(d for d in common.DATA if d != "trifeature")),
        method=METHODS,
    )  # fmt: skip
    pictures = data in ("trifeature", PUBLISHED)
    cfg = common.config("trifeature" if pictures else data)
    for name in COMPARED:
        cfg[name] = baselines.block(name)
    cfg.stages = (method,)
    cfg.rows = (*common.REFERENCES, "cross", "cross_self", *dict.fromkeys(("comm", method)))
    if pictures:
        _trifeature(cfg, method, published=data == PUBLISHED)
    if smoke:
        common.smoke(cfg)
        if pictures:
            cfg.data.options = dict(size=16, pairs=96, test_pairs=48)
    return cfg


def _trifeature(cfg, method, published):
    """Both trainings of every method, on pictures."""
    cfg.data.options = dict(size=224, pairs=10_000, test_pairs=4_094) if published else {}
    cfg.encoder.per_kind = dict(image=dict(width=32))
    cfg.augment.per_kind = dict(image=dict(pool=("simclr",), probability=1.0))
    cfg.evaluation.fractions = (1.0,)
    cfg.evaluation.missing.update(patterns=(), heads=("trained on complete",))
    for name in COMPARED:
        cfg[name].sampler.source = UNBIASED
        cfg[name].update(batch_size=64, steps=1500)
        twin = cfg[name].copy_and_resolve_references()
        twin.label, twin.sampler.source = f"{twin.label}, matching pairs", BIASED
        cfg[f"{name}_match"] = twin
    # raw pixels are too many for a probe, and a supervised network learns one target
    first = ("chance", "window_statistics", "random_forest", "random_encoder")
    shown = dict.fromkeys(("cross", "comm", method))
    rows = [row for name in shown for row in (f"{name}_match", name)]
    cfg.rows = (*first, *rows)
