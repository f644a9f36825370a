"""CroSSL's options: three published or recommended sets, and what a config changes of them."""

from mmalign.methods.view_losses import DEFAULTS

_RELEASED = {
    "mask": {"strategy": "spatial", "keep_prob": 0.9, "min_keep": 0},
    "loss": {
        "name": "vicreg", "invariance": 10.0, "variance": 10.0, "covariance": 100.0,
        "unbiased": False,
    },
    "complete_variance": 0.0,
    "pattern_centring": False,
    "aggregator": {"name": "mlp"},
    "expander": (),
    "head_input": "latents",
    "encoder_init": "shared",
    "encoder_dropout": False,
    "kernel_l2": 1e-4,
}  # fmt: skip

# "released": what the code does. "paper": what the paper says, gaps filled by the code, except for
# the weights, where it names VICReg and no numbers: those of VICReg. "fixed": what we recommend.
PRESETS = {
    "released": _RELEASED,
    "paper": {
        **_RELEASED,
        "loss": {**DEFAULTS["vicreg"], "name": "vicreg", "unbiased": False},
        "head_input": "global",
    },
    "fixed": {
        **_RELEASED,
        "mask": {"strategy": "spatial", "keep_prob": 0.7, "min_keep": 1},
        "loss": {**DEFAULTS["vicreg"], "name": "vicreg", "unbiased": True},
        "head_input": "global",
        "encoder_init": "independent",
    },
}
_NESTED = {"mask": "strategy", "loss": "name", "aggregator": "name"}
_CHOICES = {"head_input": ("global", "latents"), "encoder_init": ("independent", "shared")}


def resolve(config):
    """All options: those of `config["preset"]` where the config has None, or lacks a nested key.

    Of the nested "loss" and "aggregator" another name drops the preset's options of its own.
    Raises: ValueError for an unknown preset or choice.
    """
    if config["preset"] not in PRESETS:
        raise ValueError(
            f"method.preset must be one of {', '.join(PRESETS)}, got {config['preset']!r}"
        )
    out = {}
    for option, usual in PRESETS[config["preset"]].items():
        given = config[option]
        if option in _NESTED:
            given = {k: v for k, v in dict(given or {}).items() if v is not None}
            name = _NESTED[option]
            another = option != "mask" and given.get(name, usual[name]) != usual[name]
            out[option] = given if another else {**usual, **given}
        else:
            out[option] = usual if given is None else given
    for option, known in _CHOICES.items():
        if out[option] not in known:
            raise ValueError(
                f"method.{option} must be one of {', '.join(known)}, got {out[option]!r}"
            )
    if out["pattern_centring"]:
        for block, name, known in (("loss", "name", ("vicreg",)),
                                   ("mask", "strategy", ("spatial", "subset"))):  # fmt: skip
            if out[block][name] not in known:
                raise ValueError(
                    f"method.pattern_centring needs {block}.{name} {' or '.join(known)}, got "
                    f"{out[block][name]!r}"
                )
    for option in ("kernel_l2", "complete_variance"):
        if out[option] < 0:
            raise ValueError(f"method.{option} must be 0 or more, got {out[option]}")
    return out
