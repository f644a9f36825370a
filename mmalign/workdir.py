"""The folder of a run: claimed once, for one config, and never for another."""

import difflib
import json
import os
import pathlib


def claim(workdir, config):
    """Makes the folder, or resumes in it, and returns its path.

    `config.json` holds the resolved config; a run in the same folder must have the same.
    Raises: ValueError with the difference if the folder holds another config, or cannot be
      written.
    """
    folder = pathlib.Path(workdir).expanduser().absolute()
    text = json.dumps(json.loads(config.to_json()), indent=2, sort_keys=True) + "\n"
    path = folder / "config.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            unfinished = _part(path)  # left by a start that was killed just here
            if stranger := next((x for x in folder.iterdir() if x != unfinished), None):
                raise ValueError(
                    f"workdir {folder} is not empty ({stranger.name} ...) and holds no run: name "
                    f"a new or empty folder with --workdir"
                )
            write_text(path, text)
            return folder
    except OSError as error:
        raise ValueError(
            f"workdir {folder} cannot be written ({error.strerror}): name another with --workdir"
        ) from error
    if not os.access(folder, os.W_OK):
        raise ValueError(f"workdir {folder} cannot be written: name another with --workdir")
    before = path.read_text()
    if before != text:
        lines = difflib.unified_diff(
            before.splitlines(), text.splitlines(), "the run there", "this run", lineterm="", n=0
        )
        raise ValueError(
            f"workdir {folder} holds a run with another config; name another folder with "
            f"--workdir. The difference:\n" + "\n".join(lines)
        )
    return folder


def write_text(path, text):
    """Writes the file as a whole or not at all."""
    _part(path).write_text(text)
    os.replace(_part(path), path)


def _part(path):
    return path.with_name(path.name + ".part")
