"""Several processes as one run: how they join, which of them writes, and how they agree."""

import os
import time
from collections.abc import Callable
from typing import Any

import jax

_HEARTBEAT_S = 20  # without a sign of life from a process the others end
AUTO, OFF = "auto", "off"


def join(how: str = AUTO) -> None:
    """Joins the other processes of a run, before anything touches a device.

    how: "ADDRESS:PORT,COUNT,NUMBER", of the first process, how many there are, and which this is;
      "auto", if the variables of SLURM, Open MPI, a TPU pod or of jax itself
      (JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID) say that there are several;
      "off", never.
    Raises: ValueError for anything else.
    """
    if how == OFF or (how == AUTO and not _several()):
        return
    given: dict[str, Any] = {}
    if how != AUTO:
        address, *numbers = how.split(",")
        if len(numbers) != 2 or ":" not in address or not all(x.isdigit() for x in numbers):
            raise ValueError(
                f"--distributed must be 'auto', 'off' or 'ADDRESS:PORT,COUNT,NUMBER', got {how!r}"
            )
        given = dict(zip(("num_processes", "process_id"), map(int, numbers)))
        given["coordinator_address"] = address
    elif "JAX_PROCESS_ID" in os.environ and "JAX_NUM_PROCESSES" in os.environ:
        given = {"num_processes": int(os.environ["JAX_NUM_PROCESSES"]),
                 "process_id": int(os.environ["JAX_PROCESS_ID"])}  # fmt: skip
    jax.distributed.initialize(**given, heartbeat_timeout_seconds=_HEARTBEAT_S)


def _several():
    """Whether the environment says that there are several processes."""
    many = lambda name: os.environ.get(name, "1").isdigit() and int(os.environ.get(name, "1")) > 1
    slurm = "SLURM_PROCID" in os.environ and (many("SLURM_NTASKS") or many("SLURM_STEP_NUM_TASKS"))
    pod = "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")
    return slurm or pod or many("OMPI_COMM_WORLD_SIZE") or (
        "JAX_COORDINATOR_ADDRESS" in os.environ and many("JAX_NUM_PROCESSES")
    )  # fmt: skip


def several() -> bool:
    """Whether this process is one of several."""
    return jax.process_count() > 1


def first() -> bool:
    """Whether this is the process that writes, and that does what one alone has to do."""
    return jax.process_index() == 0


def agreed(yes: bool) -> bool:
    """What the first process says; all have to ask."""
    if not several():
        return yes
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(yes))


def wait_until(done: Callable[[], bool]) -> None:
    """Waits for what the first process does, however long: a dead one ends this process."""
    while not done():
        time.sleep(0.05)
