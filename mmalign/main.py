"""Runs a config: python -m mmalign --config=infomae [--workdir=DIR] [--config.seed=1 ...]."""

from mmalign.large_pages import start_with_large_pages
from mmalign.signals import Stopped, end, leave_at_signals, stop_at_signals

if __name__ == "__main__":
    start_with_large_pages()
    leave_at_signals()  # before imports that take a second

import errno
import functools
import hashlib
import importlib.util
import os
import pathlib
import re
import sys
import traceback
from collections.abc import Callable

from absl import app, flags, logging
from ml_collections import config_dict, config_flags

from mmalign import configs, options
from mmalign.data.catalogue import SOURCES

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Name of a config, or path of a file with one, and behind a colon what it "
    "takes: infomae:uci_har. Every value is a flag of its own: --config.seed=1",
)  # fmt: skip
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; by default runs/<config>-<data>-<hash of all values>",
)  # fmt: skip
_ARTIFACTS = flags.DEFINE_string(
    "artifacts", None, "Folder of what was trained, shared between runs; by default "
    "<workdir>/artifacts, or runs/artifacts without --workdir",
)  # fmt: skip
_DISTRIBUTED = flags.DEFINE_string(
    "distributed", "auto", "Joins several processes into one run, which have to share a disk: "
    "ADDRESS:PORT,COUNT,NUMBER; auto: as SLURM, Open MPI, a TPU pod or JAX_* variables say; off",
)  # fmt: skip
# Blocks whose keys are checked by whoever reads them, so that flags may add some.
_OPEN = {"wandb", "options", "missing", "devices"}


class _Parser(flags.ArgumentParser):
    """Reads the value of --config."""

    def parse(self, argument: str) -> config_dict.ConfigDict:
        """The config, locked, with room for what flags add to its open blocks."""
        name, *words = argument.split(":", 1)
        path = _file(name)
        config = _made(path, words)
        if not isinstance(config, config_dict.ConfigDict):
            kind = type(config).__name__
            raise ValueError(f"get_config of {path} must return a ConfigDict, got {kind}")
        for added in filter(None, (re.match(r"--?config\.([\w.]+)", x) for x in sys.argv)):
            _admit(config, added[1].split("."))
        return config.lock()


def _made(path, words):
    """What get_config of a file returns; whatever it fails by becomes a ValueError."""
    spec = importlib.util.spec_from_file_location("config", path)
    assert spec is not None and spec.loader is not None  # a path that ends in .py has both
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise ValueError(f"{path} has no function get_config")
        return module.get_config(*words)
    except (ValueError, TypeError):
        raise
    except Exception as error:  # of a file of the user's own
        lines = [x.lineno for x in traceback.extract_tb(error.__traceback__)
                 if pathlib.Path(x.filename) == path.absolute()]  # fmt: skip
        where = f", line {lines[-1]}" if lines else ""
        raise ValueError(f"{path}{where} cannot be run: {type(error).__name__}: {error}") from error


flags.FLAGS["config"].parser = _Parser()


def command() -> None:
    """The program, with the arguments that it was started with."""
    sys.path.append(os.getcwd())  # as python -m does, for functions of the user's own
    for flag in (_CONFIG, _WORKDIR, _ARTIFACTS, _DISTRIBUTED):  # for --help, whoever started it
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[flag.name])
    leave_at_signals()
    try:
        app.run(functools.partial(main, ready=stop_at_signals), flags_parser=parse)
    except Stopped as stop:
        end(str(stop), stop.number)


def main(argv: list[str], ready: Callable[[], None] = lambda: None) -> None:
    """Trains, evaluates, reports; user errors end in one line and exit code 1.

    ready: called when all that a run needs is imported: an exception in the middle of jaxlib's own
      start ends the process by a segmentation fault.
    """
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}: {_meant(argv[1])}")
    if _CONFIG.value is None:
        sys.exit(_no_config())
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # orbax tells every step of every save
    import mmalign

    workdir, artifacts = _WORKDIR.value, _ARTIFACTS.value
    if workdir is None:
        name = config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")[0]
        workdir = _default_workdir(pathlib.Path(name).stem, _CONFIG.value)
        artifacts = artifacts or workdir.with_name("artifacts")
    from mmalign import compare, processes, training, walk  # noqa: F401  as mmalign.run does

    ready()
    try:
        processes.join(_DISTRIBUTED.value)
        mmalign.run(_CONFIG.value, workdir, artifacts=artifacts)
    except (ValueError, TypeError, FloatingPointError, OSError, ImportError) as error:
        if flags.FLAGS["verbosity"].present:  # --verbosity=0 shows where it comes from
            raise
        _end(f"error: {_full(error, workdir) or error}")
    except RuntimeError as error:  # of collectives, among others
        if not processes.several():
            raise
        said = str(error).strip().partition("\n")[0]
        _end(f"error: another process of this run has ended ({said}): start all of them again")
    except training.Preempted as stop:
        if not processes.several():
            raise
        print(stop, file=sys.stderr)  # these end together, which takes jax's own way out
        sys.exit(stop.code)


def _full(error, workdir):
    """What to say of a full disk; "" for any other error."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    return (f"no space is left on the disk of {error.filename or workdir}: make room and start "
            "again; what was finished is kept")  # fmt: skip


def _end(message):
    """Ends the program with code 1; of several processes without waiting for the others."""
    from mmalign import processes

    if processes.several():
        print(message, file=sys.stderr, flush=True)
        os._exit(1)
    sys.exit(message)


def parse(argv: list[str]) -> list[str]:
    """absl's parser of flags; what does not fit the config ends in one line, not in a traceback."""
    try:
        return flags.FLAGS(argv)
    except (flags.Error, OSError) as error:
        if not any(re.match("--?config(=|$)", x) for x in argv):
            sys.exit(_no_config())
        sys.exit(f"error: {error}{_next_step(str(error))}")
    except (AttributeError, KeyError) as error:  # ml_collections, for a key that is not there
        while isinstance(error, BaseException):
            error = error.args[0]
        sys.exit(f"error: the config has no {'. '.join(error.splitlines())}")


def _no_config():
    names = options.listed(_names())
    return f"error: --config is missing, for instance --config=infomae; there is {names}"


def _next_step(error):
    """What would do where ml_collections does not say it, or ""."""
    if "before a value for --config" in error:
        return ": write --config=NAME first"
    if "as a ConfigDict" in error and (flag := re.search(r"flag (--?config[\w.]*)=", error)):
        return f" It has values of its own: give each, {flag[1]}.NAME=VALUE"
    return ""


def _meant(argument):
    """What an argument that is no option might be."""
    if argument.partition(":")[0] in _names():
        return f"a config is named by --config={argument}"
    if pathlib.Path(argument).exists():
        return f"files are named by --config.data.path={argument}"
    return "options look like --config.seed=1"


def _names():
    """Of the configs that come with the package."""
    files = pathlib.Path(*configs.__path__).glob("*.py")
    return {path.stem for path in files} - {"common", "__init__"}


def _file(name):
    """Path of a config: `name` itself, or of what is called so and comes with the package.

    configs/infomae.py is found where there is no checkout, too.
    """
    path = pathlib.Path(name)
    if path.suffix == ".py":
        if path.is_file():
            return path
        if path.parent != pathlib.Path("configs"):
            raise ValueError(
                f"there is no file {name}; by name there is {options.listed(_names())}"
            )
        name = path.stem
    first, *rest = re.split(r"[,\s]+", name)
    if rest and first in _names():
        raise ValueError(f"what {first} takes stands behind a colon: {first}:{','.join(rest)}")
    if name in SOURCES:
        raise ValueError(f"{name!r} is a data set, which a config takes: --config=infomae:{name}")
    if path.exists() and name not in _names():
        raise ValueError(
            f"{name} is no config, which ends in .py; data are named by a path of their own: "
            f"--config=infomae:npz --config.data.path={name}"
        )
    options.known("config", name, _names())
    return pathlib.Path(*configs.__path__, f"{name}.py")


def _admit(config, keys):
    """Makes room for the value at `keys`, if it is inside an open block."""
    start = next((i for i, key in enumerate(keys) if key in _OPEN), len(keys))
    block = config
    for i, key in enumerate(keys):
        if not isinstance(block, config_dict.ConfigDict) or (key not in block and i <= start):
            return
        if key not in block:
            last = i == len(keys) - 1
            block[key] = config_dict.placeholder(object) if last else config_dict.ConfigDict()
        block = block[key]


def _default_workdir(name, config):
    """The same command finds its run again; another config gets another folder."""
    digest = hashlib.sha256(config.to_json(sort_keys=True).encode()).hexdigest()[:8]
    data = re.sub(r"[^\w.]", "-", config.data.name)
    return pathlib.Path("runs", f"{name}-{data}-{digest}")


if __name__ == "__main__":
    command()
