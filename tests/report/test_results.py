"""results.json: what goes in comes out, and any JSON reader can read it."""

import json

import numpy as np
import pytest

from mmalign.report import read_results, write_results


def test_results_come_back_with_keys_in_order(tmp_path):
    results = {"b": 1, "a": [{"z": 0.5, "y": "ü", "n": None, "t": True}], "e": {}}
    write_results(tmp_path / "results.json", results)
    back = read_results(tmp_path / "results.json")
    assert back == results
    assert json.dumps(back) == json.dumps(results)


def test_numpy_values_become_plain_and_what_is_not_finite_none(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, {
        "f": np.float32(0.5), "i": np.int64(3), "x": np.array([1.0, np.nan]), "inf": -np.inf,
        "flag": np.bool_(True), "pair": (1, np.array(2)), 7: 1,
    })  # fmt: skip
    text = path.read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert read_results(path) == {
        "f": 0.5, "i": 3, "x": [1.0, None], "inf": None, "flag": True, "pair": [1, 2], "7": 1
    }  # fmt: skip


def test_a_run_killed_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_results(path, {"a": 1})

    def killed(_):
        assert read_results(path) == {"a": 1}
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_results(path, {"a": 2})
    assert read_results(path) == {"a": 1}


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, {"a": 1})
    with pytest.raises(TypeError, match="results hold a set"):
        write_results(path, {"a": {1, 2}})
    assert read_results(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]
