"""Compiled programs kept between runs: a second start of the same job compiles nothing."""

import os
import pathlib
import tempfile
import warnings
from typing import Literal

import jax

VARIABLE = "MMALIGN_COMPILATION_CACHE"


def enable_compilation_cache(
    folder: str | os.PathLike | Literal[False] | None = None,
) -> pathlib.Path | None:
    """Keeps compiled programs in a folder; call it before anything is compiled.

    folder: by default the variable MMALIGN_COMPILATION_CACHE, else mmalign/xla in the user's cache
      folder (XDG_CACHE_HOME or ~/.cache). False, or "off" in the variable, turns it off. A folder
      that jax was given already (JAX_COMPILATION_CACHE_DIR) is kept.
    The folder holds machine code that is run, so no one else should be able to write to it.
    Returns: the folder in use, or None; a folder that cannot be written is None and a warning.
    """
    if given := jax.config.values["jax_compilation_cache_dir"]:
        return pathlib.Path(given)
    folder = os.environ.get(VARIABLE) if folder is None else folder
    if folder is False or folder == "off":
        return None
    if not folder:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home, "mmalign", "xla")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        warnings.warn(f"programs are compiled at every start: {error}", stacklevel=2)
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # By default jax keeps only what took a second to compile: a small model's programs do not.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return pathlib.Path(folder)
