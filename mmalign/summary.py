"""What a run is about to do, in a few lines that are printed before it does it."""

import numpy as np

from mmalign.data.concerns import concerns
from mmalign.data.dataset import COMPLETE, SPLITS, UNKNOWN
from mmalign.plan import Plan


def summary(planned: Plan) -> str:
    """Data, sensors, split and trainings of a plan, and what is doubtful of the data."""
    lines = [_data(planned.dataset), *_sensors(planned.dataset)]
    for stage in planned.stages.values():
        if steps := stage.block["steps"]:
            asked, size = planned.config[stage.block_name]["batch_size"], stage.block["batch_size"]
            fewer = f" ({asked} asked for)" if asked != size else ""
            lines.append(f"  train {stage.name}: {steps:,} steps of {size}{fewer} "
                         f"from {stage.sampler.windows:,} windows{_mixed(stage.sampler)}"
                         f"{_start(stage)}")  # fmt: skip
    notes = [*concerns(planned.dataset), *filter(None, [planned.unprobed])]
    lines += [f"Note: {said}" for said in notes]
    return "\n".join(lines)


def _mixed(sampler):
    """How many rows of a batch are no pairs, where some are."""
    rows = sampler.paired
    return "" if rows is None else f", {int((~rows).sum())} of each without a partner"


def _start(stage):
    """Which modalities start from random weights though the stage starts from another."""
    out = stage.left_out
    return f"; of {', '.join(out)} nothing is taken from {stage.source}" if out else ""


def _data(dataset):
    parts, own = [], dataset.split != COMPLETE
    for name, split in SPLITS.items():
        rows = dataset.split == split
        people = set(dataset.group[rows].tolist()) - {UNKNOWN}
        if rows.any():
            of = f" of {len(people)} people" if people else ""
            parts.append(f"{name} {int(rows.sum()):,}{of}")
    known, copies = int((dataset.label[own] >= 0).sum()), int((~own).sum())
    labels = f"{dataset.num_classes} classes, {known:,} windows labelled" if known else "no labels"
    said = f"{dataset.description.name}: {int(own.sum()):,} windows ({', '.join(parts)})"
    return said + (f" and {copies:,} complete copies" if copies else "") + f"; {labels}"


def _sensors(dataset):
    own = dataset.split != COMPLETE
    for m, x in dataset.inputs.items():
        shape = " x ".join(map(str, x.shape[1:]))
        rate = dataset.description.rate_hz.get(m)
        said = f"{dataset.kinds[m]} {shape}" + (f" at {rate:g} Hz" if rate else "")
        if (lost := 1 - np.mean(dataset.present[m][own])) > 0:
            said += f", missing from {100 * lost:.1f} % of the windows"
        if m in dataset.valid:
            share = 1 - np.mean(dataset.valid[m][dataset.present[m] & own])
            said += f", {100 * share:.2g} % of the samples lost"
        yield f"  {m}: {said}"
