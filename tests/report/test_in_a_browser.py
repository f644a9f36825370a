"""What a browser makes of the pages: at every width and in the dark all of it can be read."""

import itertools

import numpy as np
import pytest

from mmalign import report
from mmalign.report.advice import advice

WIDTHS = (400, 800, 1280)  # CSS pixels: a phone, half a screen, a screen
CLASSES = ["walk <fast>", "加速度", *(f"class number {i} of many" for i in range(22)), "w" * 90]
SENSORS = [f"{place} {kind}" for place in ("chest", "left wrist") for kind in ("acc", "ecg", "emg")]
ROWS = ["Chance", "Random encoder", "Random forest on window statistics", "InfoMAE", "W" * 60,
        *(f"Method number {i} with a name as long as some are" for i in range(4))]  # fmt: skip
HEADS = ("trained on complete", "trained on missing")
LONG = "no/space/in/" * 20
# What is to be read, with everything unfolded. Colours are read off a canvas, which knows all of
# their notations; contrast is that of WCAG 2.2.
READ = """(() => {
  document.querySelectorAll('details').forEach(x => { x.open = true; });
  const root = document.documentElement;
  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = text => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = text; pen.fillRect(0, 0, 1, 1);
                         return [...pen.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const style = x => getComputedStyle(x);
  const behind = x => rgba(style(x).backgroundColor)[3] || x === root
    ? rgba(style(x).backgroundColor) : behind(x.parentElement);
  const contrast = x => { const [a, b] = [light(rgba(style(x).color)), light(behind(x))];
                          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
  const scrolls = x => x && (/auto|scroll/.test(style(x).overflowX) || scrolls(x.parentElement));
  const all = [...document.body.querySelectorAll('*')];
  const named = x => x.tagName + ' ' + x.textContent.slice(0, 40);
  const written = all.filter(x => [...x.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return {
    width: innerWidth, room: root.clientWidth, needs: root.scrollWidth,
    outside: all.filter(x => { const at = x.getBoundingClientRect();
      return (at.right > root.clientWidth + 1 || at.left < -1) && !scrolls(x.parentElement);
    }).map(named),
    images: [...document.images].map(x => ({alt: x.alt, loaded: x.complete && x.naturalWidth > 0,
      of_its_pixels: x.clientWidth / x.naturalWidth})),
    behind: rgba(style(document.body).backgroundColor).slice(0, 3),
    faint: written.filter(x => contrast(x) < 4.5).map(x => contrast(x).toFixed(2) + named(x)),
    small: written.filter(x => parseFloat(style(x).fontSize) < 11).map(named),
    names: [...document.querySelectorAll('td:first-child')].map(x => {
      const box = x.closest('.wide'); box.scrollLeft = 1e6;
      return x.getBoundingClientRect().left - box.getBoundingClientRect().left; }),
  };
})()"""


def probed(row, fraction, part="joint"):
    k = len(CLASSES)
    counts = np.random.default_rng(0).integers(0, 9, (k, k)) + 40 * np.eye(k, dtype=int)
    return {"row": row, "part": part, "protocol": "linear", "fraction": fraction, "accuracy": 0.5,
            "macro_f1": 0.4, "seed": 0, "test_windows": 9000, "confusion": counts.tolist(),
            "at_edge": fraction < 0.1, "strength": 0.1, "converged": True,
            "curve": [(10.0**i, 0.4) for i in range(-4, 4)]}  # fmt: skip


def missing():
    """Every set of sensors, as there are when there are few of them."""
    without = [[m for m in SENSORS if m != gone] for gone in SENSORS]
    kept = [SENSORS, *without, *([m] for m in SENSORS)]
    sets = [{"row": row, "head": head, "present": some, "macro_f1": 0.1 * len(some)}
            for row, head, some in itertools.product(ROWS, HEADS, kept)]  # fmt: skip
    pattern = {"pattern": {"kind": "burst", "rate": 0.25}}
    summary = [{"row": row, "head": head, "worst": 0.1, "by_count": {}}
               for row, head in itertools.product(ROWS, HEADS)]  # fmt: skip
    return {"sets": sets, "patterns": [r | pattern for r in sets[:: len(kept)]], "summary": summary}


def between(row):
    return {"r1": 0.1, "r5": 0.3, "mrr": 0.2, "windows": 9000, "present": SENSORS[:5],
            "macro_f1": 0.4, "alignment": 0.5, "modality_gap": 0.6}  # fmt: skip


def bound():
    similarity = {"edges": np.linspace(0, 1, 21).tolist(), "counts": [*range(20)], "mean": 0.5}
    return [{"from": i, "to": 1 - i, "shared": SENSORS[0], "pairs": 1234, "similarity": similarity,
             "distinct": 0.5, "most_used": 12, "hubness": 1.0, "mutual": 0.4, "right": 0.3,
             "chance": 0.1} for i in (0, 1)]  # fmt: skip


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    """A page with all sections, much in each, and names that nobody would choose."""
    rng = np.random.default_rng(0)
    free = {"rankme": 9.0, "lidar": 9.0, "alpha_req": 1.0, "uniformity": -2.0, "knn_agreement": 0.3}
    targets = [{"task": f"target {i} of the twelve", "kind": kind, "size": 3, "r2": 0.5,
                "balanced_accuracy": 0.5, "macro_f1": 0.5}
               for i, kind in enumerate(("classes", "real", "multi_hot") * 4)]  # fmt: skip
    results = {
        "method": "infomae", "headline": "InfoMAE",
        "data": {"name": "toy", "windows": 12345, "classes": CLASSES,
                 "sources": ("a data set", "y"), "modalities": dict.fromkeys(SENSORS),
                 "citation": "Somebody & others. " * 9, "file": LONG},
        "summary": {"split": "train 9,000 of 20 people; test 3,000 of 9 people"},
        "concerns": [LONG, "Something is odd. " * 9],
        "records": [probed(row, f) for row in ROWS for f in (0.01, 0.1, 1.0)]
        + [probed(row, 1.0, m) for row in ROWS for m in SENSORS],
        "missing": missing(),
        "information": {part: {f"factor {i}": 0.5 for i in range(6)} for part in ("u", "v", "w")},
        "targets": dict.fromkeys(ROWS, targets),
        "label_free": dict.fromkeys(ROWS, free),
        "across": {row: [between(row)] for row in ROWS},
        "recalled": {row: [between(row)] for row in ROWS},
        "binding": dict.fromkeys(ROWS[3:5], bound()),
        "config": {"seed": 0, "path": LONG},
    }  # fmt: skip
    metrics = [{"step": 500 * s, **{f"{stage}/{name}": 100.0 - s for name in
                                    ("loss", "grad_norm", "a_metric_with_a_long_name")}}
               for s in range(40) for stage in ("pretrain", "align")]  # fmt: skip
    label = rng.integers(0, len(CLASSES), 800)
    centres = rng.normal(size=(len(CLASSES), 8))
    embedding = centres[label] + 0.5 * rng.normal(size=(800, 8))
    return report.write(tmp_path_factory.mktemp("page"), results, metrics=metrics,
                        embedding=embedding, label=label, group=np.arange(800) % 9)  # fmt: skip


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """The page of a comparison of as many methods, with every curve."""
    interval = {"macro_f1": [0.38, 0.47], "accuracy": [0.4, 0.6]}
    of = lambda i: {"macro_f1": 0.4 - 0.01 * i, "accuracy": 0.5 - 0.01 * i}
    rows = [{"row": row, "mean": of(i), "deviation": of(9), "interval": interval,
             "level": {"macro_f1": i < 3, "accuracy": i < 3},
             "behind": {"macro_f1": (0.01 * i, [0.0, 0.1]), "accuracy": (0.01 * i, [0.0, 0.1])}}
            for i, row in enumerate(ROWS)]  # fmt: skip
    rankings = [{"pairs": pairs, "fraction": fraction, "rows": rows}
                for pairs in (1.0, 0.1, 0.01) for fraction in (1.0, 0.1, 0.01)]  # fmt: skip
    cost = {"seconds": 90.0, "steps": 1200, "parameters": 123456, "memory": 5 * 2**20}
    results = {
        "version": "1.2.3", "command": f"mmalign --config=compare --config.data.path={LONG}",
        "data": {"name": "mine", "windows": 540, "classes": CLASSES,
                 "modalities": dict.fromkeys(SENSORS)},
        "people": 9, "seeds": [0, 1], "dropped": [f"Left out: {LONG}"], "rankings": rankings,
        "cost": dict.fromkeys(ROWS, cost), "missing": missing(), "targets": {}, "label_free": {},
        "across": {row: [between(row)] for row in ROWS}, "config": {"path": LONG},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("comparison") / "report.html"
    path.write_text(report.comparison_page(results | {"advice": advice(results)}), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["run_page", "comparison"])
def page(request):
    """Path of each of the two."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_at_any_width_nothing_is_cut_off_small_or_faint(browser, page, width, scheme):
    browser.open(page, width=width, scheme=scheme)
    found = browser.evaluate(READ)
    assert found["width"] == width == found["room"]  # else another width was looked at
    assert found["needs"] == width and not found["outside"]
    assert not found["faint"] and not found["small"]
    assert (min(found["behind"]) > 200) == (scheme == "light")  # else the other scheme was
    assert found["images"]
    for image in found["images"]:
        assert image["alt"] and image["loaded"]
        assert image["of_its_pixels"] > 0.5  # letters of 16 pixels are 8 high
    assert found["names"] and max(map(abs, found["names"])) < 1  # beside what is scrolled to
    assert not browser.said


def test_what_is_said_of_an_odd_page_is_seen(browser, tmp_path):
    path = tmp_path / "odd.html"
    path.write_text("""<!doctype html><meta name=viewport content="width=device-width">
      <body style="background: #fff">
      <p style="width: 900px; color: #999; font-size: 9px">wide, faint and small<img src="no.png">
      <table><td>a name<td>a number</table><script>console.warn("odd")</script>""")
    browser.open(path, width=400)
    found = browser.evaluate(READ.replace("box.scrollLeft = 1e6;", "").replace(".wide", "body"))
    assert found["needs"] > found["room"] and found["outside"][0].startswith("P wide")
    assert found["faint"][0].startswith("2.8") and found["small"] == [found["outside"][0]]
    assert found["images"] == [{"alt": "", "loaded": False, "of_its_pixels": None}]
    said = [event.get("type") or event["entry"]["level"] for event in browser.said]
    assert sorted(said) == ["error", "warning"]  # the image that is not there, and the script's


def test_on_paper_tables_are_whole(browser, page):
    browser.open(page, width=740, media="print", scheme="dark")
    found = browser.evaluate(READ)
    assert found["needs"] == found["room"]
    assert found["behind"] == [255, 255, 255] and not found["faint"]
    wide = "[...document.querySelectorAll('.wide')].filter(x => x.scrollWidth > x.clientWidth + 1)"
    assert browser.evaluate(f"{wide}.length") == 0
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")
