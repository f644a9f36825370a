"""Self-supervised baselines on the data and encoders of the other configs.

python -m mmalign --config=baselines                              # SimCLR, embedded data
python -m mmalign --config=baselines:cpc
python -m mmalign --config=baselines:cocoa,uci_har --config.data.dir=FOLDER
python -m mmalign --config=baselines:method=my_package.my_method:create,uci_har ...
python -m mmalign --config=baselines:gmc,smoke                    # GMC, two steps

Data: those of `common.DATA`; methods: those of METHODS, or a function of your own.
Label efficiency at CroSSL's shares: `--config.evaluation.fractions="(0.01,0.05,0.1,0.5,1.0)"`.
More rows learn from labels, too: `--config.rows="('deep_conv_lstm','supcon','train')"`; and
'fine_tuned' and 'supcon_tuned' from where the method ends.
"""

from mmalign.configs import common

_PROJECTOR = dict(hidden=64, out=32)
METHODS = {
    "simclr": dict(label="SimCLR", method=dict(projector=_PROJECTOR, temperature=0.2)),
    # On the embedded data it stays near the random encoder: phases are random there, and what
    # restores the samples best is linear in them, where no linear probe finds an amplitude.
    "autoencoder": dict(label="Autoencoder", method=dict(augment=None)),
    "cmc": dict(label="CMC", method=dict(projector=_PROJECTOR, loss=dict(temperature=0.2))),
    "cocoa": dict(
        label="COCOA",
        method=dict(projector=_PROJECTOR, loss=dict(temperature=0.5, form="sum")),
    ),
    "comm": dict(label="CoMM", method={}),
    "cross": dict(label="Cross", method=dict(augment=None)),
    "cross_self": dict(label="Cross and self", method={}),
    "factorcl": dict(label="FactorCL", method={}),
    "gram": dict(label="GRAM", method=dict(augment=None)),
    "infmasking": dict(label="InfMasking", method={}),
    "cpc": dict(
        label="CPC",
        method=dict(augment=None, pieces=8, horizon=4, context=64, temperature=0.2),
    ),
    "gmc": dict(label="GMC", method=dict(projector=_PROJECTOR, loss=dict(temperature=0.2))),
    "joint_autoencoder": dict(
        label="Joint autoencoder",
        method=dict(augment=None, fusion=(128, 64)),
    ),
    "simsiam": dict(label="SimSiam", method=dict(projector=_PROJECTOR, bottleneck=16)),
    "symile": dict(label="Symile", method=dict(augment=None)),
}


def get_config(arg=""):
    """Config of a run; `arg` names a method and a data set, see `common.arguments`."""
    name, data, smoke = common.arguments(arg, method=tuple(METHODS), data=common.DATA)
    cfg = common.config(data)
    cfg.stages = ("train",)
    cfg.rows = (*common.REFERENCES, "train")
    cfg.train = block(name)
    lstm = dict(name="deep_conv_lstm", filters=(16, 16, 16, 16), dim=64)
    cfg.supcon = common.training("SupCon", 2e-3, method=dict(name="supcon"))
    cfg.fine_tuned = common.head("Fine-tuned", "train")
    cfg.supcon_tuned = common.tuned("Fine-tuned by SupCon", "train", name="supcon_tuned")
    cfg.deep_conv_lstm = common.supervised("DeepConvLSTM", encoder=lstm)
    if smoke:
        common.smoke(cfg)
    return cfg


def block(name):
    """Block of the training of a baseline, or of a method of your own."""
    known = METHODS.get(name, dict(label=name, method={}))
    method = dict(name=name, **known["method"])
    return common.training(known["label"], 1e-3, method=method, sampler=dict(kind="paired"))
