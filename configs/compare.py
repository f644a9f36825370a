"""Which method for these sensors: every method, at every share of the pairs, under one protocol.

python -m mmalign --config=compare:quick                          # embedded data, minutes
python -m mmalign --config=compare --config.data.path=windows.npz # your own windows
python -m mmalign --config=compare:uci_har --config.data.dir=FOLDER --config.compare.minutes=60
python -m mmalign --config=compare:method=my_package.my_method:create ...
python -m mmalign --config=compare:smoke                          # two steps

Data: those of `common.DATA`; "auto", the default, is your .npz where config.data.path names it, and
else the embedded data, here with the settings that any data take. All methods have one encoder, the
steps that the budget gives to the windows they see, the same labels, probes and test people.

`config.compare`:
  methods: blocks of the config, by name or by label; those are the rows beside `config.rows`.
  ratios: shares of the pairs, each a part of the next. people: instead or besides, all pairs from
    so many people.
  seeds: of weights, labels and pairs. folds: of people, each tested once; None: the data's split.
  minutes: most of them; what does not fit is left out, and said before any training starts.
  side_by_side: processes that share the work, where the device has room for several (on a GPU with
    XLA_PYTHON_CLIENT_PREALLOCATE=false).
Shares of the labels: `--config.evaluation.fractions="(0.01,0.1)"`.
"""

from ml_collections import config_dict

from mmalign.configs import baselines, common, crossl, infomae

AUTO = "auto"
NO_METHOD = "package.module:function"
GRIDS = {
    "standard": dict(ratios=(0.01, 0.05, 0.25, 1.0), seeds=(0, 1, 2)),
    "quick": dict(ratios=(0.05, 1.0), seeds=(0,)),
}
METHODS = (
    "align", "joint_pretrain", "pretrain", "crossl", "simclr", "cmc", "gmc", "cocoa", "cpc", "comm",
)  # fmt: skip
QUICK = METHODS[:7]


def get_config(arg=""):
    """Config of a comparison; `arg` names data, a grid and a method, see `common.arguments`."""
    data, grid, method, smoke = common.arguments(
        arg, data=(AUTO, *common.DATA), grid=tuple(GRIDS), method=(NO_METHOD,)
    )
    like = data if data in common.REAL else "npz"
    cfg = infomae.get_config(like)
    cfg.data.name = common.TOY if smoke and data == AUTO else data
    cfg.crossl = crossl.get_config(like).crossl
    names = QUICK if grid == "quick" else METHODS
    for name in baselines.METHODS:
        cfg[name] = baselines.block(name)
    if method != NO_METHOD:
        cfg.own = baselines.block(method)
        names = (*names, "own")
    cfg.rows, cfg.stages = common.REFERENCES, ()
    cfg.compare = dict(
        methods=names,
        people=(),
        folds=config_dict.placeholder(int),
        minutes=config_dict.placeholder(float),
        side_by_side=1,
        **GRIDS[grid],
    )
    if grid == "quick":
        cfg.budget = "quick"
    if smoke:
        common.smoke(cfg)
        cfg.compare.update(ratios=(0.5, 1.0), seeds=(0,))
    return cfg
