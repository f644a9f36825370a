"""Data sets, samplers of their rows, and batches from both."""
