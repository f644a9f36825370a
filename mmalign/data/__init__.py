"""Data sets, views on them, and batches from both."""
