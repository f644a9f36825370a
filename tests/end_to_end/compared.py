"""A config: a comparison of two small methods at two shares of the pairs."""

import chain
from ml_collections import config_dict

from mmalign.configs import compare


def get_config():
    """The blocks of the smallest chain under a grid."""
    cfg = chain.get_config()
    cfg.compare = compare.get_config("smoke").compare
    cfg.compare.update(methods=("CMC", "pretrain"), ratios=(0.5, 1.0))
    cfg.rows = ("chance", "window_statistics", "random_forest")
    cfg.evaluation.fractions = (0.5, 1.0)
    return config_dict.ConfigDict(cfg)
