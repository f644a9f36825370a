"""InfoMAE's settings, compared without the people of the test, and what would choose them blindly.

    python -m experiments.infomae_settings --data=synthetic
    python -m experiments.infomae_settings --data=uci_har --dir=FOLDER
    python -m experiments.infomae_settings --data=npz --path=windows.npz --name=mine

The training people are split into folds; one fold takes the test's place. One run trains the masked
autoencoders once and aligns them once for each variant of configs/infomae.py; and, where these have
contrast and ranking, once more without, and aligns these as configured. Measures that need no label
are told beside the probes. Writes results/infomae-settings-<name or data>.json, .md and .png beside
this file.
"""

import argparse
import copy
import pathlib

import mmalign
from experiments import protocol
from experiments.infomae import write
from mmalign.budget import BUDGETS
from mmalign.configs.infomae import get_config

# What changes of the alignment's block, by the label of the row.
USUAL = "As configured"
VARIANTS = {
    USUAL: {},
    "Codes alone": {"method.readout": "codes"},
    "By correlations, weight 1": {"method.independence": "canonical", "method.epsilon": 1.0},
    "Nothing shared": {"method.information": 0.0},
    "v not kept apart": {"method.epsilon": 0.0},
    "No distance": {"method.alpha": 0.0},
    "No contrast": {"method.lam": 0.0},
    "Contrast x 0.3": {"method.lam": 0.3},
    "No ranking": {"method.eta": 0.0},
    "Ranking by a margin of 10": {"method.margin": 10.0},
    "Temperature 0.5": {"method.temperature": 0.5},
    "No reconstruction": {"method.delta": 0.0},
    "Half of a batch without partners": {"sampler.unpaired": 0.5},
}  # fmt: skip


def settings(data, fold=0, folds=3):
    """The config of a run that aligns once for each variant, fold `fold` of the training people.

    Variants that change nothing of this data's config are left out.
    """
    config = get_config(data)
    config.data.update(folds=folds, fold=fold, folds_of="train")
    usual = config.align.steps or BUDGETS[config.budget].least  # of pairs that are few
    variants = VARIANTS | {"Twice the steps": {"steps": 2 * usual}}
    stages = ["pretrain"]
    for number, (label, changes) in enumerate(variants.items()):
        block = copy.deepcopy(config.align)
        block.update_from_flattened_dict(changes)
        if block.to_dict() != config.align.to_dict() or not changes:
            block.label = label
            stages.append(f"align{number}")
            config[stages[-1]] = block
    if config.pretrain.method.get("lam"):
        plain = config.plain = copy.deepcopy(config.pretrain)
        plain.label, plain.optim.lr, plain.sampler.length = "Autoencoders alone", 2e-3, 1
        plain.method.update(augment=None, lam=0.0, eta=0.0)
        config.from_plain = copy.deepcopy(config.align)
        config.from_plain.update(label="From autoencoders alone", source="plain")
        stages += ["plain", "from_plain"]
    config.stages = tuple(stages)
    config.rows = (*protocol.UNTRAINED, "joint_pretrain", *stages)
    config.evaluation.missing.update(references=False, patterns=(), heads=())
    return config


def main():
    """Runs the folds, then writes what they say together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("synthetic", "uci_har", "sp_sw_har", "npz"),
                        required=True)  # fmt: skip
    parser.add_argument("--dir", help="folder with the original zip; downloaded if not given")
    parser.add_argument("--path", help="of your own windows, with npz")
    parser.add_argument("--name", help="of the files, in place of the data's")
    parser.add_argument("--folds", default="0", help="of three, separated by commas")
    parser.add_argument("--workdir", default="runs/experiments")
    args = parser.parse_args()
    name, runs = f"infomae-settings-{args.name or args.data}", []
    for fold in map(int, args.folds.split(",")):
        config = settings(args.data, fold)
        if args.data == "npz":
            config.data.path = args.path
        else:
            config.data.dir = args.dir
        workdir = pathlib.Path(args.workdir, f"{name}-{fold}")
        runs.append(mmalign.run(config, workdir, artifacts=protocol.artifacts(args)))
    labels = [runs[0]["config"][name]["label"] for name in runs[0]["config"]["stages"]]
    write(name, runs, "a third of the training people", USUAL, labels)


if __name__ == "__main__":
    main()
