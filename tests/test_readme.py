"""The README's examples give what it says."""

import doctest
import pathlib

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_examples_of_losses_print_what_they_show():
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried and not failed
