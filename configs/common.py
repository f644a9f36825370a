"""What the configs share: the blocks of a run, and how the words behind a config's colon are read.

A word is a name of one of the kinds that the config takes, or kind=name, or "smoke".

All data sets take the same settings, the user's own windows among them. What has to depend on the
data follows from their size and rates when they are read: steps and widths from `config.budget`
(see `mmalign.budget`), a batch no larger than the windows are many, a tenth of the pairs or
256 windows, patches of 0.16 s or four samples, rotations for channels in threes, sequences where
recordings have neighbours. Only the embedded data keep numbers of their own, which show what the
methods do.
"""

from ml_collections import config_dict

from mmalign import defaults

REAL = ("uci_har", "sp_sw_har", "stress_predict", "ipol_gait", "emg_imu_lis", "pamap2", "wesad")
OWN_FILES = ("npz", "arrays", "unimts", "recordings", "e4")
DATA = ("synthetic", "trifeature", *REAL, "multibench", *OWN_FILES, "union")
TOY = "synthetic"
# they change within seconds
SLOW = {"stress_predict": ("eda", "temp"), "e4": ("eda", "temp"), "wesad": ("eda",)}
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
    cfg.budget = "standard"  # or "quick", "long": steps and widths that are None elsewhere
    cfg.data = dict(name=data, options={})  # `options` of the data set's own loader
    cfg.data.dir = config_dict.placeholder(str)  # folder of the original zip
    cfg.data.path = config_dict.placeholder(str)  # your .npz, or the folder of your files
    cfg.data.cache_dir = config_dict.placeholder(str)
    cfg.data.modalities = ()  # those to keep, such as ("acc", "gyro"); (): all
    cfg.data.folds = config_dict.placeholder(int)  # test on fold `fold` of so many of the subjects
    cfg.data.fold, cfg.data.fold_seed = 0, 0
    cfg.data.folds_of = "all"  # "train": without the test people, to choose settings by
    # "subject": each person's levels and gains are left out; those of skin conductance and
    # temperature tell people apart and not what they do
    cfg.data.standardise = "subject" if data == "stress_predict" else "training"
    cfg.data.missing = {}  # such as kind="burst", rate=0.3, duration=10
    cfg.data.placement = "device"  # "host": stream batches, for data larger than the device
    cfg.encoder = encoder()
    pool = ("scaling", "magnitude_warp", "time_warp", "permutation")
    cfg.augment = dict(
        pool=pool if data == TOY else ("rotation", *pool), probability=0.5, per="example"
    )
    cfg.supervised = supervised("Supervised network")
    if data == TOY:
        cfg.supervised.steps = 300  # enough there
    cfg.evaluation = defaults.evaluation()
    cfg.log_every, cfg.checkpoint_every = 50, 200
    cfg.online = config_dict.placeholder(int)  # steps between looks by kNN at held-out people
    cfg.wandb = {}  # options of wandb.init, such as project="name"
    return cfg


def encoder():
    """The encoder of every config: convolutions along time beside statistics of the window.

    Two CPU cores train it in minutes. On folds of the training people of two small sets (10 and 23
    people, 1,100 and 1,600 windows) a perceptron on statistics was level with a random forest on
    them, and convolutions with short-time spectra up to three points below; on UCI HAR both
    together were one to three points above statistics alone.
    """
    ours = lambda: config_dict.placeholder(int)  # the budget's
    patch_s = config_dict.placeholder(float)
    return dict(name="compact", representation="series", patch_s=patch_s, width=ours(),
                dim=ours(), statistics=ours(), dropout=0.3)  # fmt: skip


def slow(data, **options):
    """`options` of the encoders of the data set's slow sensors, if it has any."""
    return {"per_modality": dict.fromkeys(SLOW[data], options)} if data in SLOW else {}


def training(label, lr, **block):
    """Block of a training; its steps are the budget's. `block`: method, sampler and more."""
    steps, warmup_steps = (config_dict.placeholder(int) for _ in range(2))
    optim = dict(lr=lr, warmup_steps=warmup_steps, weight_decay=0.05, clip_norm=1.0)
    return dict(label=label, batch_size=128, steps=steps, optim=optim, **block)


def supervised(label, **method):
    """Block of a network that learns from labels alone; `method` are more of its options."""
    method = dict(name="supervised", mix=None, **method)
    return training(label, 2e-3, method=method, ema=0.98)


def head(label, base, freeze=()):
    """Block of a head on the network that the block `base` trained.

    freeze: () trains all of it, ("base",) the head alone. `sampler.missing` hides sensors
      meanwhile: kind="subsets" a random set of them.
    """
    block = tuned(label, base, name="classifier", reads="joint", hidden=(128,), dropout=0.1)
    block["optim"]["freeze"] = freeze
    return block


def tuned(label, base, **method):
    """Block of a training by labels from where the block `base` ends; `method` are its options."""
    return training(
        label, 1e-3, method=dict(base=base, **method), source=base,
        warm_start=(r"([^/]+) -> base/\1",), sampler=dict(missing={}),
        # with steps between looks it ends after `patience` of them that were no better, at a share
        # of the training people whose labels it does not learn from; its best weights stay
        stop=dict(every=config_dict.placeholder(int), patience=5, share=0.2),
    )  # fmt: skip


def smoke(cfg):
    """Makes every training two steps long, and generated data small."""
    if cfg.data.name == "synthetic":
        cfg.data.options.update(subjects=8, windows=32, test_subjects=2)
    for block in cfg.values():
        if hasattr(block, "steps"):
            block.update(steps=2, batch_size=48)
            block.optim.update(warmup_steps=0)
