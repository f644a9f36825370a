"""A run: stages, reference rows, evaluation, report."""

import functools
import json
import time

import jax
import numpy as np

from mmalign import evaluation, methods, plan, report, training
from mmalign.data import catalogue, feed
from mmalign.methods import JOINT
from mmalign.workdir import claim, write_text

RAW, RANDOM = "Raw windows", "Random encoder"


def run(config, workdir):
    """Trains every stage, evaluates it beside the reference rows, writes the report.

    Started again with the same config it goes on where it stopped, to the same numbers.

    Args:
      config: ConfigDict, see configs/infomae.py.
      workdir: folder of the run; made if missing. Left there: config.json, data.json,
        metrics.jsonl, tensorboard/, checkpoints/, results.json, report.html.
    Returns: the contents of results.json.
    Raises: ValueError for what does not fit, before any training starts.
    """
    training.enable_compilation_cache()
    dataset = catalogue.load(config.data)
    stages = plan.stages(config, dataset)
    folder = claim(workdir, config)
    stats = feed.statistics(dataset)
    write_text(folder / "data.json", json.dumps(_describe(dataset, stats), indent=2) + "\n")

    mesh = training.data_mesh()
    writer = training.make_writer(folder, wandb=config.get("wandb"))
    data = feed.arrays(dataset, stats)
    held = training.replicate(data, mesh) if config.data.placement == "device" else data
    seconds, params = {}, {}
    before = _seconds_before(folder)
    try:
        for stage in stages.values():
            start = time.perf_counter()
            source = params.get(stage.source)
            params[stage.name] = _train(stage, config, held, stats, mesh, folder, writer, source)
            spent = round(time.perf_counter() - start, 2)
            seconds[stage.name] = max(spent, before.get(stage.name, 0.0))
    finally:
        writer.close()
    results = _evaluate(config, dataset, stages, params, data, mesh)
    results["seconds"] = seconds
    if jax.process_index() == 0:
        _report(folder, results, dataset)
    return results


def _seconds_before(folder):
    """Of each training, as an earlier start of this run that came to its end wrote them."""
    path = folder / "results.json"
    return json.loads(path.read_text()).get("seconds", {}) if path.exists() else {}


def _train(stage, config, data, stats, mesh, folder, writer, source):
    """Trains the stage, or what is left of it; returns its parameters."""
    block = stage.config
    streamed = config.data.placement == "host"
    prepare = (lambda stats, batch: feed.normalise(batch, stats)) if streamed else feed.gather
    ema = block.get("ema", 0.0)
    init = functools.partial(
        training.init_state, stage.method.init, stage.tx,
        training.stream_key(config.seed, f"{stage.name}/init"), plan.first_batch(stage, data),
        mesh=mesh, ema=ema > 0, source=source, patterns=stage.patterns,
    )  # fmt: skip
    step = training.make_train_step(
        stage.method.loss, stage.tx, prepare,
        num_steps=block["steps"], ema=ema,
    )  # fmt: skip
    rows_at = stage.view.rows
    with training.Checkpoints(
        folder / "checkpoints" / stage.name, config.checkpoint_every
    ) as checkpoints:
        state = training.train(
            stage.name, init, step,
            training.with_key(stats if streamed else data, config.seed, stage.name),
            None if streamed else rows_at,
            block["steps"],
            feed=feed.stream(data, rows_at, block["steps"]) if streamed else None,
            mesh=mesh, checkpoints=checkpoints, write=writer, progress=training.progress_bar,
            log_every=config.log_every, watches=stage.method.watches,
        )  # fmt: skip
    return state.params if state.ema is None else state.ema


def _evaluate(config, dataset, stages, params, data, mesh):
    """All records of the table, and what is known beyond it."""
    embed = functools.partial(evaluation.embed_all, data=data, mesh=mesh)
    first, last = (stages[config.stages[i]] for i in (0, -1))
    untrained = training.init_state(
        first.method.init, first.tx, training.stream_key(config.seed, RANDOM),
        plan.first_batch(first, data), mesh=mesh,
    ).params  # fmt: skip
    contenders = {
        name: _contender(stages.get(name, first), values, dataset, embed)
        for name, values in {RANDOM: untrained, **params}.items()
    }
    parts = {name: found for name, (found, _) in contenders.items()}
    final, random = parts[last.name], parts.pop(RANDOM)
    results = {
        "method": config.stages[-1],
        "data": _describe(dataset),
        "headline": last.label,
        "records": _records(config, dataset, stages, random, parts),
        "config": json.loads(config.to_json()),
    }
    if dataset.factors:
        results["information"] = _information(final, dataset)
    rows = {name: contender for name, (_, contender) in contenders.items()}
    results["missing"] = _missing(config, dataset, stages, rows)
    results["map"] = final[JOINT]
    return results


def _contender(stage, params, dataset, embed):
    """Embeddings by a stage, and how it answers when sensors are missing.

    They are of all windows, but of the test windows alone for a network that answers itself.
    """
    variables, network = {"params": params}, stage.config["method"]["name"] in methods.LABELLED
    rows = evaluation.test_rows(dataset) if network else np.arange(len(dataset))
    embed = functools.partial(embed, stage.method.embed, variables, rows=rows)
    parts = embed()
    if stage.config["method"]["name"] in methods.CONCATENATED:
        parts[JOINT] = evaluation.side_by_side(parts, dataset)
        answer = functools.partial(evaluation.side_by_side, parts, dataset)
        return parts, evaluation.Contender(parts[JOINT], answer)
    part = "logits" if network else JOINT
    alone = {m: parts[m] for m in dataset.modalities}
    fuse = stage.method.fuse and jax.jit(stage.method.fuse)

    def answer(here):
        here = {m: x[rows] for m, x in here.items()}
        if fuse is None:
            return embed(present=here)[part]
        return jax.device_get(fuse(variables, alone, here)[part])

    return parts, evaluation.Contender(parts[part], answer, network)


def _missing(config, dataset, stages, contenders):
    """The rows of the table with sensors missing; of a supervised one its largest share of labels.

    Raw windows are left out: a probe of so many features takes longer than all other rows.
    """
    options = evaluation.missing_options(config.evaluation.get("missing"), dataset.modalities)
    last = stages[config.stages[-1]]
    rows = {}
    if options["references"]:
        share = lambda stage: stage.config["view"].get("fraction", 1.0)
        most = {s.label: s for s in sorted(stages.values(), key=share)}
        named = dict.fromkeys(s.label for s in stages.values() if s.name not in config.stages)
        named |= dict.fromkeys(stages[name].label for name in config.stages)
        rows = {RANDOM: contenders[RANDOM]}
        rows |= {label: contenders[most[label].name] for label in named}
    rows[last.label] = contenders[last.name]
    sets = evaluation.sensor_sets(
        dataset.modalities, devices=options["devices"], limit=options["limit"], seed=config.seed
    )
    return evaluation.missing_sensors(
        rows, dataset, sets, evaluation.patterns(options), heads=options["heads"], seed=config.seed
    )


def _records(config, dataset, stages, untrained, parts):
    """The table: what needs no training, supervised networks, references, the method itself."""
    rows = {RAW: evaluation.raw_features(dataset), RANDOM: untrained}
    probed = [name for name, z in parts.items() if "logits" not in z]
    order = [name for name in probed if name not in config.stages] + list(config.stages)
    rows |= {stages[name].label: parts[name] for name in order}
    records = evaluation.evaluate(
        rows, dataset, fractions=config.evaluation.fractions, seed=config.seed
    )
    answers = [_network(stages[name], z["logits"], dataset, config.seed)
               for name, z in parts.items() if "logits" in z]  # fmt: skip
    at = next(i for i, r in enumerate(records) if r["row"] not in (evaluation.CHANCE, RAW, RANDOM))
    return records[:at] + answers + records[at:]


def _network(stage, logits, dataset, seed):
    """Record of a supervised network's own answers, its logits of the test windows."""
    test = evaluation.test_rows(dataset)
    fraction = stage.config["view"]["fraction"]
    return evaluation.record(
        stage.label, evaluation.Cell(JOINT, "network", fraction), dataset.label[test],
        {"predictions": logits.argmax(axis=-1)}, stage.view.windows, seed,
        dataset.num_classes,
    )  # fmt: skip


def _information(parts, dataset):
    """R^2 from each part of the embedding to every known factor."""
    train, test = dataset.split == 0, dataset.split == 1
    of = lambda rows: {name: x[rows] for name, x in dataset.factors.items()}
    return {
        part: evaluation.factor_r2(parts[part][train], of(train), parts[part][test], of(test))
        for part in ("shared", "private", JOINT)
        if part in parts
    }


def _describe(dataset, stats=None):
    d = dataset.description
    out = {
        "name": d.name,
        "windows": len(dataset),
        "subjects": len(set(dataset.group.tolist())),
        "classes": [*d.class_names] or [str(i) for i in range(dataset.num_classes)],
        "modalities": {
            m: {"shape": list(x.shape[1:]), "rate_hz": d.rate_hz[m], "unit": d.unit[m]}
            for m, x in dataset.inputs.items()
        },
        "citation": d.citation,
        "licence": d.licence,
    }
    if stats is not None:
        out["statistics"] = {m: {k: v.tolist() for k, v in s.items()} for m, s in stats.items()}
    return out


def _report(folder, results, dataset):
    embedding = results.pop("map")
    test = evaluation.test_rows(dataset)
    report.write_results(folder / "results.json", results)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    page = report.write(
        folder, results, metrics=[json.loads(line) for line in lines],
        embedding=embedding[test], label=dataset.label[test],
    )  # fmt: skip
    print(f"\n{report.probe_table(results['records']).text()}\n")
    for part, r2 in results.get("information", {}).items():
        print(f"R^2 from {part}: " + ", ".join(f"{k} {v:.2f}" for k, v in r2.items()))
    print(f"Report: {page}")
