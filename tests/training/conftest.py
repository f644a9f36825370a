"""The toy problem."""

import importlib.util
import pathlib

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="session")
def toy():
    """The module toy.py."""
    spec = importlib.util.spec_from_file_location("toy", HERE / "toy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
