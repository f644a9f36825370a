"""The folder configs/ of a checkout as a part of the package; a wheel holds that folder here."""

import pathlib

__path__ = [str(pathlib.Path(__file__).parents[2] / "configs")]
