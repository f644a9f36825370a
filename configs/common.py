"""What the configs share: the blocks of a run, and how the words behind a config's colon are read.

A word is a name of one of the kinds that the config takes, or kind=name, or "smoke".
"""

from ml_collections import config_dict

from mmalign import defaults

REAL = ("uci_har", "sp_sw_har", "stress_predict", "ipol_gait", "emg_imu_lis", "pamap2", "wesad")
DATA = ("synthetic", *REAL, "npz")
TRIAXIAL = ("uci_har", "sp_sw_har", "ipol_gait", "pamap2")  # every sensor has axes x, y and z
SLOW = {"stress_predict": ("eda", "temp"), "wesad": ("eda",)}  # they change within seconds
OWN = ("data", "method")  # kinds that also take "package.module:function"
SMOKE = "smoke"
# rows that every table begins with
REFERENCES = ("chance", "raw_windows", "window_statistics", "random_forest", "random_encoder",
              "supervised")  # fmt: skip


def arguments(arg, **kinds):
    """What the words of `arg` choose: a name of each kind, and whether "smoke" is among them.

    Args:
      arg: words in any order, separated by commas: "uci_har,swin", "encoder=swin,data=npz". A
        function of the user's own needs its kind: "data=my_package.windows:load".
      **kinds: {kind: names}; where none is given, it is the first one.
    Raises: ValueError that lists what there is.
    """
    words = [word.strip() for word in arg.split(",") if word.strip()]
    chosen = {}
    for word in words:
        if word != SMOKE:
            kind, name = _understood(word, kinds)
            if kind in chosen:
                raise ValueError(f"config argument {word!r}: {kind} is {chosen[kind]!r} already")
            chosen[kind] = name
    return *(chosen.get(kind, next(iter(names))) for kind, names in kinds.items()), SMOKE in words


def _understood(word, kinds):
    """(kind, name) of a word."""
    before, equals, after = word.partition("=")
    if equals and before in OWN and before in kinds and ":" in after:
        return before, after
    name = after if equals else word
    found = [kind for kind, names in kinds.items() if name in names and before in (kind, name)]
    if len(found) > 1:
        raise ValueError(f"config argument {word!r} is of {' and '.join(found)}: write kind=name")
    if not found:
        names = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())
        raise ValueError(f"unknown config argument {word!r}; there is {names}; {SMOKE}")
    return found[0], name


def config(data):
    """A run's config without its encoder and its method."""
    cfg = config_dict.ConfigDict()
    cfg.seed = 0
    cfg.data = dict(name=data, options={})  # `options` of the data set's own loader
    cfg.data.dir = config_dict.placeholder(str)  # folder of the original zip
    cfg.data.path = config_dict.placeholder(str)  # your .npz, or a folder of them
    cfg.data.cache_dir = config_dict.placeholder(str)
    cfg.data.folds = config_dict.placeholder(int)  # test on fold `fold` of so many of the subjects
    cfg.data.fold, cfg.data.fold_seed = 0, 0
    cfg.data.folds_of = "all"  # "train": without the test people, to choose settings by
    # "subject": each person's levels and gains are left out; those of skin conductance and
    # temperature tell people apart and not what they do
    cfg.data.standardise = "subject" if data == "stress_predict" else "training"
    cfg.data.missing = {}  # such as kind="burst", rate=0.3, duration=10
    cfg.data.placement = "device"  # "host": stream batches, for data larger than the device
    cfg.augment = dict(
        pool=("scaling", "magnitude_warp", "time_warp", "permutation"),
        probability=0.5,
        per="example",
    )
    cfg.supervised = supervised("Supervised network")
    cfg.evaluation = defaults.evaluation()
    cfg.log_every, cfg.checkpoint_every = 50, 200
    cfg.wandb = {}  # options of wandb.init, such as project="name"
    return cfg


def compact(data):
    """The small convolutional encoder, which two CPU cores train in minutes."""
    encoder = dict(name="compact", representation="series", patch_s=0.16, width=32, dim=64)
    if data in REAL:  # people differ more
        encoder |= dict(width=64, dim=256)
    return encoder | slow(data, patch_s=1.0)


def slow(data, **options):
    """`options` of the encoders of the data set's slow sensors, if it has any."""
    return {"per_modality": dict.fromkeys(SLOW[data], options)} if data in SLOW else {}


def turned(pool, data):
    """`pool` with rotations, where all sensors can be worn turned in space."""
    return ("rotation", *pool) if data in TRIAXIAL else pool


def supervised(label, **method):
    """Block of a network that learns from labels alone; `method` are more of its options."""
    return dict(
        label=label,
        method=dict(name="supervised", mix=None, **method),
        batch_size=128,
        steps=250,
        optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0),
    )


def head(label, base, freeze=()):
    """Block of a head on the network that the block `base` trained.

    freeze: () trains all of it, ("base",) the head alone. `sampler.missing` hides sensors
      meanwhile: kind="subsets" a random set of them.
    """
    return dict(
        label=label,
        method=dict(name="classifier", base=base, reads="joint", hidden=128, dropout=0.1),
        source=base,
        warm_start=(r"([^/]+) -> base/\1",),
        sampler=dict(missing={}),
        batch_size=128,
        steps=250,
        optim=dict(lr=1e-3, warmup_steps=25, weight_decay=0.05, clip_norm=1.0, freeze=freeze),
    )


def smoke(cfg):
    """Makes every training two steps long, and generated data small."""
    if cfg.data.name == "synthetic":
        cfg.data.options = dict(subjects=8, windows=32, test_subjects=2)
    for block in cfg.values():
        if hasattr(block, "steps"):
            block.update(steps=2, batch_size=48)
            block.optim.update(warmup_steps=0)
