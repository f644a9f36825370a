"""The benchmark of CroSSL's step: both forms compute the same, pages say what was measured."""

import json

import pytest

from experiments.bench import crossl, crossl_step, report

CASE = crossl.CASE | {"modalities": 2, "samples": 32, "batch": 16, "steps": 1, "cores": 1}
ABOUT = {"gpu": False, "device": "A (R) Test CPU", "cores": 2, "python": "3", "jax": "0",
         "torch": "2"}  # fmt: skip


def found(seconds, losses=(2.0, 1.0)):
    """What `measure` would print."""
    return {"seconds": seconds, "processor_seconds": [2 * s for s in seconds], "memory_mib": 9.0,
            "losses": list(losses)}  # fmt: skip


def row(**forms):
    return {"case": crossl.CASE | {"cores": 2}, "date": "2026-01-02", "load": 0.0,
            "rounds": [forms, forms]}  # fmt: skip


def test_pytorch_takes_the_same_steps():
    pytest.importorskip("torch", reason="PyTorch comes with the extra bench")
    ours, theirs = (form(CASE) for form in (crossl_step.ours, crossl_step.pytorch))
    for _ in range(crossl.COMPARED):  # by other masks each, after updates by Adam
        assert theirs() == pytest.approx(ours(), rel=1e-4)


def test_forms_that_differ_are_an_error():
    same = found([0.1])
    assert not crossl.disagreement(row(ours=same, pytorch=found([0.3], (2.001, 1.0))))
    for losses in ((2.1, 1.0), (2.0, float("nan"))):
        said = crossl.disagreement(row(ours=same, pytorch=found([0.3], losses)))
        assert said.startswith("loss of step")


def test_throughput_is_the_ratio_of_median_times_in_a_row_of_the_page():
    one = row(ours=found([0.1, 0.2, 0.1]), pytorch=found([0.3, 0.2, 0.4]))
    whole, ratio, rounds = crossl.summary(one)
    assert whole == {"ours": 0.1, "pytorch": 0.3}
    assert ratio == pytest.approx(3) and rounds == pytest.approx([3, 3])
    page = crossl.markdown({"hardware": ABOUT, "rows": [one]})
    assert "| 2 | wall | 0.10 | 0.30 | **3.00** | 3.00 to 3.00 | 9 / 9 |" in page
    assert "A (R) Test CPU" in page and "was busy" not in page
    busy = crossl.markdown({"hardware": ABOUT, "rows": [one | {"load": 1.5}]})
    assert "was busy before a start: load 1.5" in busy


def test_a_run_measures_every_form_apart_and_writes_what_it_found(tmp_path, monkeypatch, capsys):
    started = []

    def apart(*args, module=None):
        started.append(args[0])
        return ABOUT if args == ("--about",) else found([0.1])

    monkeypatch.setattr(crossl, "run_apart", apart)
    assert crossl.main(["--quick", "--rounds=2", f"--out={tmp_path}"]) == ""
    turns = ["--form=ours", "--form=pytorch", "--form=pytorch", "--form=ours"]
    assert started == ["--about", *turns, *turns]
    stored = json.loads((tmp_path / "crossl-a-test-cpu-quick.json").read_text())
    assert [r["case"]["cores"] for r in stored["rows"]] == [2, 1]
    assert "| 1 | wall |" in (tmp_path / "crossl-a-test-cpu-quick.md").read_text()
    assert report.slug("Intel(R) Xeon(R) CPU @ 2") == "intel-xeon-cpu-2"
    assert "| 2 | wall |" in capsys.readouterr().out
