"""How long what is left of a grid of runs will take, by what is finished or was tried."""

from collections.abc import Iterable, Mapping

import numpy as np

from mmalign.graph import Node, Store
from mmalign.plan import Plan


class Pace:
    """Of the trainings and evaluations of several plans, each counted once."""

    def __init__(self, plans: Iterable[Plan], store: Store, tried: Mapping[str, float] = {}):
        """store: where finished ones are. tried: {block: seconds of one of its steps}."""
        self._store, self._tried = store, dict(tried)
        self._trainings: dict[str, tuple[Node, str, int]] = {}
        self._evaluations: dict[str, tuple[Node, str]] = {}
        for planned in plans:
            for stage in planned.stages.values():
                of = (stage.node, stage.block_name, stage.block["steps"])
                self._trainings[stage.node.digest] = of
            for row in planned.rows:
                for what, node in row.evaluations.items():
                    self._evaluations[node.digest] = (node, f"{row.name} {what}")

    def left(self) -> float | None:
        """Seconds; None as long as there is nothing to tell them by."""
        steps = self._left(self._trainings.values(), self._tried)
        rest = self._left(((node, name, 1) for node, name in self._evaluations.values()), {})
        return None if steps is None else steps + (rest or 0.0)

    def count(self) -> tuple[int, int]:
        """(Trainings and evaluations that are finished, all of them)."""
        nodes = [of[0] for of in (*self._trainings.values(), *self._evaluations.values())]
        return sum(self._store.facts(node) is not None for node in nodes), len(nodes)

    def said(self) -> str:
        """How far it is, for the beginning of a line: "[3 of 20, about 4 min left]"."""
        done, total = self.count()
        left = self.left()
        time = "" if left is None else f", about {left / 60:.0f} min left"
        return f"[{done} of {total}{time}]"

    def _left(self, found, tried):
        """Seconds of what is not finished: of [(node, name, size)], by seconds for size 1."""
        known: dict[str, list[float]] = {}
        waiting = []
        for node, name, size in found:
            facts = self._store.facts(node)
            if facts is None:
                waiting.append((name, size))
            elif size and "seconds" in facts:
                known.setdefault(name, []).append(facts["seconds"] / size)
        rates = {**tried, **{name: float(np.mean(x)) for name, x in known.items()}}
        if not waiting:
            return 0.0
        if not rates:
            return None
        usual = float(np.mean([*rates.values()]))
        return sum(size * rates.get(name, usual) for name, size in waiting)
