"""The folder of a run, claimed for a config and for one process at a time."""

import contextlib
import difflib
import json
import os
import pathlib
from collections.abc import Iterator

from ml_collections import ConfigDict

from mmalign import processes
from mmalign.files import part_of, write_text
from mmalign.locks import held

CONFIG, LOCK = "config.json", ".lock"


@contextlib.contextmanager
def claimed(workdir: str | os.PathLike, config: ConfigDict) -> Iterator[pathlib.Path]:
    """Path of the folder, which is made if it is not there, and this process's alone meanwhile.

    `config.json` holds the resolved config of the latest run there. Where an earlier one had
    another, that is said: what it left as artifacts stays, its report among them.
    Raises: ValueError if the folder is of something else, in use, or cannot be written.
    """
    folder = pathlib.Path(workdir).expanduser().absolute()
    if not processes.first():
        yield folder
        return
    if "://" in str(workdir):
        raise ValueError(
            f"workdir {workdir} is not on a disk of this machine: name a folder, and copy it "
            "afterwards, or mount what it is on"
        )
    path = folder / CONFIG
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = part_of(path)  # left by a start that was killed just here
            ours = (LOCK, unfinished.name)
            if not _is_run(folder) and (
                stranger := next((x for x in folder.iterdir() if x.name not in ours), None)
            ):
                raise ValueError(
                    f"workdir {folder} is not empty ({stranger.name} ...) and holds no run: name "
                    f"a new or empty folder with --workdir"
                )
            stack.enter_context(held(folder / LOCK, lambda owner: _refuse(folder, owner)))
            _store(path, json.dumps(json.loads(config.to_json()), indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise ValueError(
                f"workdir {folder} cannot be written ({error.strerror}): name another with "
                "--workdir"
            ) from error
        yield folder


def _is_run(folder):
    """Whether a run claimed the folder: one that was copied may lack the lock."""
    try:
        return (folder / LOCK).exists() or "stages" in json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError, TypeError):
        return False


def _refuse(folder, owner):
    raise ValueError(
        f"workdir {folder} is in use by {owner}: wait for its end, or name another with --workdir"
    )


def _store(path, text):
    """Writes the config; what changes is said."""
    before = path.read_text(errors="replace") if path.exists() else text
    if before != text:
        _say_what_changes(path.parent, before, text)
    if before != text or not path.exists():
        write_text(path, text)


def _say_what_changes(folder, before, text):
    changed = difflib.unified_diff(before.splitlines(), text.splitlines(), lineterm="", n=0)
    lines = [line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    shown = [*lines[:12], *(["..."] if len(lines) > 12 else [])]
    print(
        f"{folder} holds a run of another config; what both need is not computed again, and its "
        "report stays among the artifacts. The difference:\n" + "\n".join(shown)
    )
