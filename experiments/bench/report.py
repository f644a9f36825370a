"""Measured losses as a page, a plot and numbers."""

import json
import re

HEAD = [
    "form", "time, ms", "of PyTorch's", "of plain", "memory, MiB", "of PyTorch's", "of plain",
    "XLA's temporaries, MiB", "compilation, s",
]  # fmt: skip
# Floating-point operations and bytes per second, from the makers' sheets: dense, float32 without
# tensor cores, as exact products of float32 have it.
PEAKS = {
    "H200": {"float32": 67e12, "bf16": 989e12, "bytes": 4.8e12},
    "H100": {"float32": 67e12, "bf16": 989e12, "bytes": 3.35e12},
    "A100": {"float32": 19.5e12, "bf16": 312e12, "bytes": 2.0e12},
}


QUIET = 0.3  # load of each core before a start that a measurement stands


def slug(device):
    """The hardware's name in a file name."""
    name = re.sub(r"\((r|tm)\)", " ", device.lower())
    return re.sub("[^a-z0-9]+", "-", name).strip("-")


def write(path, found):
    """Writes path.json, path.md and path.png."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for ending, text in (
        ("json", json.dumps(found, indent=1) + "\n"),
        ("md", markdown(found)),
    ):
        path.with_name(f"{path.name}.{ending}").write_text(text)
    _plot(path.with_name(f"{path.name}.png"), found["cases"])


def markdown(found):
    """The page: hardware, a table for each loss, digits."""
    about, measured = found["hardware"], found["cases"]
    days = sorted({row["date"] for row in measured})
    busy = [row for row in measured if row["load"] > QUIET]
    versions = f"Python {about['python']}, jax {about['jax']}, PyTorch {about['torch'] or 'absent'}"
    lines = [
        f"# Losses on {about['device']}",
        "",
        f"{about['cores']} cores, {about.get('torch_threads', 'no')} PyTorch threads; {versions}; "
        f"{' to '.join(dict.fromkeys([days[0], days[-1]])) if days else 'nothing measured'}.",
        *(["", _busy(busy)] if busy else []),
        "",
        "One step is the loss and its gradient for both inputs, float32 unless bf16 is said. Time: "
        "median (range) of five runs or more, or of two to four that together took a minute, after "
        "compilation. Memory: what the first step adds "
        + ("to the GPU's" if about["gpu"] else "to the process's resident")
        + " memory at its peak. Ratios below 1 are in favour of the row. A case is named by loss, "
        "rows N and dimensions D; for NT-Xent the matrix is 2N x 2N. SupCon has N anchors: two "
        "views of N / 2 samples, in 10 classes, or all different (pairs). A critic has N logits of "
        "aligned rows, with D negatives each; this and VICReg have one form, called plain. PyTorch "
        "is eager, built as official codes build it.",
        "",
    ]
    losses = dict.fromkeys(row["case"]["loss"] for row in measured)
    for loss in [loss for loss in losses if loss != "digits"]:
        mine = sorted((r for r in measured if r["case"]["loss"] == loss), key=_order)
        lines += head(about)
        lines += [line for row in mine for line in rows(row, about)]
        lines.append("")
    for row in measured:
        lines += _digits(row) if row["case"]["loss"] == "digits" else []
    return "\n".join(lines)


def _busy(measured):
    """What to know of cases before which others used the machine."""
    load = max(row["load"] for row in measured)
    names = ", ".join(row["case"]["name"] for row in measured)
    return f"**The machine was busy before a start, load up to {load:.1f} for each core: {names}.**"


def head(about):
    """The two lines above a table."""
    cells = ["case", *HEAD, *["of the product's peak", "of the bandwidth"] * about["gpu"]]
    return [_line(*cells), "| --- | --- |" + " ---: |" * (len(cells) - 2)]


def _order(row):
    case = row["case"]
    return case["d"], case.get("labels", ""), case.get("half", False), case["n"]


def rows(row, about):
    """Lines of a case, one for each form."""
    case, lines, gpu = row["case"], [], about["gpu"]
    if case["loss"] == "digits":
        return _digits(row)
    for form, found in row["forms"].items():
        low, middle, high = (1000 * found[k] for k in ("fastest", "seconds", "slowest"))
        cells = [f"{middle:.3g} ({low:.3g} to {high:.3g})"]
        cells += _ratios(row["forms"], form, "seconds")
        cells.append(_number(found["memory_mib"], ".1f"))
        cells += _ratios(row["forms"], form, "memory_mib")
        cells += [_number(found["temporary_mib"], ".1f"), f"{found['compile_seconds']:.2g}"]
        if gpu:
            cells += _fractions(case, form, found["seconds"], about["device"])
        lines.append(_line(case["name"], form, *cells))
    for form, why in row["left_out"].items():
        lines.append(_line(case["name"], form, why, *["-"] * (len(HEAD) - 2 + 2 * gpu)))
    return lines


def _line(*cells):
    return "| " + " | ".join(cells) + " |"


def _number(value, how):
    return "-" if value is None else f"{value:{how}}"


def _ratios(forms, form, key):
    """A measurement over PyTorch's and over the plain form's; - where there is none."""
    ratios = []
    for other in ("pytorch", "plain"):
        ours, theirs = forms[form][key], forms.get(other, {}).get(key)
        ratios.append(f"{ours / theirs:.2f}" if ours is not None and theirs else "-")
    return ratios


def anchors(case):
    """Rows of the matrix of similarities."""
    return case["n"] * (2 if case["loss"] == "nt_xent" else 1)


def _fractions(case, form, seconds, device):
    """Of a GPU's peaks, from the least that a form computes and moves; for InfoNCE and NT-Xent.

    Three products of 2 D operations for a pair of rows, a fourth where tiles compute similarities
    again; NT-Xent's tiles do half of the pairs. A form with a matrix writes and reads it once for
    the loss and once for the gradient; tiles read their rows twice, and read and write gradients.
    """
    peaks = next((p for name, p in PEAKS.items() if name in device), None)
    if peaks is None or case["loss"] not in ("info_nce", "nt_xent"):
        return ["unknown"] * 2
    tiled, tile = form == "tiled", 2048 if case["n"] >= 4096 else 256
    pairs = anchors(case) ** 2 / (2 if tiled and case["loss"] == "nt_xent" else 1)
    operations = (8 if tiled else 6) * pairs * case["d"]
    moved = 32 * pairs * case["d"] / tile if tiled else 16 * pairs
    peak = peaks["bf16" if case.get("half") else "float32"]
    return [f"{operations / peak / seconds:.2g}", f"{moved / peaks['bytes'] / seconds:.2g}"]


def _digits(row):
    forms = row["forms"]
    lines = [
        "NT-Xent at temperature 0.03 in float32, N 1024, D 128: relative error of the loss against "
        "float64.",
        "",
        _line("cosine of pairs", "loss", *forms),
        "| ---: |" + " ---: |" * (1 + len(forms)),
    ]
    for found in zip(*forms.values()):
        errors = [f"{abs(f['value'] / f['exact'] - 1):.1e}" for f in found]
        lines.append(_line(f"{found[0]['cosine']:.2f}", f"{found[0]['exact']:.2e}", *errors))
    return [*lines, ""]


def _plot(path, measured):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.8), dpi=120, layout="constrained")
    panels = zip(
        figure.subplots(1, 2),
        (("seconds", "time of a step, ms", 1000), ("memory_mib", "extra memory, MiB", 1)),
    )
    shown = [r for r in measured if r["case"]["loss"] == "nt_xent" and r["case"]["d"] == 128]
    shown = sorted((r for r in shown if not r["case"].get("half")), key=_order)
    for axes, (key, label, scale) in panels:
        for form in dict.fromkeys(f for r in shown for f in r["forms"]):
            points = [(r["case"]["n"], r["forms"][form][key]) for r in shown if form in r["forms"]]
            points = [(n, scale * y) for n, y in points if y]
            axes.loglog(*zip(*points), marker="o", ms=4, lw=1.4, label=form) if points else None
        batches = sorted({r["case"]["n"] for r in shown})
        axes.set_xticks(batches, batches, rotation=45, minor=False)
        axes.minorticks_off()
        axes.set_xlabel("pairs in the batch, N")
        axes.set_ylabel(label)
        axes.set_title("NT-Xent, D = 128", fontsize=9)
        if axes.lines:
            axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure).print_png(path)
