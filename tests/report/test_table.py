"""The probe table as text, Markdown and HTML."""

import pytest

from mmalign.report import probe_table


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
    assert table.header == ("", "1 % labels", "100 % labels", "kNN", "acc", "gyro")
    lines = table.text().splitlines()
    block = lines[: lines.index("")]
    assert len({len(line) for line in block}) == 1
    assert block[2].split() == ["Chance", "20.0", "/", "10.0", "20.0", "/", "10.0", "-", "-", "-"]
    assert block[4].startswith("InfoMAE (aligned)  70.0 / 40.0")
    assert block[5].split() == ["Supervised", "-", "91.0", "/", "90.0", "-", "-", "-"]


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
    assert table.rows == (("r", "30.0 / 30.0"),)
    assert "Means of 2 seeds" in table.text()


def test_markdown_marks_the_best_and_escapes_bars():
    text = probe_table([entry("a|b", accuracy=0.3), entry("c", accuracy=0.8)]).markdown()
    assert text.splitlines()[:4] == [
        "|  | 100 % labels |",
        "| --- | ---: |",
        "| a\\|b | 30.0 / 40.0 |",
        "| c | **80.0 / 40.0** |",
    ]


def test_html_escapes_names_and_tints_the_shown_row():
    page = probe_table([entry("<b>&"), entry("mine", accuracy=0.9)]).html(shown="mine")
    assert "&lt;b&gt;&amp;" in page and "<b>&" not in page
    assert '<tr class="shown"><td>mine</td><td><b>90.0 / 40.0</b></td></tr>' in page


def test_no_records_are_refused():
    with pytest.raises(ValueError, match="records is empty"):
        probe_table([])
