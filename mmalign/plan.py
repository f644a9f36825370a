"""From a config to the graph of a run: everything checked, shapes known, nothing computed."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from mmalign import budget, evaluation, training
from mmalign.bound import Bound, binding_of, make_bound
from mmalign.data import feed
from mmalign.data.dataset import LABEL, Dataset
from mmalign.data.fingerprint import fingerprint
from mmalign.graph import Node
from mmalign.order import wanted
from mmalign.run_checks import BUILT_IN, ON_STATISTICS, check_run
from mmalign.stages import Stage, expanded, make_stage, rehearse, untrained
from mmalign.unlabelled import Unprobed, without_labels

RANDOM_STREAM = "Random encoder"  # seeds the weights of the untrained network


class Row(NamedTuple):
    """One contender of the table.

    name: of its stage, or of BUILT_IN. label: what the table calls it.
    stage, embedding: None where nothing is trained, and where nothing is embedded.
    evaluations: {what: node}, as `score.evaluate` computes them.
    """

    name: str
    label: str
    stage: Stage | None
    embedding: Node | None
    evaluations: Mapping[str, Node]


class Plan(NamedTuple):
    """The graph of a run.

    config: resolved, in plain Python. stages: {name: Stage}, each after those that it starts from.
    bindings: {name of a block: Bound}, of which stages learn.
    rows: in the order of the table; `headline` is the method's own, the last of config.stages.
    unprobed: why nothing is probed, and the rows that are left out for it; None where all is.
    report: the node that everything leads to.
    """

    config: Mapping[str, Any]
    dataset: Dataset
    statistics: Mapping
    stages: Mapping[str, Stage]
    bindings: Mapping[str, Bound]
    rows: tuple[Row, ...]
    headline: Row
    unprobed: Unprobed | None
    report: Node


def measured(dataset: Dataset) -> tuple[str, Mapping]:
    """(fingerprint, statistics): what a plan reads all windows for."""
    return fingerprint(dataset), feed.statistics(dataset)


def plan(
    config: ConfigDict, dataset: Dataset, known: Callable[[], tuple[str, Mapping]] | None = None
) -> Plan:
    """The graph of a run; only shapes are computed.

    config: ConfigDict, see configs/infomae.py. `config.stages` names the blocks of the method
      itself, a chain; `config.rows` what the table shows: built-in rows and blocks, each with the
      blocks that it starts from. A block whose method learns from labels becomes a training for
      each share of them, or one alone where its `sampler.fraction` names it.
    known: gives `measured(dataset)`, for several plans of one data set; None: it is measured.
    Raises: ValueError, naming the block and the key, for whatever does not fit.
    """
    given = config.to_dict()
    check_run(given, dataset)
    given["rows"], unprobed = without_labels(given, dataset)
    given["encoder"] = budget.encoder(given["encoder"], given["budget"])
    digest, statistics = measured(dataset) if known is None else known()
    data = Node("data", dataset.description.name, {"fingerprint": digest})
    stages, bindings = _stages(given, dataset, data, feed.arrays(dataset, statistics))
    rows = _rows(given, dataset, data, stages, bindings)
    last = given["stages"][-1]
    headline = next(row for row in rows if row.name == last)
    inputs = [node for row in rows for node in row.evaluations.values()]
    shown = dataclasses.asdict(dataset.description)  # names, units: trainings do not know them
    spec = {"config": json.loads(config.to_json()), "rows": [(r.name, r.label) for r in rows],
            "data": shown}  # fmt: skip
    report = Node("report", last, spec, (headline.embedding, *inputs))
    return Plan(given, dataset, statistics, stages, bindings, rows, headline, unprobed, report)


def _stages(config, dataset, data, arrays):
    """All trainings, {name: Stage}, the untrained network among them if it has a row; bindings."""
    stages, bindings, params = {}, {}, {}
    for block_name in wanted(config):
        for name, block, method in expanded(block_name, config, dataset):
            if block_name in config["stages"] and "labels" in method.needs:
                raise ValueError(
                    f"config.stages: {block_name!r} learns from labels, which is for rows only"
                )
            try:
                named = binding_of(block)
                if named is not None and named not in bindings:
                    nodes = {other: made.node for other, made in stages.items()}
                    bindings[named] = make_bound(named, config, dataset, data, nodes)
                stage = make_stage(
                    name, block_name, block, method, config, data, dataset, stages, bindings
                )
                source = params.get(stage.source)
                params[name] = rehearse(stage, arrays, source)
                left_out = training.left_out(dataset.modalities, source, stage.patterns)
            except (ValueError, TypeError) as error:
                raise ValueError(f"stage {name!r}: {error}") from error
            stages[name] = stage._replace(left_out=left_out)
    if "random_encoder" in config["rows"]:
        first = stages[config["stages"][0]]
        stages["random_encoder"] = untrained(
            "random_encoder", BUILT_IN["random_encoder"], RANDOM_STREAM, config, dataset, first
        )
    return stages, bindings


def _rows(config, dataset, data, stages, bindings):
    names = dict.fromkeys((*config["rows"], config["stages"][-1]))
    missing = evaluation.missing_options(config["evaluation"].get("missing"), dataset.modalities)
    probed = evaluation.unprobed(dataset) is None
    references = probed and missing["references"]
    tried = _tried_without_sensors(names, config, stages) if references else set()
    headline = config["stages"][-1]
    several = ("targets",) if set(dataset.tasks) - {LABEL} else ()
    statistics = Node("embedding", "window_statistics", {"windows": "all"}, (data,))
    rows = []
    for name in names:
        if name in BUILT_IN and name != "random_encoder":
            z = statistics if name in ON_STATISTICS else None
            found = _evaluations(name, config, z or data) if probed else {}
            if name == "window_statistics":
                for what in ("label_free", *several):
                    found[what] = _evaluation(name, what, config, z)
            if name == "window_statistics" and references:
                found["missing"] = _evaluation(name, "missing", config, z, missing=missing)
            rows.append(Row(name, BUILT_IN[name], None, z, found))
            continue
        trainings = _trainings(name, stages)
        for stage in trainings:
            subset = "test" if stage.answers else "all"
            z = Node("embedding", stage.name, {"windows": subset}, (stage.node, data))
            of_labels = (stage.fraction,) if stage.labelled else None
            found = _evaluations(stage.name, config, z, of_labels) if probed else {}
            if stage.name in tried or name == headline:
                what = "missing" if probed else "recalled"
                found[what] = _evaluation(stage.name, what, config, z, missing=missing)
            if not stage.answers and stage is _fullest(trainings):
                for what in ("label_free", *several):
                    found[what] = _evaluation(stage.name, what, config, z)
            if stage.binding is not None:
                pairs = bindings[stage.binding].node
                found["binding"] = _evaluation(stage.name, "binding", config, pairs)
            if stage.method.common is not None:
                found["across"] = _evaluation(stage.name, "across", config, z)
            if dataset.factors and name == headline:
                found["information"] = _evaluation(stage.name, "information", config, z)
            rows.append(Row(stage.name, stage.label, stage, z, found))
    return tuple(rows)


def _evaluations(name, config, source, fractions=None):
    fractions = fractions or config["evaluation"]["fractions"]
    return {"probe": _evaluation(name, "probe", config, source, fractions=fractions)}


def _evaluation(name, what, config, source, **spec):
    spec |= {"what": what, "seed": config["seed"]}
    return Node("evaluation", f"{name}_{what}", spec, (source,))


def _trainings(name, stages):
    """The stages of a block: one, or one for each share of the labels."""
    return [stage for stage in stages.values() if stage.block_name == name]


def _tried_without_sensors(names, config, stages):
    """Stages of the rows that are tried without sensors: of each block its largest share of labels.

    Raw windows are left out: a probe of so many features takes longer than all other rows.
    """
    out = set()
    for name in names:
        if found := _trainings(name, stages):
            out.add(_fullest(found).name)
    return out


def _fullest(trainings):
    """The one of a block's trainings with the largest share of labels."""
    return max(trainings, key=lambda stage: stage.fraction if stage.labelled else 0)
