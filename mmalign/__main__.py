"""Runs a config: python -m mmalign --config=infomae [--workdir=DIR] [--config.seed=1 ...]."""

from mmalign.large_pages import start_with_large_pages
from mmalign.signals import leave_at_signals


def command() -> None:
    """The program, whose imports take a second in which it can be asked to end."""
    start_with_large_pages()
    leave_at_signals()
    from mmalign import main

    main.command()


if __name__ == "__main__":
    command()
