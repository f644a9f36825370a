"""Recordings as people have them, files with time stamps, cut into windows."""

from mmalign.data.recordings.reader import load
from mmalign.data.recordings.understood import Understood, understand

__all__ = ["Understood", "load", "understand"]
