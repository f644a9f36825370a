"""Methods by name, and the contract that they keep."""

from mmalign.methods.contract import JOINT, Method, Modality, Target, Watch
from mmalign.methods.registry import METHODS, code, create

__all__ = ["JOINT", "METHODS", "Method", "Modality", "Target", "Watch", "code", "create"]
