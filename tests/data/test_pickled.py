"""Pickles of plain data come back; whatever else a pickle may ask for is refused unrun."""

import collections
import os
import pickle

import numpy as np
import pytest

from mmalign.data.pickled import loads

TREE = {
    "signal": {"chest": {"ECG": np.linspace(-1, 1, 300)[:, None]}},
    "label": np.arange(-5, 7, dtype=np.int32),
    "more": [np.float32([[1, 2], [3, 4]]).T, (1, 2.5, None, True, "\xe9")],
    "big": np.arange(5, dtype=">i2"),
    "none": np.zeros((0, 3)),
    "names": np.array(["left", "right"]),
    "subject": "S2",
}


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_same(one, other)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype and a.shape == b.shape
    else:
        assert a == b


@pytest.mark.parametrize("protocol", range(5))
def test_containers_and_arrays_come_back(protocol):
    assert_same(loads(pickle.dumps(TREE, protocol)), TREE)


def test_pickle_of_python_2_comes_back(python2_pickle):
    content = python2_pickle(TREE)
    assert b"\nS'signal'\n" in content and b"cnumpy.core.multiarray\n_reconstruct" in content
    assert_same(loads(content), TREE)


class Runs:
    """An object whose pickle calls a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def test_objects_come_back_as_a_list_and_single_numbers_as_numbers():
    values = np.array([[{"a": 1}, None], [np.arange(3), "c"]], object)
    found = loads(pickle.dumps({"ids": values, "one": np.float32(2.5), "n": np.int64(3)}, 4))
    assert_same(found, {"ids": [{"a": 1}, None, np.arange(3), "c"], "one": 2.5, "n": 3})


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_functions_are_not_run(tmp_path, protocol):
    mark = tmp_path / "mark"
    for call in (Runs(os.mkdir, str(mark)), Runs(eval, f"__import__('os').mkdir({str(mark)!r})")):
        with pytest.raises(ValueError, match=r"not a pickle of plain.*asks for .*, which is refus"):
            loads(pickle.dumps({"label": call}, protocol))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([{}, {1}], object), "it holds a set"),
        (np.array([(1, 2.0)], "i4,f8"), "an array of type 'V12', not of numbers"),
        (np.complex128(3), "an array of type 'c16'"),
        (collections.OrderedDict(a=1), "collections.OrderedDict, which is refused"),
        ({1, 2}, "it holds a set"),
        (3j, "builtins.complex, which is refused"),
        (np.ndarray, "it holds a _Name"),
        (Runs(np.dtype, "c16", False, True), "an array of type 'c16'"),
        (Runs(np.dtype, "f8", False, True), "it holds a _Type"),
        (Runs(np.dtype, "f3", False, True), "it holds a _Type"),
    ],
)
def test_other_types_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        loads(pickle.dumps([value], 4))


def array_pickle(shape=(3,), order="<", raw=bytes(24), parts=(None, None, None)):
    """The pickle of an array of float64 whose state says what the arguments say."""
    array = np._core.multiarray._reconstruct
    state = (1, shape, Typed(order, parts), False, raw)
    return pickle.dumps(Stated(array, (np.ndarray, (0,), b"b"), state), 4)


class Stated(Runs):
    """An object whose pickle calls a function and sets the state of what it returns."""

    def __init__(self, function, args, state):
        self.call = function, args, state


class Typed(Stated):
    def __init__(self, order, parts):
        super().__init__(np.dtype, ("f8", False, True), (3, order, *parts, -1, -1, 0))


def test_arrays_must_be_what_they_say():
    np.testing.assert_array_equal(loads(array_pickle()), np.zeros(3))
    for bad in (
        {"shape": (4,)},
        {"shape": (-3,)},
        {"shape": (1.5, 2)},
        {"shape": None},
        {"raw": bytes(23)},
        {"raw": [0.0, 0.0, 0.0]},
        {"order": "?"},
        {"parts": (None, ("x",), {"x": (1, 0)})},
    ):
        with pytest.raises(ValueError, match="not a pickle of plain"):
            loads(array_pickle(**bad))


def test_names_cannot_be_changed():
    before = loads(pickle.dumps(TREE))
    for state in ({"_make": 1}, (None, {"_make": 1})):
        # the class itself, then BUILD with a state
        content = pickle.dumps(np.ndarray, 2)[:-1] + pickle.dumps(state, 2)[2:-1] + b"b."
        with pytest.raises(ValueError, match="it changes ndarray, which is refused"):
            loads(content)
    assert_same(loads(pickle.dumps(TREE)), before)


def test_damaged_pickles_are_refused():
    whole = pickle.dumps(TREE, 2)
    for content in (b"", b"not a pickle", whole[:-1], whole[: len(whole) // 2], b"\x80\x7f."):
        with pytest.raises(ValueError, match="not a pickle of plain containers and arrays"):
            loads(content)
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="RecursionError"):
        loads(pickle.dumps(loop))
