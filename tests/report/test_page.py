"""The page stands alone, shows what it was given and escapes it."""

import base64
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from mmalign import evaluation, report
from mmalign.report import curves, figures, robustness, sections

CLASSES = ["walk <fast>", "$5 & up", "rest"]


class Page(HTMLParser):
    """Tags that are open, images, and every attribute that could fetch something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.fetched, self.tags, self.titles = [], [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        attrs = dict(attrs)
        if tag == "img":
            self.images.append(attrs)
        self.fetched += [v for k, v in attrs.items() if k in ("src", "href", "srcset", "data")]
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)


def linear(row, accuracy=0.5):
    return {"row": row, "part": "joint", "protocol": "linear", "fraction": 1.0,
            "accuracy": accuracy, "macro_f1": accuracy, "seed": 0, "test_windows": 30,
            "confusion": [[9, 1, 0], [0, 10, 0], [2, 0, 8]]}  # fmt: skip


def missing(*sets, rows=("Random encoder", "Mine <script>")):
    made = [{"row": row, "head": head, "present": kept, "macro_f1": 0.3 * len(kept) / len(sets[0])}
            for row in rows for head in ("trained on complete", "trained on missing")
            for kept in sets]  # fmt: skip
    made += [r | {"row": "Net $", "head": "network"} for r in made[: len(sets)]]
    patterns = [{k: v for k, v in r.items() if k != "present"} |
                {"pattern": {"kind": "burst", "rate": 0.25}} for r in made]  # fmt: skip
    return {"sets": made, "patterns": patterns, "summary": evaluation.summarise(made)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    rng = np.random.default_rng(0)
    results = {
        "method": "info<mae>",
        "data": {"name": "toy", "windows": 12345, "subjects": 9, "classes": CLASSES,
                 "modalities": {"acc": {}, "emg": {}}, "citation": "Somebody & others. " * 9},
        "summary": {"pairs": "5 %"},
        "records": [linear("Random encoder"), linear("Mine <script>", 0.9)],
        "headline": "Mine <script>",
        "information": {"u": {"shared": 0.9, "private": -2.0}, "v": {"shared": None, "private": 1}},
        "missing": missing(["acc", "emg"], ["emg"]),
        "config": {"seed": 0, "note": "</pre><script>alert(1)</script>", "rate": float("nan")},
    }  # fmt: skip
    metrics = [{"step": s, "pretrain/loss": 1 / (s + 1), "pretrain/grad_norm": None if s else 2.0}
               for s in range(5)] + [{"step": 1, "align/loss": -1.0}]  # fmt: skip
    folder = tmp_path_factory.mktemp("report")
    path = report.write(folder, results, metrics=metrics, embedding=rng.normal(size=(30, 8)),
                        label=np.arange(30) % 4 - 1, group=np.arange(30) % 9)  # fmt: skip
    return path, path.read_text(encoding="utf-8")


def test_the_classes_that_are_confused_most_are_named_in_words():
    text = sections.confusion([linear("Mine")], "Mine", CLASSES)
    said = re.findall(r"<li>(.*?)</li>", text)
    assert said == ["20 % of rest are taken for walk &lt;fast&gt;",
                    "10 % of walk &lt;fast&gt; are taken for $5 &amp; up"]  # fmt: skip
    sure = linear("Mine") | {"confusion": [[3, 0], [0, 2]]}
    assert "<li>" not in sections.confusion([sure], "Mine", CLASSES[:2])


def test_the_page_holds_every_section_with_its_picture(written):
    path, text = written
    page = Page(text)
    assert path.name == "report.html"
    assert not page.open
    assert len(page.titles) == 7
    assert len(page.images) == 7
    assert "Random encoder" in text and "12,345" in text and "2: acc, emg" in text and "5 %" in text
    for image in page.images:
        data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert data.startswith(b"\x89PNG")
        assert image["alt"]


def test_the_page_needs_nothing_from_elsewhere(written):
    page = Page(written[1])
    assert all(value.startswith("data:") for value in page.fetched)
    assert not page.tags & {"script", "link", "iframe"}
    assert not re.search(r"https?://|@import|url\(", written[1])


def test_names_and_config_are_escaped(written):
    text = written[1]
    assert "<script>" not in text and "<mae>" not in text and "<fast>" not in text
    assert "&lt;/pre&gt;&lt;script&gt;" in text and "Mine &lt;script&gt; on toy" in text
    assert "&quot;rate&quot;: null" in text


def test_sections_without_material_are_left_out(tmp_path):
    text = report.write(tmp_path, {"method": "mae"}).read_text()
    assert not Page(text).titles
    assert "<h1>mae</h1>" in text


def test_the_headline_is_the_last_row_unless_named(tmp_path):
    text = report.write(tmp_path, {"records": [linear("a"), linear("b")]}).read_text()
    assert '<tr class="shown"><td>b</td>' in text


def test_pictures_leave_matplotlibs_global_state_alone(written):
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_no_losses_no_picture():
    assert curves.loss_curves([{"step": 1, "a/accuracy": 0.5}, {"step": 2, "a/loss": None}]) is None
    assert curves.other_curves([{"step": 1, "a/loss": 1.0}]) is None


@pytest.mark.parametrize("classes", [1, 9, 26])
def test_maps_and_matrices_of_any_number_of_classes(classes):
    names = [f"class {i}" for i in range(classes)]
    counts = np.eye(classes, dtype=int)
    label = np.arange(60) % classes
    for picture in (
        figures.confusion_matrix(counts, names),
        figures.embedding_map(np.ones((60, 2)) * label[:, None], label, names),
    ):
        assert picture.startswith(b"\x89PNG")


def test_few_sets_have_a_line_each_and_many_one_for_each_number_of_sensors():
    few = robustness._lines(missing(["acc", "emg", "ppg"], ["acc", "emg"], ["ppg"]))
    names = ["all sensors", "without ppg", "ppg", "worst case", "burst 25 %"]
    assert [name for name, _ in few] == names
    assert few[3][1]["Net $", "network"] == pytest.approx(0.1)
    letters = "abcdefghi"
    sets = [list(letters), *([m for m in letters if m != gone] for gone in letters), *letters]
    many = robustness._lines(missing(*map(list, sets)))
    assert [name for name, _ in many][:4] == [
        "9 of 9 sensors", "8 of 9 sensors (mean of 9)", "1 of 9 sensors (mean of 9)", "worst case"
    ]  # fmt: skip
    assert many[1][1]["Mine <script>", "trained on missing"] == pytest.approx(0.3 * 8 / 9)


def test_networks_stand_beside_the_probes_of_complete_windows():
    summary = missing(["acc", "emg"], ["emg"])["summary"]
    panels = robustness._panels(summary)
    assert list(panels) == ["trained on complete", "trained on missing"]
    assert [row for row, _ in panels["trained on complete"]] == [
        "Random encoder", "Mine <script>", "Net $"
    ]  # fmt: skip
    assert list(robustness._panels(summary[-1:])) == ["network"]
    assert robustness.matrix(missing(["acc"], rows=["one"])).startswith(b"\x89PNG")


def test_panels_that_a_page_has_no_room_for_stand_one_below_the_other():
    size = lambda png: [int.from_bytes(png[i : i + 4], "big") for i in (16, 20)]
    of = lambda rows: size(robustness.matrix(missing(["acc", "emg"], ["emg"], rows=rows)))
    (few_wide, few_high), (wide, high) = of(["a", "b"]), of([f"row {i}" for i in range(11)])
    assert wide < 10.5 * 144 and high > 1.9 * few_high and wide > 1.5 * few_wide
