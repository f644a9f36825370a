"""The toy problem, and a way to run it as a program."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
UNREAD = "ignore:Error reading persistent compilation cache entry"  # as in pyproject.toml


@pytest.fixture(scope="session")
def toy():
    """The module toy.py."""
    spec = importlib.util.spec_from_file_location("toy", HERE / "toy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start_python():
    """Starts a Python program in another process: (*arguments, **environment) -> Popen."""
    running = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-W", UNREAD, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1])} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()
