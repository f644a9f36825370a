"""A run: its graph walked, from trainings over embeddings and evaluations to the report."""

import functools
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax

from mmalign import fit, plan, processes, report, score, training
from mmalign.data import catalogue
from mmalign.data.pairs import Pairs
from mmalign.described import describe_run
from mmalign.graph import Store
from mmalign.pace import Pace
from mmalign.published import publish, write_report
from mmalign.stages import bound_stage, first_batch
from mmalign.summary import summary
from mmalign.workdir import claimed

ARTIFACTS = "artifacts"


def run(config, workdir: str | os.PathLike, artifacts: str | os.PathLike | None = None) -> dict:
    """Trains what is not trained yet, evaluates it beside the other rows, writes the report.

    Everything that is computed is kept as an artifact at the hash of what it depends on. Started
    again, with this config or another one, a run computes only what is not there.

    Args:
      config: ConfigDict, see configs/infomae.py.
      workdir: folder of the run; made if missing. Left there: config.json, data.json, run.json,
        results.json, report.html, metrics.jsonl, artifacts/.
      artifacts: folder of the artifacts, which runs may share; None: in the workdir.
    Returns: the contents of results.json.
    Raises: ValueError for what does not fit, before any training starts.
    """
    training.enable_compilation_cache()
    dataset = catalogue.load(config.data)
    planned = plan.plan(config, dataset)
    with claimed(workdir, config) as folder:
        store = Store(folder / ARTIFACTS if artifacts is None else artifacts)
        if processes.first():
            describe_run(folder, planned, store)
            print(summary(planned), flush=True)
        walk = Walk(planned, store)
        if processes.several():
            walk.train()
        made = store.load(planned.report, walk.report, pathlib.Path)
        if processes.first():
            return publish(made, folder)
        return report.read_results(made / "results.json")


class Walk:
    """Computes nodes of a plan, each when it is asked for and not there yet."""

    def __init__(self, planned: plan.Plan, store: Store):
        """store: where artifacts are looked for and left. `use` is what all of them share."""
        self._plan, self._store = planned, store
        self.use = fit.resources(planned.config, planned.dataset, planned.statistics)
        self._own = self.use  # where one process works while others wait, its devices alone
        if processes.several():
            self._own = self.use._replace(mesh=training.data_mesh(jax.local_devices()))
        # what was read: a cache of a bound method would hold it, and the walk, beyond their time
        self._variables: dict[str, Any] = {}
        self._parts: dict[str, Any] = {}

    def training(self, name: str, read: Callable[[pathlib.Path], Any] = pathlib.Path) -> Any:
        """`read` of the folder of a finished training: by default the folder."""
        stage = self._plan.stages[name]

        def make(folder):
            source = None if stage.source is None else self.variables(stage.source)
            learning = stage
            if stage.binding is not None:
                learning = bound_stage(stage, self.pairs(stage.binding), self.use.dataset)
            return fit.fit(folder, learning, self.use, source)

        return self._store.load(stage.node, make, read)

    def pairs(self, name: str) -> Pairs:
        """What a binding found."""
        bound = self._plan.bindings[name]

        def make(folder):
            parts, features = None, bound.binding.features
            if features is not None:
                parts = self._embedding(self._plan.stages[features], bound.embedding)
            score.bind(folder, bound.binding, parts, self._own, bound.node.spec["seed"])

        return self._store.load(bound.node, make, score.load_pairs)

    def report(self, folder: pathlib.Path) -> None:
        """Everything else first, then results.json, report.html and metrics.jsonl in the folder."""
        self.train()
        found = [of for row in self._plan.rows for of in self.found(row)]
        spent = sum(
            self._seconds(node) for row in self._plan.rows for node in row.evaluations.values()
        )
        parts = self.parts(self._plan.headline.name)
        write_report(folder, self._plan, found, self._trainings(), parts, round(spent, 2))

    def train(self) -> None:
        """All trainings, and, for processes that are to wait for each other, what they learnt."""
        pace = Pace([self._plan], self._store)
        new = {
            name: stage
            for name, stage in self._plan.stages.items()
            if stage.block["steps"] and self._store.facts(stage.node) is None
        }
        later = [] if processes.several() else [*new.values()][1:]
        with fit.compiled_ahead(later, self.use):
            for name in self._plan.stages:
                if name in new and processes.first():
                    print(f"{pace.said()} training {name}", flush=True)
                self.training(name)
                if processes.several():
                    self.variables(name)

    def found(self, row: plan.Row) -> list[tuple[plan.Row, str, Any]]:
        """[(row, what, records of that evaluation)], after the row's training."""
        if row.stage is not None:
            self.training(row.stage.name)
        return [(row, what, self._evaluation(row, node)) for what, node in row.evaluations.items()]

    def variables(self, name: str) -> dict[str, Any]:
        """Variables of a trained stage."""
        if name in self._variables:
            return self._variables[name]
        stage = self._plan.stages[name]
        read = functools.partial(
            fit.load_variables, method=stage.method, like=first_batch(stage, self.use.arrays),
            steps=stage.block["steps"], ema=bool(stage.block.get("ema")), mesh=self.use.mesh,
        )  # fmt: skip
        found = self.training(name, read)
        self._variables[name] = jax.device_get(found) if processes.several() else found
        return self._variables[name]

    def parts(self, name: str) -> Any:
        """Embeddings by a row's stage, or the features that it has in place of them."""
        if name not in self._parts:
            row, node = next(
                (row, row.embedding)
                for row in self._plan.rows
                if row.name == name and row.embedding
            )
            self._parts[name] = self._embedding(row.stage, node)
        return self._parts[name]

    def _embedding(self, stage, node):
        """Embeddings by a stage, None for window statistics."""

        def make(folder):
            if stage is None:
                return score.describe_windows(folder, self._own)
            return score.embed(folder, stage, self.variables(stage.name), self._own)

        return self._store.load(node, make, score.load_embedding)

    def _evaluation(self, row, node):
        parts, variables = (functools.partial(f, row.name) for f in (self.parts, self.variables))
        if node.spec["what"] == "binding":
            parts = functools.partial(self.pairs, row.stage.binding)

        def make(folder):
            start = time.perf_counter()
            score.evaluate(folder, node, row, parts, variables, self._own)
            return {"seconds": round(time.perf_counter() - start, 2)}

        return self._store.load(node, make, score.load_found)

    def _seconds(self, node):
        """What a finished training or evaluation took."""
        return (self._store.facts(node) or {})["seconds"]

    def _trainings(self):
        """{stage: (folder of its training, seconds that it took)}."""
        return {
            name: (self._store.path(stage.node), self._seconds(stage.node))
            for name, stage in self._plan.stages.items()
        }
