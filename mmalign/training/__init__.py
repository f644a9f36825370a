"""From a loss to trained weights: state, optimizer, step, loop, checkpoints, record."""

from mmalign.files import Damaged
from mmalign.training.adamw import make_schedule
from mmalign.training.cache import enable_compilation_cache
from mmalign.training.checkpoints import Checkpoints
from mmalign.training.loop import drawn, step_program, streamed, train
from mmalign.training.mesh import data_mesh, replicate, replicated, split_rows
from mmalign.training.optimizer import make_optimizer
from mmalign.training.paths import flat, left_out, path_names, warm_start
from mmalign.training.preemption import Preempted
from mmalign.training.program import compile_step
from mmalign.training.progress import progress_bar
from mmalign.training.record import Record
from mmalign.training.state import TrainState, init_state, stream_key, with_key
from mmalign.training.step import make_train_step
from mmalign.training.stopping import EarlyStopping
from mmalign.training.writers import make_writer

__all__ = [
    "Checkpoints",
    "Damaged",
    "EarlyStopping",
    "Preempted",
    "Record",
    "TrainState",
    "compile_step",
    "data_mesh",
    "drawn",
    "enable_compilation_cache",
    "flat",
    "init_state",
    "left_out",
    "make_optimizer",
    "make_schedule",
    "make_train_step",
    "make_writer",
    "path_names",
    "progress_bar",
    "replicate",
    "replicated",
    "split_rows",
    "step_program",
    "stream_key",
    "streamed",
    "train",
    "warm_start",
    "with_key",
]
