"""Measurements of speed and memory, beside PyTorch."""
