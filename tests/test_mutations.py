"""The table of mutations is of the code as it stands; whether tests kill them is run by hand."""

import importlib.util
import pathlib

import pytest

PATH = pathlib.Path(__file__).with_name("mutations.py")
SPEC = importlib.util.spec_from_file_location("mutations", PATH)
mutations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutations)
TABLE = mutations.table()


@pytest.mark.parametrize("method", dict.fromkeys(m.method for m in TABLE))
def test_what_is_to_be_changed_is_there_once(method):
    for mutation in TABLE:
        if mutation.method == method:
            assert mutations.mutated(mutation) != (mutations.ROOT / mutation.file).read_text()
            for test in mutation.tests:
                file, _, name = test.partition("::")
                source = (PATH.parent / file).read_text()
                assert f"def {name.partition('[')[0]}(" in source or not name


def test_a_text_that_is_gone_is_named():
    stale = TABLE[0]._replace(old="no such text", what="a change")
    with pytest.raises(ValueError, match="has 'no such text' 0 times, 'a change' needs it once"):
        mutations.mutated(stale)
