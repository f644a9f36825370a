"""Runs mmalign.main and sends the process a signal at a chosen moment.

python interrupt.py STAGE STEP SIGNAL FLAGS...    before a step of a stage
python interrupt.py files COUNT SIGNAL FLAGS...   when the run's files were opened or moved so often
"""

import os
import runpy
import signal
import sys

from mmalign import training


def before_step(stage, step, number):
    """Interrupts the stage where it asks for the batch of a step."""
    train = training.train

    def interrupted(init_state, train_step, data, batches, num_steps, *, record, **kwargs):
        def interrupting(start):
            for at, batch in enumerate(batches(start), start):
                if (record.name, at) == (stage, step):
                    os.kill(os.getpid(), number)
                yield batch

        return train(init_state, train_step, data, interrupting, num_steps, record=record, **kwargs)

    training.train = interrupted


def at_file(count, number, workdir):
    """Interrupts when Python opens or moves a file of the workdir for the `count`th time."""
    left = [count]

    def hook(event, arguments):
        if event in ("open", "os.rename", "os.mkdir") and str(arguments[0]).startswith(workdir):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), number)

    sys.addaudithook(hook)


def main():
    """The command of the rest of the arguments, cut off."""
    where, count, number = sys.argv[1], int(sys.argv[2]), signal.Signals[sys.argv[3]]
    if where == "files":
        (workdir,) = (x for x in sys.argv if x.startswith("--workdir="))
        at_file(count, number, workdir.removeprefix("--workdir="))
    else:
        before_step(where, count, number)
    sys.argv[1:4] = []
    runpy.run_module("mmalign.main", run_name="__main__")


if __name__ == "__main__":
    main()
