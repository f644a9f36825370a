"""The probe table as text, Markdown and HTML."""

import numpy as np
import pytest

from mmalign.defaults import HEADS
from mmalign.evaluation import people
from mmalign.evaluation.intervals import intervals
from mmalign.report import better_without, cautions, probe_table


def entry(row, part="joint", protocol="linear", fraction=1.0, accuracy=0.5, f1=0.4, seed=0):
    return {"row": row, "part": part, "protocol": protocol, "fraction": fraction,
            "accuracy": accuracy, "macro_f1": f1, "seed": seed}  # fmt: skip


def records(modalities=("acc", "gyro")):
    out = [
        entry("Chance", protocol="majority", fraction=f, accuracy=0.2, f1=0.1) for f in (0.01, 1)
    ]
    for row, gain in (("Random encoder", 0.0), ("InfoMAE (aligned)", 0.1)):
        out += [entry(row, fraction=f, accuracy=0.6 + gain) for f in (0.01, 1)]
        out.append(entry(row, protocol="knn", accuracy=0.65 - gain))
        out += [entry(row, part=m, accuracy=0.3 + gain) for m in modalities]
    return [*out, entry("Supervised", protocol="network", accuracy=0.91, f1=0.9)]


def test_text_is_aligned_with_a_dash_where_nothing_was_computed():
    table = probe_table(records())
    assert table.header == (
        "", "1 % labels", "100 % labels", "95 % intervals", "kNN", "acc", "gyro"
    )  # fmt: skip
    lines = table.text().splitlines()
    block = lines[: lines.index("")]
    assert len({len(line) for line in block}) == 1
    assert " ".join(block[2].split()) == "Chance 20.0 / 10.0 20.0 / 10.0 - - - -"
    assert block[4].startswith("InfoMAE (aligned)  70.0 / 40.0")
    assert block[5].split() == ["Supervised", "-", "91.0", "/", "90.0", "-", "-", "-", "-"]


@pytest.mark.parametrize("count", [2, 12])
def test_text_fits_its_width_and_loses_no_column(count):
    names = [f"sensor_number_{i}" for i in range(count)]
    made = records(names)
    made.append(entry("A contender with a name " + "far " * 30 + "too long"))
    text = probe_table(made).text()
    assert max(map(len, text.splitlines())) <= 110
    assert all(name in text for name in names)


def test_seeds_are_averaged_and_the_note_says_so():
    table = probe_table([entry("r", accuracy=a, f1=a, seed=s) for s, a in enumerate((0.2, 0.4))])
    assert table.markdown().splitlines()[2] == "| r | 30.0 / 30.0 | - |"
    assert "Means of 2 seeds" in table.note


def taken(row, hits, of=20, seed=0):
    """A record of six people of whose windows, half of each of two classes, so many are taken
    rightly, those of class 0 first.
    """
    label = np.tile(np.arange(of) >= of // 2, 6).astype(int)
    right = np.concatenate([np.arange(of) < hit for hit in hits])
    found = people.by_person(label, np.where(right, label, 1 - label), np.repeat(range(6), of), 2)
    counts = people.confusions(found, 2)
    accuracy, f1 = people.accuracy_and_f1(counts.sum(axis=0))
    return entry(row, accuracy=accuracy, f1=f1, seed=seed) | found | {
        "confusion": counts.sum(axis=0).tolist(), "intervals": intervals(counts),
    }  # fmt: skip


def test_bold_is_what_is_better_than_all_others_by_an_interval_over_people():
    steady, lucky = [14, 15, 16, 14, 15, 16], [20, 20, 20, 14, 14, 14]
    worse, hardly = [h - 3 for h in steady], [h - (i == 0) for i, h in enumerate(steady)]
    bold = lambda *rows: [
        [n.best for n in cells[0]]
        for _, cells in probe_table([taken(str(i), hits) for i, hits in enumerate(rows)]).rows
    ]
    assert bold(steady, worse) == [[True, True], [False, False]]
    assert bold(steady, worse, hardly) == [[False, False]] * 3
    assert bold(lucky, steady) == [[False, False]] * 2  # better on average, of three people only
    assert bold(steady) == [[False, False]]


def test_intervals_stand_beside_the_largest_share_of_labels():
    table = probe_table([taken("r", [14, 15, 16, 14, 15, 16])])
    assert table.header == ("", "100 % labels", "95 % intervals")
    accuracy = table.rows[0][1][1][0].text
    low, high = map(int, accuracy.split("-"))
    assert 68 < low < 75 < high < 82
    assert "on test people" in table.note
    unknown = probe_table([entry("r") | {"people": [-1]}]).note
    assert "on test windows" in unknown and "people" not in unknown


def test_markdown_escapes_bars_and_marks_the_best():
    steady = [14, 15, 16, 14, 15, 16]
    made = probe_table([taken("a|b", steady), taken("c", [h - 4 for h in steady])])
    lines = made.markdown().splitlines()
    assert lines[:2] == ["|  | 100 % labels | 95 % intervals |", "| --- | ---: | ---: |"]
    assert lines[2].startswith("| a\\|b | **75.0** / **73.3** |")
    assert lines[3].startswith("| c | 55.0 / ")


def test_html_escapes_names_and_tints_the_shown_row():
    page = probe_table([entry("<b>&"), entry("mine", accuracy=0.9)]).html(shown="mine")
    assert "&lt;b&gt;&amp;" in page and "<b>&" not in page
    assert '<tr class="shown"><td>mine</td><td>90.0 / 40.0</td><td>-</td></tr>' in page


def test_what_a_reader_must_know_of_single_numbers_is_said():
    fine = entry("r") | {"at_edge": False, "converged": True, "strength": 0.1}
    assert cautions([fine, entry("r", part="acc", f1=0.405)]) == []
    said = cautions([
        fine | {"at_edge": True, "strength": 1e8}, fine | {"converged": False},
        entry("r", part="acc", f1=0.45), entry("s", part="acc", f1=0.99),
    ])  # fmt: skip
    assert [text.split(":")[0] for text in said] == ["r, joint, 100 % labels"] * 2 + ["r"]
    assert "1e+08, is the last one tried" in said[0] and "did not converge" in said[1]
    assert said[2] == "r: acc alone has a macro-F1 of 45.0 %, the joint embedding 40.0 %"


def test_a_sensor_without_which_most_rows_are_better_is_said():
    def record(row, present, f1, head=HEADS[1]):
        return {"row": row, "head": head, "present": present, "macro_f1": f1}

    every, few, other = ["acc", "emg", "yaw"], ["acc", "emg"], ["acc", "yaw"]
    sets = [
        record(row, present, f1)
        for row, full, without in (("a", 0.6, 0.8), ("b", 0.5, 0.55), ("c", 0.7, 0.71))
        for present, f1 in ((every, full), (few, without), (other, full - 0.1), (["acc"], 1))
    ]
    (said,) = better_without(sets)
    assert said.startswith("without yaw 2 of 3 rows have a macro-F1 more than 2 points higher, "
                           "a 80.0 for 60.0 %")  # fmt: skip
    assert better_without([r for r in sets if r["row"] != "a"]) == []  # one of two is not most
    assert better_without([r | {"head": HEADS[0]} for r in sets]) == []  # probes that expect it
    assert better_without([]) == []


def test_no_records_are_refused():
    with pytest.raises(ValueError, match="records is empty"):
        probe_table([])
