"""The examples in the pages give what they say."""

import doctest
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent


@pytest.mark.parametrize("page", ["README.md", "configs/README.md", "mmalign/losses/README.md"])
def test_examples_print_what_they_show(page):
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False)
    assert tried and not failed
