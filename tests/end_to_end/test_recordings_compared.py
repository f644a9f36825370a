"""From a folder of CSV files of a wrist to a ranked table, by the command alone."""

import json

import numpy as np
import pytest

pandas = pytest.importorskip("pandas")


@pytest.fixture
def folder(tmp_path):
    """Eight people, 60 Hz acceleration and rotation in one file, gaps, three activities."""
    rng, rate = np.random.default_rng(0), 60.0
    home = tmp_path / "wrist"
    home.mkdir()
    for person in range(8):
        times = 1.7e9 + 1000 * person + np.arange(int(90 * rate)) / rate
        activity = (np.arange(len(times)) // int(10 * rate)) % 3
        phase = 2 * np.pi * np.cumsum((0.8 + 0.9 * activity) / rate)
        columns = {
            f"{sensor}_{axis}": (1 + activity) * np.sin(k * phase + j) + rng.normal(0, 0.3, len(times))
            for k, sensor in enumerate(("acc", "gyro"), 1) for j, axis in enumerate("xyz")
        }  # fmt: skip
        frame = pandas.DataFrame({"timestamp": times} | columns)
        frame["activity"] = np.array(["sit", "walk", "run"])[activity]
        start = int((20 + 3 * person) * rate)
        frame = frame.drop(index=range(start, start + int(4 * rate)))  # nothing for four seconds
        frame.to_csv(home / f"p{person}.csv", index=False)
    return home


@pytest.mark.slow
def test_a_wrist_in_csv_files_with_gaps_becomes_a_ranked_table(folder, main, tmp_path):
    out = tmp_path / "run"
    code, said = main(
        "--config=compare:recordings,smoke", f"--config.data.path={folder}",
        "--config.data.options.pattern={person}.csv", "--config.data.options.window_s=2.0",
        f"--config.data.cache_dir={tmp_path / 'cache'}", f"--workdir={out}",
        "--config.compare.methods=('cmc',)", "--config.evaluation.fractions=(1.0,)",
        "--config.encoder.width=4", "--config.encoder.dim=8", "--config.encoder.statistics=8",
    )  # fmt: skip
    assert code == 0, said
    assert "acc: series 120 x 3 at 60 Hz" in said and "test " in said
    results = json.loads((out / "results.json").read_text())
    names = {row["row"] for ranking in results["rankings"] for row in ranking["rows"]}
    assert {"CMC", "Window statistics", "Supervised network"} <= names
    best = max(row["mean"]["macro_f1"] for row in results["rankings"][0]["rows"])
    assert best > 0.8  # what tells the activities apart is plain to see
    assert "<table>" in (out / "report.html").read_text()
