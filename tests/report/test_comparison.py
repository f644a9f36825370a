"""What a comparison says: its page, its lines, and its words."""

import csv
import html
import io

import numpy as np

from mmalign.evaluation import people
from mmalign.evaluation.ranking import standings
from mmalign.report import advice, comparison_page, csv_of

SKILL = {"Chance": 0.33, "Window statistics": 0.6, "GMC <&>": 0.8, "SimCLR": 0.79}


def results(skill=SKILL, pairs=(1.0, 0.05), known=9):
    """Of rows that know so much, the learnt ones less of fewer pairs."""
    rng, records = np.random.default_rng(0), []
    group = np.repeat(np.arange(known), 60)
    for seed in (0, 1):
        for pair in pairs:
            for fraction in (1.0, 0.1):
                label = rng.integers(0, 3, len(group))
                for row, share in skill.items():
                    right = share - 0.1 * (fraction < 1) - 0.2 * (pair < 1 and "S" in row)
                    guess = np.where(rng.random(len(group)) < right, label, (label + 1) % 3)
                    taken = people.by_person(label, guess, group, 3)
                    counts = people.confusions(taken, 3).sum(axis=0)
                    accuracy, f1 = people.accuracy_and_f1(counts)
                    records.append({
                        "row": row, "part": "joint", "protocol": "linear", "fraction": fraction,
                        "pairs": pair, "seed": seed, "fold": None, "accuracy": float(accuracy),
                        "macro_f1": float(f1), "train_windows": 90, "test_windows": len(group),
                        "confusion": counts.tolist(), **taken,
                    })  # fmt: skip
    rankings = [
        {"pairs": pair, "fraction": fraction, "rows": [
            s._asdict() for s in standings([r for r in records
                                            if (r["pairs"], r["fraction"]) == (pair, fraction)])
        ]} for pair in pairs for fraction in (1.0, 0.1)
    ]  # fmt: skip
    cost = {"seconds": 90.0, "steps": 1200, "parameters": 123456, "memory": 5 * 2**20}
    found = {
        "method": "compare", "version": "1.2.3", "command": "mmalign --config=compare <x>",
        "data": {"name": "mine", "windows": 540, "classes": ["a", "b", "c"],
                 "modalities": {"acc": {}, "gyro": {}}},
        "people": known, "seeds": [0, 1], "dropped": ["Left out: 1 % of the pairs"],
        "records": records, "rankings": rankings, "cost": {"SimCLR": cost},
        "missing": {"sets": [], "patterns": [], "summary": []}, "targets": {},
        "label_free": {}, "across": {},
        "config": {"seed": 0},
    }  # fmt: skip
    return found | {"advice": advice(found)}


def test_the_first_sentence_names_what_is_good_most_often_and_the_last_what_is_not_known():
    said = results()["advice"]
    assert said[0].startswith("Take GMC <&>: best, or not to be told from the best, in 4 of 4")
    assert said[1].startswith("With 100 % of the pairs and 100 % of the labels: ")
    assert "level with it" in said[1] and "SimCLR" in said[1]
    assert said[2].startswith("With 5 % of the pairs and 10 % of the labels: GMC <&>")
    assert "better than every other row" in said[2]
    assert "points from Window statistics" in said[3] and " +" in said[3]
    assert said[-1].startswith("Intervals are over 9 test people and 2 seeds")


def test_where_nothing_beats_statistics_no_training_is_advised():
    said = results(SKILL | {"Window statistics": 0.95})["advice"]
    assert said[0].startswith("Train nothing yet: Window statistics is best")
    assert "comes next: " in said[0]


def test_the_page_holds_ranking_curves_numbers_command_and_version():
    page = comparison_page(results())
    assert page.startswith("<!doctype html>") and "Which method on mine" in page
    assert "1.2.3" in page and html.escape("mmalign --config=compare <x>") in page
    assert "<b>GMC &lt;&amp;&gt;</b>" in page and "GMC <&>" not in page
    assert "1.5 min" in page and "123,456" in page and "5 MiB" in page
    assert page.count("<img") == 2  # pairs and labels, no sensors were hidden
    assert page.count("5 % of the pairs, 10 % labels") == 2  # numbers below each
    assert "Left out: 1 % of the pairs" in page
    assert 'src="data:image/png' in page and "http" not in page and "<script" not in page


def test_one_share_of_pairs_has_no_curve_of_pairs():
    page = comparison_page(results(pairs=(1.0,)))
    assert "What labels are worth" in page and "What pairs are worth" not in page


def test_every_record_is_a_line():
    found = results()
    lines = list(csv.DictReader(io.StringIO(csv_of(found["records"]))))
    assert len(lines) == len(found["records"])
    assert lines[0]["row"] == "Chance" and lines[0]["pairs"] == "1.0" and lines[0]["strength"] == ""
    assert float(lines[-1]["macro_f1"]) == found["records"][-1]["macro_f1"]
