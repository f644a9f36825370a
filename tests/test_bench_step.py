"""The benchmark of a method's step: both forms compute the same, pages say what was measured."""

import json

import numpy as np
import pytest

from experiments.bench import report, step

SMALL = {
    "crossl": {"modalities": 2, "channels": 2, "samples": 64, "keep_prob": 0.7, "lr": 1e-3},
    "comm": {"features": (5, 7), "tokens": 6, "dropout": 0.0, "lr": 1e-3},
}
CASE = step.CASES["comm"] | {"passive": False, "batch": 64, "cores": 2}
ABOUT = {"gpu": False, "device": "A (R) Test CPU", "cores": 2, "python": "3", "jax": "0",
         "torch": "2"}  # fmt: skip


def found(seconds, losses=(2.0, 1.0)):
    """What `measure` would print."""
    return {"seconds": seconds, "processor_seconds": [2 * s for s in seconds], "memory_mib": 9.0,
            "losses": list(losses)}  # fmt: skip


def row(**forms):
    return {"case": CASE, "date": "2026-01-02", "load": 0.0, "rounds": [forms, forms]}


@pytest.mark.parametrize("method", SMALL)
def test_a_step_of_a_method_is_pytorch_s(method):
    case = SMALL[method] | {"batch": 8, "cores": 1, "steps": 2, "passive": False}
    ours = step.measure(method, case, "ours")
    assert len(ours["losses"]) == step.COMPARED and np.isfinite(ours["losses"]).all()
    assert len(set(ours["losses"])) == step.COMPARED and len(ours["seconds"]) == 2
    pytest.importorskip("torch", reason="PyTorch comes with the extra bench")
    theirs = step.measure(method, case, "pytorch")
    assert step.disagreement({"ours": ours, "pytorch": theirs}) == ""


def test_forms_that_differ_are_an_error():
    same = found([0.1])
    assert not step.disagreement({"ours": same, "pytorch": found([0.3], (2.001, 1.0))})
    for losses in ((2.1, 1.0), (2.0, float("nan"))):
        said = step.disagreement({"ours": same, "pytorch": found([0.3], losses)})
        assert said.startswith("loss of step")


def test_throughput_is_the_ratio_of_median_times_in_a_row_of_the_page():
    one = row(ours=found([0.1, 0.2, 0.1]), pytorch=found([0.3, 0.2, 0.4]))
    whole, ratio, rounds = step.summary(one)
    assert whole == {"ours": 0.1, "pytorch": 0.3}
    assert ratio == pytest.approx(3) and rounds == pytest.approx([3, 3])
    page = step.markdown({"method": "comm", "hardware": ABOUT, "rows": [one]})
    assert "| 64 | 2 | wall | 0.10 | 0.30 | **3.00** | 3.00 to 3.00 | 9 / 9 |" in page
    assert "A training step of CoMM on A (R) Test CPU" in page and "was busy" not in page
    assert "50 tokens with 20 and 300 features" in page
    busy = step.markdown({"method": "comm", "hardware": ABOUT, "rows": [one | {"load": 1.5}]})
    assert "was busy before a start: load 1.5" in busy


@pytest.mark.parametrize("method", SMALL)
def test_a_run_measures_every_form_apart_and_writes_what_it_found(
    tmp_path, monkeypatch, capsys, method
):
    started = []

    def apart(*args, module=None):
        started.append(args)
        return ABOUT if args == ("--about",) else found([0.1])

    monkeypatch.setattr(step, "run_apart", apart)
    assert step.main([method, "--quick", "--rounds=2", f"--out={tmp_path}"]) == ""
    turns = ["--form=ours", "--form=pytorch"]  # compared first, without dropout
    assert [args[1] for args in started[1:]] == 2 * [*turns, *turns, *turns[::-1]]
    cases = [json.loads(args[2].removeprefix("--case=")) for args in started[1:]]
    without = [case.get("dropout") == 0 for case in cases]
    assert without[:2] == without[6:8] == [True, True]
    assert {args[0] for args in started[1:]} == {method}
    stored = json.loads((tmp_path / f"{method}-a-test-cpu-quick.json").read_text())
    assert [r["case"]["cores"] for r in stored["rows"]] == [2, 1]
    page = (tmp_path / f"{method}-a-test-cpu-quick.md").read_text()
    assert "| 32 | 1 | wall |" in page
    assert report.slug("Intel(R) Xeon(R) CPU @ 2") == "intel-xeon-cpu-2"
    assert "| 32 | 2 | wall |" in capsys.readouterr().out
