"""Artifacts at the hash of what they depend on: computed once, found again by whoever asks.

A node is a slice of a resolved config and the nodes that it is computed from. Its artifact is a
folder named by the hash of all that, so that rows, seeds, configs and experiments that need the
same thing share it, and a run that was interrupted anywhere finds what was finished.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmalign.files import write_text

COMPLETE, LOCK, NODE = "complete.json", "lock", "node.json"


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

    def path(self, node: Node) -> pathlib.Path:
        """Where the artifact is or will be."""
        return self.folder / node.folder

    def facts(self, node: Node) -> dict | None:
        """What `make` returned of a finished artifact; None if it is not finished."""
        try:
            return json.loads((self.path(node) / COMPLETE).read_text())
        except FileNotFoundError:
            return None

    def get(self, node: Node, make: Callable[[pathlib.Path], dict | None]) -> pathlib.Path:
        """Path of the artifact, computed by `make(path)` if it is not there.

        One process computes a node, others that want it wait. A process that dies lets go, and the
        next starts in the folder that it left, where `make` may find its checkpoints.
        """
        path = self.path(node)
        if self.facts(node) is None:
            path.mkdir(parents=True, exist_ok=True)
            with self._alone(node, path / LOCK):
                if self.facts(node) is None:  # else another process computed it meanwhile
                    write_text(path / NODE, json.dumps(_shown(node), indent=2) + "\n")
                    write_text(path / COMPLETE, json.dumps(make(path) or {}) + "\n")
        return path

    @contextlib.contextmanager
    def _alone(self, node: Node, path: pathlib.Path) -> Iterator[None]:
        """Holds the lock of a node, which the system takes back from a process that dies."""
        with open(path, "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "another process"
                self._say(f"{node.kind} {node.name!r} is being computed by {owner}: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            file.truncate()
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"process {os.getpid()} of {socket.gethostname()} since {now}")
            file.flush()
            yield


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
