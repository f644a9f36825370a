"""The benchmark of losses: forms agree, memory is seen, pages say what was measured."""

import importlib.util
import json

import numpy as np
import pytest

from experiments.bench import losses, measure, report

ABOUT = {
    "gpu": False, "device": "A (R) Test CPU", "cores": 2, "free_gib": 16.0, "python": "3",
    "jax": "0", "torch": "2", "torch_threads": 2, "cuda": False,
}  # fmt: skip
SMALL = {
    "info_nce": {"n": 24, "d": 8},
    "nt_xent": {"n": 24, "d": 8},
    "sigmoid": {"n": 24, "d": 8},
    "supcon": {"n": 48, "d": 8, "labels": "classes"},
    "supcon pairs": {"n": 48, "d": 8, "labels": "pairs"},
    "vicreg": {"n": 24, "d": 8},
    "density_ratio": {"n": 24, "d": 3},
}


def small(name):
    return {"loss": name.split()[0], **SMALL[name]}


def found(seconds, memory, value=2.0, gradient=0.5):
    """What `measure` would print."""
    times = {"seconds": seconds, "fastest": seconds / 2, "slowest": 2 * seconds}
    xla = {"temporary_mib": None, "compile_seconds": 0.0}
    return {**times, **xla, "memory_mib": memory, "value": value, "gradient": gradient}


def row(name="nt_xent-512-128", n=512, **forms):
    case = {"name": name, "loss": "nt_xent", "n": n, "d": 128}
    return {"case": case, "date": "2026-01-02", "load": 0.0, "forms": forms, "left_out": {}}


@pytest.mark.parametrize("name", SMALL)
def test_our_forms_agree(name):
    case = small(name)
    plain, tiled = (
        measure.numbers(measure.step(case, form)[0](), form) for form in ("plain", "tiled")
    )
    assert tiled == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_pytorch_computes_the_same_loss_and_gradients(name):
    pytest.importorskip("torch", reason="PyTorch comes with the extra bench")
    case = small(name)
    (value, gradients), (theirs, slopes) = (
        measure.step(case, form)[0]() for form in ("plain", "pytorch")
    )
    assert theirs.item() == pytest.approx(float(value), rel=1e-5)
    for ours, other in zip(gradients, slopes):
        np.testing.assert_allclose(ours, other.numpy(), rtol=1e-3, atol=1e-6)


def test_every_case_has_inputs_and_a_loss_of_its_own_name():
    cases = losses.cases() + losses.cases(quick=True) + losses.cases(gpu=True)
    for case in cases:
        if case["loss"] != "digits":
            assert callable(measure.ours(case, "plain"))
    names = [case["name"] for case in losses.cases(gpu=True)]
    assert len(names) == len(set(names))


def test_a_measurement_has_time_memory_and_what_forms_are_compared_by():
    case = {"loss": "nt_xent", "n": 128, "d": 16}
    one = measure.measure(case, "tiled", runs=2, seconds=0)
    assert one["runs"] == 2 and one["fastest"] <= one["seconds"] <= one["slowest"]
    assert one["compile_seconds"] > 0 and one["temporary_mib"] > 0 and one["memory_mib"] >= 0
    assert one["value"] == pytest.approx(measure.measure(case, "plain", seconds=0)["value"], 1e-5)


def test_memory_of_a_call_is_its_peak_and_not_what_it_leaves():
    if measure.resident_mib(reset=True) is None:
        pytest.skip("the peak of resident memory is read from Linux's /proc")
    grown = measure.extra_memory(lambda: np.ones(2**24, np.uint8).sum(), {}, "plain", None)
    assert 15 < grown < 25


def test_the_exact_loss_is_the_one_of_the_equation():
    a = np.eye(4, 8)
    cosine, loss = measure.exact_nt_xent(a, a, temperature=0.5)
    assert cosine == pytest.approx(1) and loss == pytest.approx(np.log1p(6 * np.exp(-2)))


def test_forms_that_would_not_fit_are_left_out_and_the_page_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(losses, "run_apart", lambda *args: found(0.1, 20.0))
    case = {"name": "info_nce-65536-128", "loss": "info_nce", "n": 65536, "d": 128}
    large = losses.measure_forms(case, ABOUT) | {"load": 0.0}
    assert list(large["forms"]) == ["tiled"]
    assert large["left_out"]["plain"] == "needs about 80 GiB, 16 for one matrix"
    lines = report.rows(large, ABOUT)
    assert len({line.count("|") for line in lines}) == 1
    assert not losses.shortcomings(large)
    large["forms"]["tiled"] = found(0.1, 2000.0)
    assert "2000 MiB" in losses.shortcomings(large)[0]


def test_forms_that_differ_are_an_error():
    assert not losses.disagreements(row(plain=found(1, 1), tiled=found(1, 1, value=2.001)))
    for other in (found(1, 1, value=2.1), found(1, 1, value=np.nan), found(1, 1, gradient=0.6)):
        assert len(losses.disagreements(row(plain=found(1, 1), pytorch=other))) == 1


def test_the_page_gives_ratios_to_pytorch_and_to_plain(tmp_path):
    one = row(plain=found(0.2, 80.0), tiled=found(0.1, 20.0), pytorch=found(0.4, 160.0))
    report.write(tmp_path / "out" / "losses-cpu", {"hardware": ABOUT, "cases": [one]})
    page = (tmp_path / "out" / "losses-cpu.md").read_text()
    assert (
        "| nt_xent-512-128 | tiled | 100 (50 to 200) | 0.25 | 0.50 | 20.0 | 0.12 | 0.25 |" in page
    )
    assert "A (R) Test CPU" in page and "2026-01-02" in page and "was busy" not in page
    assert (tmp_path / "out" / "losses-cpu.png").stat().st_size > 1000
    busy = {"hardware": ABOUT, "cases": [one | {"load": 1.5}]}
    assert f"load up to 1.5 for each core: {one['case']['name']}.**" in report.markdown(busy)


def test_a_gpu_has_columns_for_its_peaks():
    about = ABOUT | {"gpu": True, "device": "NVIDIA H100 80GB HBM3"}
    one = row(plain=found(0.01, 80.0), n=8192)
    (line,) = report.rows(one, about)
    # 6 (2 N)^2 D operations at 67e12 a second, 16 (2 N)^2 bytes at 3.35e12
    assert line.endswith("| 0.31 | 0.13 |")
    assert report.rows(one, about | {"device": "other"})[0].endswith("| unknown | unknown |")


def test_a_run_keeps_other_cases_of_the_same_machine(tmp_path, monkeypatch, capsys):
    pages = {"--about": ABOUT}
    monkeypatch.setattr(losses, "run_apart", lambda *a: pages.get(a[0], found(0.1, 9.0)))
    command = ["--quick", "--forms=plain,tiled", f"--out={tmp_path}"]
    for only in ("nt_xent-256", "nt_xent-512", "nt_xent-256"):
        assert losses.main([*command, f"--only={only}"]) == ""
    stored = json.loads((tmp_path / "losses-a-test-cpu-quick.json").read_text())
    assert [r["case"]["n"] for r in stored["cases"]] == [512, 256]
    assert "| nt_xent-512-128 | tiled | 100 (50 to 200) |" in capsys.readouterr().out
    pages["--about"] = ABOUT | {"jax": "1"}  # what another version measured does not stay
    losses.main([*command, "--only=vicreg"])
    stored = json.loads((tmp_path / "losses-a-test-cpu-quick.json").read_text())
    assert [r["case"]["loss"] for r in stored["cases"]] == ["vicreg"]


def test_without_pytorch_the_message_names_the_extra(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        losses.main(["--quick"])
    assert ".[bench]" in capsys.readouterr().err


def test_a_form_runs_in_a_process_of_its_own():
    case = json.dumps({"loss": "density_ratio", "n": 64, "d": 2})
    assert losses.run_apart(case, "plain", "--quick")["value"] > 0
