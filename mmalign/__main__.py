"""Runs a config: python -m mmalign --config=infomae [--workdir=DIR] [--config.seed=1 ...]."""

from mmalign.main import command

if __name__ == "__main__":
    command()
