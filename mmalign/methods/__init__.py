"""Methods by name."""

from mmalign.methods import (
    autoencoder,
    classifier,
    cpc,
    crossl,
    infomae,
    joint_autoencoder,
    mae,
    multiview,
    simclr,
    simsiam,
    supervised,
)
from mmalign.methods.contract import JOINT, Method, Modality

__all__ = ["JOINT", "METHODS", "Method", "Modality", "create"]

METHODS = {
    "autoencoder": autoencoder,
    "classifier": classifier,
    "cmc": multiview,
    "cocoa": multiview,
    "cpc": cpc,
    "crossl": crossl,
    "gmc": multiview,
    "infomae": infomae,
    "joint_autoencoder": joint_autoencoder,
    "mae": mae,
    "simclr": simclr,
    "simsiam": simsiam,
    "supervised": supervised,
}
LABELLED = frozenset({"classifier", "supervised"})  # they learn from labels, and embed "logits"
# they compare or fuse sensors, so their view has to be "paired"
PAIRED = frozenset(
    {"cmc", "cocoa", "crossl", "gmc", "infomae", "joint_autoencoder", "simclr", "simsiam"}
)
SEQUENTIAL = frozenset({"infomae"})  # their config takes the length of the sequences in a batch

# Their joint embedding is the modalities' embeddings side by side, and nothing in it answers for an
# absent one: an evaluation puts the mean of the training windows there.
CONCATENATED = frozenset(
    {"autoencoder", "cmc", "cocoa", "cpc", "gmc", "joint_autoencoder", "mae", "simclr", "simsiam"}
)


def create(config, modalities, *, num_classes=0) -> Method:
    """The method `config["name"]` for {name: Modality}.

    Raises: ValueError if there is no such method, or its config does not fit.
    """
    if config["name"] not in METHODS:
        raise ValueError(
            f"method.name {config['name']!r} is unknown; there is {', '.join(sorted(METHODS))}"
        )
    module = METHODS[config["name"]]
    given = set(config) - {"name"}
    for problem, options in (
        ("does not know", given - set(module.OPTIONS)),
        ("needs", set(module.OPTIONS) - given),
    ):
        if options:
            raise ValueError(
                f"method {config['name']!r} {problem} {', '.join(sorted(options))}; its options "
                f"are {', '.join(module.OPTIONS)}"
            )
    return module.create(config, modalities, num_classes)
