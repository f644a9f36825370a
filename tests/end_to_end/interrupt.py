"""Runs mmalign.main and sends the process a signal before a step.

python interrupt.py STAGE STEP SIGNAL FLAGS...
"""

import os
import runpy
import signal
import sys

from mmalign import training


def main():
    """The command of the rest of the arguments, cut off."""
    stage, step, number = sys.argv[1], int(sys.argv[2]), signal.Signals[sys.argv[3]]
    train = training.train

    def interrupted(name, init_state, train_step, data, rows_at, *args, **kwargs):
        def rows(at):
            if (name, at) == (stage, step):
                os.kill(os.getpid(), number)
            return rows_at(at)

        return train(name, init_state, train_step, data, rows, *args, **kwargs)

    training.train = interrupted
    sys.argv[1:4] = []
    runpy.run_module("mmalign.main", run_name="__main__")


if __name__ == "__main__":
    main()
