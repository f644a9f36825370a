"""CoMM: the fused views of a window agree, and those of each sensor with them.

python -m mmalign --config=comm                                   # Trifeature, 64 pixels
python -m mmalign --config=comm:trifeature224                     # pictures and pairs as published
python -m mmalign --config=comm:uci_har --config.data.dir=FOLDER
python -m mmalign --config=comm:npz --config.data.path=windows.npz
python -m mmalign --config=comm:mosi --config.data.dir=FOLDER      # or another of MultiBench's
python -m mmalign --config=comm:infmasking                        # its successor, beside it
python -m mmalign --config=comm:smoke                             # two steps

On Trifeature the table of targets tells what is kept: what both pictures share (shape), what is of
one alone (texture_1, texture_2), and what both say only together (match): whether texture and
colour fit, which is learnt from pairs that do. Published are two trainings of every method: on such
pairs, from which the match is read, and on pairs of any pictures, for the rest. The default is the
first alone, half the time; as all its pairs match, the texture of one picture is shared there, too.
Both, and other methods, are rows:
`--config.rows="('cross_self_match','cross_self','comm_match','comm')"`.
`--config.comm.method.form=paper` is the paper's form where the released code differs, and
`--config.comm.method.fusion=linear` its ablation without attention.

On MultiBench's tasks encoders, widths and rates are those published, InfMasking's own of the tasks
with two modalities; what the modalities are says `--config.data.options.modalities` (with three,
`--config.infmasking.method.weight=None`).
"""

from mmalign.configs import baselines, common

METHODS = ("comm", "infmasking")
PUBLISHED = "trifeature224"
COMPARED = ("cross", "cross_self", "factorcl", *METHODS)
UNBIASED, BIASED = 0, 1  # sources of pairs
_AFFECT = dict(
    per_kind=dict(sequence=dict(name="transformer", preset="affect", dim=40)),
    width=40,
    converter=dict(sequence="tokens"),
    lr=1e-3,
)
# InfMasking's own: options, rate, weight decay; all else is CoMM's
_OWN_WEIGHT = (1.0, 1.0, 1.0, 1.0, 5.0)  # of two modalities
_INFMASKING = {
    "mimic": (dict(temperature=0.2, mask_ratio=0.8, weight=_OWN_WEIGHT), 3e-4, 0.01),
    "mosi": (dict(strength=0.25, mask_ratio=0.8, draws=5), 1e-3, 0.01),
    "ur_funny": (
        dict(temperature=0.05, strength=2.0, mask_ratio=0.5, draws=4, weight=_OWN_WEIGHT),
        1e-3, 0.01,
    ),
    "mustard": (dict(temperature=0.05, mask_ratio=0.5, draws=5), 1e-3, 0.05),
    "vision_touch": ({}, 1e-4, 0.01),
}  # fmt: skip
MULTIBENCH = {
    "mosi": _AFFECT,
    "ur_funny": _AFFECT,
    "mustard": _AFFECT,
    "mimic": dict(
        per_kind=dict(
            vector=dict(name="mlp", preset="mimic"),
            sequence=dict(name="gru", preset="mimic", dim=512),
        ),
        width=512,
        converter=dict(vector="features", sequence="tokens"),
        lr=1e-3,
    ),
    "vision_touch": dict(
        per_kind=dict(
            image=dict(name="resnet", preset="resnet18"),
            vector=dict(name="mlp", preset="proprio"),
            sequence=dict(name="causal_conv", preset="force"),
        ),
        width=512,
        converter=dict(image="patches", vector="singleton", sequence="singleton"),
        lr=1e-4,
    ),
}


def get_config(arg=""):
    """Config of a run; `arg` names a data set and a method, see `common.arguments`."""
    data, method, smoke = common.arguments(
        arg, data=("trifeature", PUBLISHED, *(d for d in common.DATA if d != "trifeature"),
                   *MULTIBENCH),
        method=METHODS,
    )  # fmt: skip
    pictures = data in ("trifeature", PUBLISHED)
    named = {PUBLISHED: "trifeature", **dict.fromkeys(MULTIBENCH, "multibench")}
    cfg = common.config(named.get(data, data))
    for name in COMPARED:
        cfg[name] = baselines.block(name)
    cfg.stages = (method,)
    cfg.rows = (*common.REFERENCES, "cross", "cross_self", *dict.fromkeys(("comm", method)))
    if pictures:
        _trifeature(cfg, method, published=data == PUBLISHED)
    if data in MULTIBENCH:
        _multibench(cfg, data, **MULTIBENCH[data])
    if smoke:
        common.smoke(cfg)
        if pictures:
            cfg.data.options = dict(size=16, pairs=96, test_pairs=48)
    return cfg


def _multibench(cfg, task, per_kind, width, converter, lr):
    """A task of MultiBench as published, for CoMM and what it is compared with."""
    cfg.data.options = dict(task=task)
    cfg.encoder.per_kind = per_kind
    cfg.augment.per_kind = dict(
        image=dict(pool=("simclr",), probability=1.0),
        sequence=dict(pool=("corrupt",), probability=1.0),
        vector=dict(pool=("jitter",), probability=0.5),
    )
    for name in COMPARED:
        cfg[name].batch_size = 64
        cfg[name].optim = _constant(lr, 0.01)
    for name in METHODS:
        cfg[name].method.update(width=width, converter=converter)
    own, lr, weight_decay = _INFMASKING[task]
    cfg.infmasking.method.update(own)
    cfg.infmasking.optim = _constant(lr, weight_decay)


def _constant(lr, weight_decay):
    """Optimiser of a constant rate, and gradients as they are."""
    return dict(lr=lr, warmup_steps=0, floor=1.0, weight_decay=weight_decay)


def _trifeature(cfg, method, published):
    """Trainings on pictures, of pairs of both kinds for every method."""
    sizes = (224, 10_000, 4_094) if published else (64, 4_000, 2_000)
    cfg.data.options = dict(zip(("size", "pairs", "test_pairs"), sizes))
    encoder = dict(dim=256) if published else dict(preset="small")
    cfg.encoder.per_kind = dict(image=dict(name="alexnet", **encoder))
    for name in METHODS:
        cfg[name].method.width = 512 if published else 256
    if published:
        cfg.cross.method.out = 512
    cfg.augment.per_kind = dict(image=dict(pool=("simclr",), probability=1.0))
    cfg.evaluation.fractions = (1.0,)
    cfg.evaluation.missing.update(patterns=(), heads=("trained on complete",))
    for name in COMPARED:
        cfg[name].update(batch_size=64, steps=1500)
        if published:
            cfg[name].steps = 15_600  # a hundred times through the pairs
            cfg[name].optim = _constant(3e-4, 1e-4)
        both_pairs(cfg, name)
    # raw pixels are too many for a probe, a supervised network learns one target, and statistics of
    # colours say little here and take as long as a training
    first = ("chance", "random_encoder")
    kinds = ("_match", "") if published else ("_match",)
    shown = dict.fromkeys(("cross", "comm", method))
    cfg.rows = (*first, *(name + kind for name in shown for kind in kinds))
    cfg.stages = cfg.rows[-1:]


def both_pairs(cfg, name):
    """Makes a block one of any pairs of pictures, and `<name>_match` one of those that match."""
    cfg[name].sampler.source = UNBIASED
    twin = cfg[name].copy_and_resolve_references()
    twin.label, twin.sampler.source = f"{twin.label}, matching pairs", BIASED
    cfg[f"{name}_match"] = twin
