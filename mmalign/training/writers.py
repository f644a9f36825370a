"""Where scalars go. `metrics.jsonl` is the record; TensorBoard files and wandb are copies.

A writer has `scalars(step, {"stage/metric": float})`, `rewind(stage, step)`, which forgets what a
stage wrote beyond that step, and `close()`. Steps count within a stage.
"""

import json
import math
import os

import jax


class JsonlWriter:
    """A line a step: {"step": 50, "pretrain/loss": 0.7}. What is not finite becomes null."""

    def __init__(self, path):
        """path: appended to; a last line that was cut off is dropped."""
        self._path = path
        self._keep(lambda line: True)

    def scalars(self, step, values):
        """Appends the line and hands it to the operating system."""
        values = {key: value if math.isfinite(value) else None for key, value in values.items()}
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()

    def rewind(self, stage, step):
        """Drops the stage's lines beyond `step`."""
        self._file.close()
        own = lambda line: any(key.startswith(f"{stage}/") for key in line)
        self._keep(lambda line: line["step"] <= step or not own(line))

    def close(self):
        """Closes the file."""
        self._file.close()

    def _keep(self, wanted):
        """Opens the file for appending, after rewriting it without unwanted lines."""
        if os.path.exists(self._path):
            with open(self._path) as file:
                lines = file.readlines()
            kept = [line for line in lines if line.endswith("\n") and wanted(json.loads(line))]
            if kept != lines:
                with open(f"{self._path}.new", "w") as file:
                    file.writelines(kept)
                os.replace(f"{self._path}.new", self._path)
        self._file = open(self._path, "a")  # noqa: SIM115


class TensorBoardWriter:
    """Event files, in a folder per stage since a rewind concerns a folder."""

    def __init__(self, folder):
        """folder: gets a subfolder per stage."""
        self._folder, self._writers = folder, {}

    def scalars(self, step, values):
        """One event per value."""
        for key, value in values.items():
            stage = key.split("/")[0]
            if stage not in self._writers:
                self._writers[stage] = self._open(stage)
            if math.isfinite(value):  # tensorboardX warns of others
                self._writers[stage].add_scalar(key, value, step)

    def rewind(self, stage, step):
        """Makes readers ignore the stage's events beyond `step`."""
        if stage in self._writers:
            self._writers[stage].close()
        self._writers[stage] = self._open(stage, purge_step=step + 1)

    def close(self):
        """Writes what is left."""
        for writer in self._writers.values():
            writer.close()

    def _open(self, stage, purge_step=None):
        from tensorboardX import SummaryWriter

        folder = os.path.join(self._folder, stage)
        os.makedirs(folder, exist_ok=True)
        # Names go by the second: without a suffix a quick restart overwrites the file before.
        suffix = f".{len(os.listdir(folder))}"
        return SummaryWriter(folder, purge_step=purge_step, filename_suffix=suffix)


class WandbWriter:
    """A Weights & Biases run; needs `pip install mmalign[wandb]`."""

    def __init__(self, folder, **options):
        """options: of `wandb.init`, project for instance; give an id for a run that may resume."""
        import wandb

        self._run = wandb.init(dir=folder, resume="allow", **options)
        self._known = set()

    def scalars(self, step, values):
        """Logs against "<stage>/step", as wandb's own step may not go back at the next stage."""
        stage = next(iter(values)).split("/")[0]
        if stage not in self._known:
            self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
            self._known.add(stage)
        self._run.log({f"{stage}/step": step, **values})

    def rewind(self, stage, step):
        """Nothing: wandb forgets nothing; repeated steps are drawn twice."""

    def close(self):
        """Ends the run."""
        self._run.finish()


class MultiWriter:
    """Several writers as one, and a context manager that closes them."""

    def __init__(self, writers):
        """writers: may be empty."""
        self._writers = list(writers)

    def scalars(self, step, values):
        """To all."""
        for writer in self._writers:
            writer.scalars(step, values)

    def rewind(self, stage, step):
        """To all."""
        for writer in self._writers:
            writer.rewind(stage, step)

    def close(self):
        """To all."""
        for writer in self._writers:
            writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def make_writer(workdir, *, tensorboard=True, wandb=None):
    """Record and copies of a run: `metrics.jsonl` and `tensorboard/` in workdir; process 0 only.

    wandb: options of `wandb.init` as a mapping, or None for none.
    """
    if jax.process_index():
        return MultiWriter([])
    os.makedirs(workdir, exist_ok=True)
    copies = [] if wandb is None else [WandbWriter(workdir, **wandb)]
    if tensorboard:
        copies.append(TensorBoardWriter(os.path.join(workdir, "tensorboard")))
    return MultiWriter([JsonlWriter(os.path.join(workdir, "metrics.jsonl")), *copies])
