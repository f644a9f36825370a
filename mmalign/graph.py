"""Artifacts at the hash of what they depend on: computed once, found again by whoever asks.

A node is a slice of a resolved config and the nodes that it is computed from. Its artifact is a
folder named by the hash of all that, so that rows, seeds, configs and experiments that need the
same thing share it, and a run that was interrupted anywhere finds what was finished.
"""

import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from mmalign import processes
from mmalign.files import Damaged, write_text
from mmalign.locks import held

TRAINING = "training"  # the kind of node that all processes of a run compute together
COMPLETE, LOCK, NODE, SUMS = "complete.json", "lock", "node.json", "checksums.json"


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """What an artifact is and what it is computed from.

    kind: "training", "embedding", "evaluation", "report", or "data", which is no artifact.
    name: for people; part of the hash, as it is part of the folder's name.
    spec: all that decides the result beside the inputs, in types that JSON has.
    """

    kind: str
    name: str
    spec: Mapping[str, Any]
    inputs: tuple["Node", ...] = ()

    @functools.cached_property
    def digest(self) -> str:
        """Hash of the node and of all that it depends on, the package's version included."""
        parts = [self.kind, self.name, self.spec, [node.digest for node in self.inputs], _version()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Name of the artifact's folder."""
        name = re.sub(r"[^\w.]+", "_", self.name)
        return f"{self.kind}-{name}-{self.digest[:12]}"


class Store:
    """A folder of artifacts, which several runs may share, also at the same time."""

    def __init__(self, folder: str | os.PathLike, say: Callable[[str], None] = print):
        """folder: made when the first artifact is. say: told when another process is waited for."""
        self.folder, self._say = pathlib.Path(folder), say
        self._alone = False  # whether the first process works while the others wait

    def path(self, node: Node) -> pathlib.Path:
        """Where the artifact is or will be."""
        return self.folder / node.folder

    def facts(self, node: Node) -> dict | None:
        """What `make` returned of a finished artifact; None if it is not finished."""
        try:
            facts = json.loads((self.path(node) / COMPLETE).read_text())
        except (OSError, ValueError):  # not there, or damaged: whoever wants it makes it again
            return None
        return facts if isinstance(facts, dict) else None

    def get(self, node: Node, make: Callable[[pathlib.Path], dict | None]) -> pathlib.Path:
        """Path of the artifact, computed by `make(path)` if it is not there.

        One run computes a node, others that want it wait. A process that dies lets go, and the
        next starts in the folder that it left, where `make` may find its checkpoints. Of the
        processes of one run all take part in a TRAINING; anything else, with what it asks for
        meanwhile, is the first one's work, for which the others wait.
        """
        if not processes.several() or self._alone:
            return self._get(node, make)
        if node.kind == TRAINING:
            if not processes.agreed(self.facts(node) is not None):
                if processes.first():
                    self._get(node, make)
                else:
                    self.path(node).mkdir(parents=True, exist_ok=True)
                    make(self.path(node))
        elif processes.first():
            self._alone = True
            try:
                self._get(node, make)
            finally:
                self._alone = False
        processes.wait_until(lambda: self.facts(node) is not None)
        return self.path(node)

    def _get(self, node, make):
        if self.facts(node) is None:
            with self._owned(node):
                if self.facts(node) is None:  # else another process computed it meanwhile
                    self._make(node, make)
        return self.path(node)

    def _owned(self, node):
        """Inside, no other process computes it."""
        path = self.path(node)
        path.mkdir(parents=True, exist_ok=True)
        return held(path / LOCK, lambda owner: self._say(
            f"{node.kind} {node.name!r} is being computed by {owner}: waiting for it"
        ))  # fmt: skip

    def _make(self, node, make):
        path = self.path(node)
        write_text(path / NODE, json.dumps(_shown(node), indent=2) + "\n")
        facts = make(path) or {}
        write_text(path / SUMS, json.dumps(_sums(path)) + "\n")
        write_text(path / COMPLETE, json.dumps(facts) + "\n")

    def load(
        self, node: Node, make: Callable[[pathlib.Path], dict | None],
        read: Callable[[pathlib.Path], Any],
    ) -> Any:  # fmt: skip
        """`read(path)` of the artifact; what has changed, or is `Damaged`, is computed again."""
        path = self.get(node, make)
        if processes.several() and not self._alone:
            return read(path)  # what is damaged ends the run: all would have to find it so
        try:
            return _whole(path, read)
        except Damaged:
            with self._owned(node):  # another process may have computed it again meanwhile
                try:
                    return _whole(path, read)
                except Damaged as error:
                    self._say(f"{node.kind} {node.name!r} is computed again, as {path} is damaged: "
                              f"{error}")  # fmt: skip
                    (path / COMPLETE).unlink(missing_ok=True)
                    self._make(node, make)
        return read(path)


def _whole(folder, read):
    """What is read of an artifact whose files are what was written; raises Damaged."""
    _check_sums(folder)
    return read(folder)


def _sums(folder):
    """{name: checksum} of an artifact's files; checkpoints have their own."""
    about = (COMPLETE, LOCK, NODE, SUMS)
    return {path.name: zlib.crc32(path.read_bytes()) for path in sorted(folder.iterdir())
            if path.is_file() and path.name not in about}  # fmt: skip


def _check_sums(folder):
    """Raises Damaged for a file that is not what was written."""
    try:
        sums = json.loads((folder / SUMS).read_text())
    except (FileNotFoundError, ValueError) as error:
        raise Damaged(f"{SUMS} cannot be read ({error})") from error
    for name, known in sums.items():
        if not (folder / name).is_file():
            raise Damaged(f"{name} is missing")
        if zlib.crc32((folder / name).read_bytes()) != known:
            raise Damaged(f"{name} has changed since it was written")


@functools.cache
def _version() -> str:
    return importlib.metadata.version("mmalign")


def _shown(node: Node) -> dict:
    """What people and programs find beside an artifact: where it comes from."""
    return {
        "kind": node.kind,
        "name": node.name,
        "spec": dict(node.spec),
        "inputs": [x.folder for x in node.inputs],
        "mmalign": _version(),
    }
