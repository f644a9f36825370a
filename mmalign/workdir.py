"""The folder of a run, claimed for a config."""

import difflib
import json
import os
import pathlib

from ml_collections import ConfigDict

from mmalign.files import part_of, write_text

CONFIG = "config.json"


def claim(workdir: str | os.PathLike, config: ConfigDict) -> pathlib.Path:
    """Makes the folder, or goes on in it, and returns its path.

    `config.json` holds the resolved config of the latest run there. Where an earlier one had
    another, that is said: what it left as artifacts stays, its report among them.
    Raises: ValueError if the folder is of something else, or cannot be written.
    """
    folder = pathlib.Path(workdir).expanduser().absolute()
    text = json.dumps(json.loads(config.to_json()), indent=2, sort_keys=True) + "\n"
    path = folder / CONFIG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            unfinished = part_of(path)  # left by a start that was killed just here
            if stranger := next((x for x in folder.iterdir() if x != unfinished), None):
                raise ValueError(
                    f"workdir {folder} is not empty ({stranger.name} ...) and holds no run: name "
                    f"a new or empty folder with --workdir"
                )
            write_text(path, text)
    except OSError as error:
        raise ValueError(
            f"workdir {folder} cannot be written ({error.strerror}): name another with --workdir"
        ) from error
    if not os.access(folder, os.W_OK):
        raise ValueError(f"workdir {folder} cannot be written: name another with --workdir")
    before = path.read_text()
    if before != text:
        _say_what_changes(folder, before, text)
        write_text(path, text)
    return folder


def _say_what_changes(folder, before, text):
    changed = difflib.unified_diff(before.splitlines(), text.splitlines(), lineterm="", n=0)
    lines = [line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    shown = [*lines[:12], *(["..."] if len(lines) > 12 else [])]
    print(
        f"{folder} holds a run of another config; what both need is not computed again, and its "
        "report stays among the artifacts. The difference:\n" + "\n".join(shown)
    )
