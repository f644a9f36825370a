"""A comparison: every cell of a grid as a run over one set of artifacts, then one page of all."""

import contextlib
import functools
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from mmalign import fit, grid, plan, processes, report, training
from mmalign.compared import gather
from mmalign.data import catalogue
from mmalign.described import describe_run
from mmalign.files import write_text
from mmalign.graph import Store
from mmalign.grid import Cell
from mmalign.pace import Pace
from mmalign.summary import summary
from mmalign.walk import ARTIFACTS, Walk
from mmalign.workdir import CONFIG, claimed

Plans = Mapping[Cell, plan.Plan]


def run(config, workdir: str | os.PathLike, artifacts: str | os.PathLike | None = None) -> dict:
    """Trains and evaluates what the grid of `config.compare` asks for, and ranks it.

    What two cells have in common is computed once, and what another run left among the artifacts
    is not computed again. Started again, a comparison goes on where it was.

    Args:
      config: ConfigDict, see configs/compare.py.
      workdir, artifacts: as for `walk.run`. Left in the workdir: results.json, results.csv (one
        line a record), report.html, and for `mmalign.load` the trainings of the first cell.
    Returns: the contents of results.json.
    Raises: ValueError for what does not fit, before any training starts.
    """
    if processes.several():
        raise ValueError("a comparison is of one process: side_by_side makes more on one machine")
    training.enable_compilation_cache()
    cells, dropped = grid.cells(config.compare.to_dict()), []
    plans = planned(config, cells, dropped)
    with claimed(workdir, config) as folder:
        return _run(config, folder, artifacts, plans, dropped)


def _run(config, folder, artifacts, plans, dropped):
    """The comparison in its folder."""
    store = Store(folder / ARTIFACTS if artifacts is None else artifacts)
    first = next(iter(plans.values()))
    print(summary(first), flush=True)
    plans, pace = _within(plans, config.compare.minutes, store, dropped)
    describe_run(folder, first, store)
    for said in (*dropped, _size(plans, pace)):
        print(said, flush=True)
    with _others(folder, store, [*plans], config.compare.side_by_side):
        found = {cell: _walked(cell, of, store, pace) for cell, of in plans.items()}
    results = gather(config, found, plans, store, dropped)
    report.write_results(folder / "results.json", results)
    write_text(folder / "results.csv", report.csv_of(results["records"]))
    write_text(folder / "report.html", report.comparison_page(results))
    print("\n" + "\n".join(results["advice"]) + f"\nReport: {folder / 'report.html'}")
    return report.read_results(folder / "results.json")


def planned(config, cells: tuple[Cell, ...], dropped: list[str]) -> Plans:
    """The plan of each cell; those of too few pairs are left out, and `dropped` is told."""
    fold_of, plans = {cell.fold: cell for cell in cells}, {}
    of_fold = lambda fold: grid.run_of(config, fold_of[fold]).data
    whole = catalogue.read(of_fold(cells[0].fold))
    data = functools.cache(lambda fold: catalogue.load(of_fold(fold), whole))
    measured = functools.cache(lambda fold: plan.measured(data(fold)))
    for cell in cells:
        of = grid.run_of(config, cell, sensors=cell == cells[0])
        try:
            known = functools.partial(measured, cell.fold)
            made = plan.plan(of, data(cell.fold), known)
            if made.unprobed is not None:
                raise ValueError(f"a comparison ranks by labels, and {made.unprobed.why}")
            plans[cell] = made
        except ValueError as error:
            if not any(c.fold == cell.fold and c.seed == cell.seed for c in plans):
                raise  # it is not for want of pairs
            dropped.append(f"Left out, {cell}: {error}")
    return plans


def _within(plans, minutes, store, dropped):
    """(The plans that fit the budget, their Pace): seeds are left out first, then shares of pairs.

    Without a budget nothing is tried, and the pace is known once something is finished.
    """
    pace = Pace(plans.values(), store)
    if minutes is None:
        return plans, pace
    tried = _tried(next(iter(plans.values())), store)
    for kept in _smaller([*plans]):
        pace = Pace([plans[cell] for cell in kept], store, tried)
        if (pace.left() or 0) <= 60 * minutes:
            break
    else:
        dropped.append(
            f"One cell alone takes more than {minutes:g} minutes: it is run all the same"
        )
    dropped += [f"Left out for want of minutes: {cell}" for cell in plans if cell not in kept]
    return {cell: plans[cell] for cell in kept}, pace


def _tried(planned, store):
    """{block: seconds of a step} of the trainings that are not finished.

    And what rows without a training are evaluated by is done, which tells what evaluations take.
    """
    walk = Walk(planned, store)
    for row in planned.rows:
        if row.stage is None:
            walk.found(row)
    return {
        stage.block_name: fit.seconds_of_a_step(stage, walk.use)
        for stage in planned.stages.values() if store.facts(stage.node) is None
    }  # fmt: skip


def _smaller(cells):
    """Ever smaller parts of the cells: fewer seeds, then of the pairs both ends, then the most."""
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    pairs = list(dict.fromkeys(cell.pairs for cell in cells))
    for count in range(len(seeds), 0, -1):
        yield [cell for cell in cells if cell.seed in seeds[:count]]
    for some in ((pairs[0], pairs[-1]), pairs[:1]):
        yield [cell for cell in cells if cell.seed == seeds[0] and cell.pairs in some]


def _size(plans, pace):
    done, total = pace.count()
    left = pace.left()
    time = "" if left is None else f", about {left / 60:.0f} minutes"
    return f"{len(plans)} cells, {total} trainings and evaluations ({done} are there){time}"


def _walked(cell, planned, store, pace):
    """[(row, what, records)] of a cell."""
    walk, found = Walk(planned, store), []
    for row in planned.rows:
        if any(store.facts(node) is None for node in row.evaluations.values()):
            print(f"{pace.said()} {cell}: {row.label}", flush=True)
        found += walk.found(row)
    return found


@contextlib.contextmanager
def _others(folder, store, cells, count):
    """`count` - 1 processes that work on the same cells while this one does.

    Each begins with another cell; what one computes the rest find. They end with this one, and what
    they say is in the workdir.
    """
    processes = []
    for i in range(1, count):
        at = i * len(cells) // count
        command = [sys.executable, "-m", "mmalign.compare", str(folder),
                   str(store.folder.absolute()), json.dumps(cells[at:] + cells[:at])]  # fmt: skip
        with open(folder / f"process-{i}.log", "w") as log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def other(folder: str, artifacts: str, cells: str) -> None:
    """What another process does. cells: in JSON, in its order."""
    training.enable_compilation_cache()
    config: Any = ConfigDict(json.loads(pathlib.Path(folder, CONFIG).read_text()))
    store, plans = Store(artifacts), planned(config, grid.cells(config.compare.to_dict()), [])
    for cell in (Cell(*cell) for cell in json.loads(cells)):
        _walked(cell, plans[cell], store, Pace([plans[cell]], store))


if __name__ == "__main__":
    other(*sys.argv[1:])
