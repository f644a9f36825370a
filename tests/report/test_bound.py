"""The section on pseudo-pairs."""

import numpy as np

from mmalign.report.bound import bound

RECORD = {
    "from": 0, "to": 1, "shared": "acc", "pairs": 1234, "references": 1200,
    "similarity": {"mean": 0.917, "edges": np.linspace(0, 1, 4), "counts": [0, 1, 1233]},
    "distinct": 0.25, "most_used": 17, "hubness": 2.345, "mutual": 0.125, "right": 0.456,
    "chance": 0.167,
}  # fmt: skip


def test_it_tells_who_was_bound_to_whom_and_how_well():
    page = bound({"MMBind": [RECORD], "Random": [RECORD | {"shared": None, "right": None}]},
                 ("first", "second"))  # fmt: skip
    for cell in ("first", "second", "acc", "1,234", "0.92", "25.0 %", "17", "2.3", "12.5 %",
                 "45.6 %", "16.7 %"):  # fmt: skip
        assert f">{cell}</td>" in page
    assert page.count("<tr") == 3 and page.count("<img") == 1


def test_without_bindings_there_is_none():
    assert bound(None) is None and bound({}) is None
    assert ">0</td>" in bound({"MMBind": [RECORD]})  # sources without names
