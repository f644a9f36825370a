"""Runs a config: python -m mmalign.main --config=configs/infomae.py [--workdir=DIR]."""

import hashlib
import pathlib
import sys

from absl import app, flags, logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; by default runs/<config>-<hash of the resolved config>."
)


def main(argv):
    """Trains, evaluates, reports; user errors end in one line and exit code 1."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; options start with --config.")
    if _CONFIG.value is None:
        raise app.UsageError("--config is missing, for instance --config=configs/infomae.py")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # orbax tells every step of every save
    import mmalign

    try:
        mmalign.run(_CONFIG.value, _WORKDIR.value or _default_workdir(_CONFIG.value))
    except (ValueError, TypeError, FloatingPointError, OSError) as error:
        if flags.FLAGS["verbosity"].present:  # --verbosity=0 shows where it comes from
            raise
        sys.exit(f"error: {error}")
    except SystemExit as stop:  # training.Preempted
        print(stop, file=sys.stderr)
        raise


def parse(argv):
    """absl's parser of flags; what does not fit the config ends in one line, not in a traceback."""
    try:
        return flags.FLAGS(argv)
    except (flags.Error, OSError) as error:
        # of an error inside the config file this is the traceback as text, the error its last line
        sys.exit(f"error: {str(error).strip().splitlines()[-1].strip()}")
    except (AttributeError, KeyError) as error:  # ml_collections, for a key that is not there
        while isinstance(error, BaseException):
            error = error.args[0]
        sys.exit(f"error: the config has no {'. '.join(error.splitlines())}")


def _default_workdir(config):
    """The same command finds its run again; another config gets another folder."""
    name = pathlib.Path(str(flags.FLAGS["config"].config_filename).partition(":")[0]).stem
    digest = hashlib.sha256(config.to_json(sort_keys=True).encode()).hexdigest()[:8]
    return pathlib.Path("runs", f"{name}-{config.data.name}-{digest}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
