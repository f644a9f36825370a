"""A picture of a folder of recordings: when each sensor was there, and windows of three labels."""

import numpy as np

from mmalign.canvas import MUTED, blank, colour, legend, png, tidy
from mmalign.data.dataset import Dataset
from mmalign.data.recordings.understood import Understood
from mmalign.lettering import Lettering

_RECORDINGS, _WINDOWS, _CHANNELS = 8, 3, 6  # that are shown
_BESIDE = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "fontsize": 7}


def draw(found: Understood, dataset: Dataset) -> tuple[bytes, str]:
    """(PNG bytes, the key of names that are numbers in it as no font has their letters, or "")."""
    written, sensors = Lettering(), [*found.rate_hz]
    figure = blank(11, 1.2 + 1.8 * (len(sensors) + 1))
    rows = _of_labels(dataset)
    grid = figure.add_gridspec(len(sensors) + 1, len(rows))
    _times(figure.add_subplot(grid[0, :]), found, written)
    for i, m in enumerate(sensors):
        for j, row in enumerate(rows):
            axes = figure.add_subplot(grid[i + 1, j])
            lines = _window(axes, dataset, m, row, found.rate_hz[m], written)
            if j == len(rows) - 1:
                legend(axes, lines, written.all(found.channels[m][:_CHANNELS]), **_BESIDE)
    return png(figure, written), written.text()


def _times(axes, found, written):
    """When each sensor was there, the first recording above."""
    sensors, shown = [*found.rate_hz], found.recordings[:_RECORDINGS]
    apart = 0.7 / len(sensors)
    drawn = [axes.plot([], [], color=colour(i), lw=3)[0] for i in range(len(sensors))]
    for row, recording in enumerate(shown):
        begin = recording.ends_s[0]
        for i, m in enumerate(sensors):
            for stretch in recording.streams[m].stretches if m in recording.streams else ():
                ends = np.array([stretch.times_s[0], stretch.times_s[-1]]) - begin
                at = row + apart * (i - (len(sensors) - 1) / 2)
                axes.plot(ends, [at] * 2, color=colour(i), lw=3, solid_capstyle="butt")
    axes.set_yticks(range(len(shown)), written.all((r.name for r in shown), 24))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("seconds: when each sensor was there, of the first recordings")
    legend(axes, drawn, written.all(sensors), **_BESIDE)
    tidy(axes)


def _window(axes, dataset, m, row, rate_hz, written):
    """Lines of the channels of one sensor in a window; without points where it is missing."""
    there, label = dataset.present[m][row], dataset.label[row]
    x = dataset.inputs[m][row][:, :_CHANNELS]
    time_s = np.arange(len(x)) / rate_hz
    lines = [axes.plot(time_s, np.where(there, x[:, c], np.nan), color=colour(c), lw=0.9)[0]
             for c in range(x.shape[1])]  # fmt: skip
    known = dataset.description.class_names[label] if label >= 0 else "unknown"
    axes.set_title(f"{written(m)}, {written(known)}", fontsize=8.5)
    if not there:
        axes.text(0.5, 0.5, "missing", ha="center", va="center", color=MUTED,
                  transform=axes.transAxes)  # fmt: skip
        axes.set(xticks=[], yticks=[])
    tidy(axes)
    return lines


def _of_labels(dataset):
    """Rows of three windows, of other labels where there are some, with most of the sensors."""
    sensors = np.sum([*dataset.present.values()], axis=0)
    labels = np.unique(dataset.label[dataset.label >= 0])
    rows = [int(np.where(dataset.label == label, sensors, -1).argmax()) for label in labels]
    rows = rows or [int(sensors.argmax())]
    if len(rows) <= _WINDOWS:
        return rows
    return [rows[i * len(rows) // _WINDOWS] for i in range(_WINDOWS)]
