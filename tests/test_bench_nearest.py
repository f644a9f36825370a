"""The benchmark of nearest neighbours: forms that agree, a page of what was measured."""

import json

import pytest

from experiments.bench import nearest

ABOUT = {"gpu": False, "device": "A (R) Test CPU", "cores": 2, "python": "3", "jax": "0",
         "torch": None}  # fmt: skip


def found(seconds, rows=(1, 2), similarity=0.5):
    return {"seconds": [seconds], "memory_mib": 9.0, "similarity": similarity, "rows": [*rows]}


def test_both_forms_find_the_same():
    case = {"n": 300, "d": 8, "k": 3}
    ours = nearest.measure(case, "ours")
    assert len(ours["seconds"]) == 3 and len(ours["rows"]) == 300
    pytest.importorskip("faiss", reason="faiss comes with the extra bench")
    assert nearest.disagreement({"ours": ours, "faiss": nearest.measure(case, "faiss")}) == ""


def test_neighbours_that_differ_are_told():
    same = found(0.1)
    assert nearest.disagreement({"ours": same, "faiss": same}) == ""
    for other in (found(0.1, (1, 3)), found(0.1, similarity=0.6)):
        assert "differ" in nearest.disagreement({"ours": same, "faiss": other})


def test_it_measures_in_turn_and_writes_a_page(tmp_path, monkeypatch, capsys):
    started = []

    def apart(*args, module=None):
        started.append(args)
        return ABOUT if args == ("--about",) else found(0.1 if "--form=ours" in args else 0.2)

    monkeypatch.setattr(nearest, "run_apart", apart)
    nearest.main(["--quick", "--rounds=2", f"--out={tmp_path}"])
    forms = [args[0] for args in started[1:]]
    assert forms == ["--form=ours", "--form=faiss", "--form=faiss", "--form=ours"]
    stored = json.loads((tmp_path / "nearest-a-test-cpu-quick.json").read_text())
    assert len(stored["rows"][0]["rounds"]) == 2
    page = (tmp_path / "nearest-a-test-cpu-quick.md").read_text()
    assert "| 2,000 x 2,000 | 64 | 5 | 0.10 | 0.20 | **2.00** | 2.00 to 2.00 | 9 / 9 |" in page
    assert "**2.00**" in capsys.readouterr().out
