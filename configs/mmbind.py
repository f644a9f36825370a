"""MMBind: one model from people who have one pair of sensors and others who have another pair.

python -m mmalign --config=mmbind                                 # embedded data
python -m mmalign --config=mmbind:sp_sw_har --config.data.dir=FOLDER
python -m mmalign --config=mmbind:ipol_gait --config.data.dir=FOLDER
python -m mmalign --config=mmbind:uci_har --config.data.dir=FOLDER
python -m mmalign --config=mmbind:cross_dataset --config.data.options.sources.waist.dir=FOLDER \
    --config.data.options.sources.watch.dir=FOLDER
python -m mmalign --config=mmbind:npz --config.data.path=windows.npz ...
python -m mmalign --config=mmbind:e4 --config.data.path=FOLDER
python -m mmalign --config=mmbind:smoke                           # two steps

The training people are dealt out: `first` have sensors a and c, `second` b and c, and nobody has
labels; `labelled`, a few others, have a and b with labels, as the test people have. An autoencoder
of c finds for each window of the first the most similar one of the second, and the other way round
(`binding`); MMBind learns from these pseudo-pairs and from the windows as they are.

Of windows of one's own say who has what, and which sensor is c:
`--config.data.parties.first.modalities="('acc','emg')"`, the same of `second` and `labelled`,
`--config.data.test_modalities="('emg','gyro')"` and `--config.dcm.method.anchor=acc`. Windows of
npz, arrays, recordings and union have to say so, those of SENSORS come with a choice, of which
`mmbind:sp_sw_har,shared=watch_acc` makes another the one that both have; data that know no people,
or have two sensors alone, have nothing to deal out.

The table: a network from the few labels alone (lower bound), autoencoders of each sensor, masked
multimodal learning from the windows as they are (MIM), dual contrast with c (DCM), partners drawn
at random, MMBind, and the same from windows with all sensors (upper bound). More rows on demand:
'mpm', 'cmg', 'imagebind', 'unweighted', 'reference_slot', 'present', and with "_tuned" behind the
name ('mmbind_tuned') what a row's network is after fine-tuning on the few labels, as published.
What is shared says `--config.binding.bind.shared`; how pairs are found `--config.binding.bind.by`,
`.k`, `.mutual`, `.threshold`.

In UCI HAR the shared sensor is movement, acceleration without gravity; gravity and rotation are the
two others. `:cross_dataset` learns from the waists of UCI HAR and from some people of sp-sw-har,
and is tested on others of these, who have the phone's rotation and the watch's acceleration.
"""

from ml_collections import config_dict

from mmalign.configs import common

# (c, which both have; a; b)
SENSORS = {
    "synthetic": ("acc", "emg", "gyro"),
    "sp_sw_har": ("phone_acc", "phone_gyro", "watch_acc"),
    "ipol_gait": ("back_acc", "left_foot_acc", "right_foot_acc"),
    "uci_har": ("movement", "gyro", "gravity"),
    "stress_predict": ("acc", "bvp", "eda"),
    "pamap2": ("chest_acc", "hand_acc", "ankle_acc"),
    "wesad": ("ecg", "emg", "eda"),
    "e4": ("acc", "bvp", "eda"),
    "cross_dataset": ("phone_acc", "phone_gyro", "watch_acc"),
    **dict.fromkeys(("npz", "arrays", "recordings", "union")),  # to be said
}
_USUAL = "usual"  # the sensor shared: the first of SENSORS
SHARED = (_USUAL, *dict.fromkeys(m for sensors in SENSORS.values() for m in sensors or ()))
# why other data cannot be dealt out
UNFIT = {
    "trifeature": "it has two modalities, and three are needed",
    "multibench": "nobody is known of its windows",
    "unimts": "nobody is known of its windows",
    "emg_imu_lis": "it is of one person",
}
_SHARES = {"first": 0.4, "second": 0.4, "labelled": 0.2}  # of the training people
_UNLABELLED = ("first", "second")
TUNED = ("autoencoder", "mim", "dcm", "random_binding", "upper", "mmbind")
_STANDARD_GRAVITY = 9.80665  # m/s^2


def get_config(arg=""):
    """Config of a run; `arg` names data and the shared sensor, see `common.arguments`."""
    data, shared, smoke = common.arguments(arg, data=(*SENSORS, *UNFIT), shared=SHARED)
    if data in UNFIT:
        raise ValueError(
            f"mmbind deals the windows of people out, and {data!r} does not fit: {UNFIT[data]}; "
            f"there is {', '.join(SENSORS)}"
        )
    sensors = _sensors(data, shared)
    cfg = common.config(data)
    _parties(cfg, sensors)
    if data == "uci_har":
        cfg.data.options.gravity = True
    if data == "cross_dataset":
        _two_data_sets(cfg)
    if data == common.TOY:
        cfg.data.options.sensors = SENSORS[data]  # in one order, whatever is shared
        cfg.evaluation.fractions = (0.02, 0.1, 0.3, 1.0)
        cfg.evaluation.missing.update(patterns=(), heads=("trained on complete",))
    cfg.supervised.label = "Lower bound"
    cfg.autoencoder = common.training(
        "Unimodal autoencoders", 1e-3, method=dict(name="autoencoder", augment=None),
        sampler=dict(kind="unpaired", source=_UNLABELLED),
    )  # fmt: skip
    cfg.binding = dict(bind=_bind(by="features", features="autoencoder"))
    cfg.random_pairs = dict(bind=_bind(by="random"))
    paired = dict(kind="paired", source=_UNLABELLED)
    cfg.mim = _contrast("MIM", paired)
    cfg.mpm = _contrast("MPM", paired, prompt=True)
    shared = sensors[0] if sensors else config_dict.placeholder(str)
    cfg.dcm = _contrast("DCM", paired, views="two", anchor=shared)
    if sensors:  # whose parameters are kept has to be known here
        cfg.imagebind = common.training(
            "ImageBind-like", 1e-3, method=dict(name="cross"), sampler=paired,
            source="autoencoder", warm_start=(rf"sensors/{shared}/encoder",),
        )  # fmt: skip
        cfg.imagebind.optim.freeze = (f"sensors/{shared}/encoder",)
    cfg.generator = common.training(
        "Generator", 1e-3, method=dict(name="generator", augment=None, anchor=shared),
        sampler=paired,
    )  # fmt: skip
    cfg.cmg = common.training(
        "CMG", 1e-3, method=dict(name="cmg", base="generator", head=(128, 64)), sampler=paired,
        source="generator", warm_start=(r"([^/]+) -> base/\1",),
    )  # fmt: skip
    cfg.cmg.optim.freeze = ("base",)
    cfg.random_binding = _contrast("Random binding", _bound("random_pairs"))
    cfg.unweighted = _contrast("MMBind, unweighted", _bound("binding", weight="one"))
    cfg.reference_slot = _contrast(
        "MMBind, the reference's own c", _bound("binding", shared_slot="reference")
    )
    cfg.present = _contrast("MMBind, what is present", _bound("binding"), views="present")
    cfg.mmbind = _contrast("MMBind", _bound("binding"))
    cfg.upper = _contrast("Upper bound", dict(kind="paired", complete=True, source=_UNLABELLED))
    for name in TUNED:
        cfg[f"{name}_tuned"] = common.head(f"{cfg[name].label}, fine-tuned", name)
    cfg.stages = ("mmbind",)
    cfg.rows = ("chance", "window_statistics", "random_encoder", "supervised", "autoencoder", "mim",
                "dcm", "random_binding", "upper", "mmbind")  # fmt: skip
    if data == "cross_dataset":  # nobody at a waist had a watch
        cfg.rows = tuple(row for row in cfg.rows if row != "upper")
    if smoke:
        common.smoke(cfg)
    return cfg


def _sensors(data, shared):
    """(c, a, b) of data, or None."""
    usual = SENSORS[data]
    if shared == _USUAL:
        return usual
    choice = () if data == "cross_dataset" else usual or ()  # nobody at a waist had a watch
    if shared not in choice:
        raise ValueError(
            f"config argument shared={shared!r}: for {data} there is "
            f"{', '.join((_USUAL, *choice))}; config.data.parties says who has what"
        )
    return shared, *(m for m in choice if m != shared)


def _parties(cfg, sensors):
    """Who has what of the data."""
    c, a, b = sensors or (None, None, None)
    of = {"first": (a, c), "second": (b, c), "labelled": (a, b)} if sensors else {}
    cfg.data.parties = {
        name: dict(modalities=of.get(name, ()), people=share, labels=name == "labelled")
        for name, share in _SHARES.items()
    }
    cfg.data.test_modalities = (a, b) if sensors else ()
    cfg.data.parties_seed = 0


def _two_data_sets(cfg):
    """The waist of one as the first party, people of another as the second and the labelled one."""
    folder = lambda: config_dict.placeholder(str)
    cfg.data.name = "union"
    cfg.data.options.sources = dict(
        waist=dict(
            name="uci_har", dir=folder(), modalities=dict(acc="phone_acc", gyro="phone_gyro"),
            scale=dict(phone_acc=_STANDARD_GRAVITY), unit=dict(phone_acc="m/s^2"), split="train",
            classes=dict(WALKING="WALKING", SITTING="SEATED"),
        ),
        watch=dict(
            name="sp_sw_har", dir=folder(),
            modalities={m: m for m in SENSORS["cross_dataset"]},
        ),
    )  # fmt: skip
    parties = cfg.data.parties
    parties.first.update(people=config_dict.placeholder(float), sources=("waist",))
    parties.second.update(people=0.6, sources=("watch",))
    parties.labelled.update(people=0.4, sources=("watch",))


def _bind(**options):
    """A binding, all of its options to be changed."""
    number = config_dict.placeholder(float)
    text, whole = config_dict.placeholder(str), config_dict.placeholder(int)
    named = dict(sources=_UNLABELLED, shared=text, partners=whole)
    return dict(**named, k=1, mutual=False, threshold=number, centre=False) | options


def _bound(pairs, **options):
    """Sampler of pseudo-pairs."""
    given = dict(originals=True, shared_slot="zero", weight="log", natural_weight=1.0)
    return dict(kind="bound", pairs=pairs, **given | options)


def _contrast(label, sampler, **method):
    """Block of a training by MMBind's loss."""
    given = dict(name="mmbind", head=(128, 64), views="slots", fill=0.0, temperature=0.07)
    return common.training(label, 1e-3, method=given | method, sampler=sampler)
