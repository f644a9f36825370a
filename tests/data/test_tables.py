"""Tables of numbers: what is asked for comes back, anything else is refused by name."""

import numpy as np
import pytest

from mmalign.data.tables import numbers


class Text:
    """An archive of one file."""

    path = "toy.zip"

    def __init__(self, text):
        self._content = text.encode()

    def read(self, member):
        assert member == "x.txt"
        return self._content


def read(text, **kwargs):
    return numbers(Text(text), "x.txt", **kwargs)


def test_numbers_come_back_as_an_array():
    table = read("1 2.5\n3e2 -4\n", columns=2)
    np.testing.assert_array_equal(table, [[1, 2.5], [300, -4]])
    assert table.dtype == np.float32
    assert read("7\n", columns=1, rows=1, dtype=np.float64).dtype == np.float64


def test_header_delimiter_and_columns_are_those_asked_for():
    text = "\ufeffRate: 4\r\na,b,c\r\n1, 2,\r\n4, 5,z\r\n"
    header = ("Rate: 4", "a,b,c")
    table = read(text, columns=3, header=header, delimiter=",", only=(1, 0))
    np.testing.assert_array_equal(table, [[2, 1], [5, 4]])
    with pytest.raises(ValueError, match=r"toy.zip: line 2 of x.txt must be 'a,b', got 'a,b,c'"):
        read(text, columns=3, header=("Rate: 4", "a,b"), delimiter=",")
    with pytest.raises(ValueError, match=r"line 2 of x.txt must be 'b', got ''"):
        read("a", columns=1, header=("a", "b"))


def test_missing_numbers_are_nan_where_they_may_be():
    table = read("1 NaN\n2 3\n", columns=2, missing=True)
    assert np.isnan(table[0, 1])
    with pytest.raises(ValueError, match="finite numbers, got 2 rows of 2, 1 of them not finite"):
        read("1 NaN\n2 3\n", columns=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold rows of 2 numbers, got none"),
        ("\n", "must hold rows of 2 numbers, got none"),
        ("1 2 3\n", "some rows of 2 finite numbers, got 1 rows of 3"),
        ("1 2\n3\n", "x.txt is not a table of numbers"),
        ("1 two\n", "x.txt is not a table of numbers"),
    ],
)
def test_other_tables_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read(text, columns=2)


def test_columns_that_are_not_read_still_count():
    with pytest.raises(ValueError, match="some rows of 4 finite numbers, got 3 in the first row"):
        read("1 2 3\n", columns=4, only=(0,))
    with pytest.raises(ValueError, match="5 rows of 1 finite numbers, got 2 rows of 1"):
        read("1\n2\n", columns=1, rows=5)
