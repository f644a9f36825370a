"""Stress-Predict: a wristband on 35 people between rest and three stressful tasks."""

import numpy as np

from mmalign.data import gaps
from mmalign.data.archive import AnyPath, Archive, Origin
from mmalign.data.dataset import TEST, TRAIN, UNKNOWN, Dataset, Description
from mmalign.data.drift import starts, true_rates
from mmalign.data.e4_file import STREAMS, read_stream
from mmalign.data.original import open_archive
from mmalign.data.prepared import through_cache
from mmalign.data.tables import numbers
from mmalign.data.windows import Part, Windows, hop, joined, majority, samples

VERSION = "1.2.0"  # of this reader: a change of what it returns needs a new one
CLASS_NAMES = ("baseline", "stress")
LABELS = "Processed_data/Improved_All_Combined_hr_rsp_binary.csv"
LABEL_COLUMNS = "Participant,HR,respr,Time(sec),Label"
CLOCK = "eda"  # a window's label is counted over the samples of this one
_COMMIT = "f49d2eae603f90c3f0140fbbbae7c0480d651023"
ORIGIN = Origin(
    name="stress_predict",
    file="Stress-Predict-Dataset.zip",
    home="https://github.com/italha-d/Stress-Predict-Dataset",
    url=f"https://github.com/italha-d/Stress-Predict-Dataset/archive/{_COMMIT}.zip",
    marker=LABELS,
    aliases=("*Stress-Predict-Dataset*.zip",),
)
CITATION = (
    "T. Iqbal, A. J. Simpkin, D. Roshan et al. Stress Monitoring Using Wearable Sensors: A Pilot "
    "Study and Stress-Predict Dataset. Sensors 22(21), 8135, 2022. doi:10.3390/s22218135"
)


def load(
    *,
    dir: AnyPath | None = None,
    cache_dir: AnyPath | None = None,
    window_s: float = 10.0,
    overlap: float = 0.0,
    most_lost: float = 0.0,
) -> Dataset:
    """Pulse, skin conductance, skin temperature and motion of the wrist, each at its own rate.

    With windows of 10 s: bvp [n, 640, 1] (photoplethysmograph, 64 Hz, no unit published), eda
    [n, 40, 1] in microsiemens and temp [n, 40, 1] in degrees Celsius (4 Hz), acc [n, 320, 3] with
    gravity in g (32 Hz). Nothing is resampled. The published heart rate is left out: it is computed
    from bvp.

    The streams of a person begin in one second and end together, and hold up to 7 s more or less
    than their rates say: windows begin where they are on the common clock (`drift.true_rates`). The
    device's pulse lags behind its motion by 1.25 to 1.5 s; it is left as it is published.

    10 s hold about ten heart beats and a whole response of the skin, and are short against the
    tasks (1.5 to 11 minutes). They do not overlap by default, as neighbours differ little.

    A window's label is the more frequent one of its seconds, from the authors' table: their time
    logs and the marks that the wearers set, resolved to the second. Person 1 has no labels there,
    nor have the first 9 s of the others: -1, as is a window with more unknown than known time.

    No split is published. Every third person (3, 6, ..., 33: 11 of 35) is kept for the test.

    Args:
      dir: folder with the original zip, the zip, or its unzipped folder; None downloads it.
      cache_dir: where downloaded and prepared data are kept; None is the user's cache folder.
      window_s: length of a window, a multiple of 0.25.
      overlap: share of a window that the next one holds, too.
      most_lost: share of a window's samples that a stream may have lost and still be used there,
        with `valid` saying which are real; 0: a stream with a missing number is absent.
    Returns: Dataset; group is the published number of the person, each of whom is one recording.
    Raises: FileNotFoundError, ValueError where the files are missing or broken.
    """
    for m, (_, rate_hz, *_) in STREAMS.items():
        hop(samples(window_s, rate_hz, f"window_s of {m}"), overlap)
    options = {
        "window_s": float(window_s),
        "overlap": float(overlap),
        "most_lost": gaps.checked(most_lost),
    }
    with open_archive(ORIGIN, dir, cache_dir) as archive:
        people = _people(archive)
        members = [LABELS, *(_member(person, m) for person in people for m in STREAMS)]
        return through_cache(
            lambda: read(archive, **options),
            name="stress_predict",
            version=VERSION,
            key=[options, [(m, archive.checksum(m)) for m in members]],
            cache_dir=cache_dir,
        )


def read(archive: Archive, *, window_s: float, overlap: float, most_lost: float) -> Dataset:
    """The Dataset from the CSV files of an `Archive`; arguments as of `load`."""
    table = _label_table(archive)
    parts = [
        _part(archive, person, table[table[:, 0] == person, 1:], window_s, overlap, most_lost)
        for person in _people(archive)
    ]
    description = Description(
        name="stress_predict",
        rate_hz={m: stream[1] for m, stream in STREAMS.items()},
        unit={m: stream[3] for m, stream in STREAMS.items()},
        channels={m: stream[2] for m, stream in STREAMS.items()},
        class_names=CLASS_NAMES,
        citation=CITATION,
        licence="MIT",
        stride_s=window_s * (1 - overlap),
    )
    return joined(archive.path, parts, description)


def _part(archive, person, labels, window_s, overlap, most_lost):
    """`Part` of one person in the time that all streams cover."""
    streams = {m: _stream(archive, person, m) for m in STREAMS}
    rates = true_rates(
        {m: (start, len(values), STREAMS[m][1]) for m, (start, values) in streams.items()},
        f"{archive.path}: Raw_data/S{person:02d}",
    )
    begin = max(start for start, _ in streams.values())
    windows = {}
    for m, (start, values) in streams.items():
        steps = samples(window_s, STREAMS[m][1], m)
        first = starts(begin - start, window_s * (1 - overlap), rates[m], len(values), steps)
        at = first[:, None] + np.arange(steps)
        windows[m] = gaps.cut_out(values, at, most_lost=most_lost)
    n = min(len(x.present) for x in windows.values())
    clock = samples(window_s, STREAMS[CLOCK][1], CLOCK)
    at_s = np.arange(n)[:, None] * window_s * (1 - overlap) + np.arange(clock) / STREAMS[CLOCK][1]
    second = np.floor(begin + at_s + 1e-6)  # sums of floats may fall below a whole second
    return Part(
        windows={m: Windows(*(column[:n] for column in x)) for m, x in windows.items()},
        label=majority(_codes(labels, second), len(CLASS_NAMES))[0],
        group=person,
        split=TRAIN if person % 3 else TEST,
    )


def _codes(labels, second):
    """Codes at UNIX seconds of any shape; -1 where `labels` [k, 2], (second, code), have none."""
    codes = np.full(second.shape, UNKNOWN)
    if len(labels):
        labels = labels[np.argsort(labels[:, 0], kind="stable")]
        found = np.searchsorted(labels[:, 0], second).clip(0, len(labels) - 1)
        labelled = labels[found, 0] == second
        codes[labelled] = labels[found[labelled], 1]
    return codes


def _people(archive):
    """Numbers of the people, those with a folder and those with labels."""
    folders = archive.names(r"Raw_data/S\d\d/ACC\.csv")
    labelled = _label_table(archive)[:, 0].astype(int).tolist()
    return sorted({int(name[10:12]) for name in folders} | set(labelled))


def _label_table(archive):
    """float64 [k, 3]: person, UNIX second, label."""
    table = numbers(
        archive,
        LABELS,
        columns=5,
        header=(LABEL_COLUMNS,),
        delimiter=",",
        only=(0, 3, 4),
        dtype=np.float64,
    )
    odd = ~np.isin(table[:, 0], range(1, 100))
    if odd.any():
        raise ValueError(
            f"{archive.path}: {LABELS} must number people from 1 to 99, got {table[odd][0, 0]:g}"
        )
    wrong = ~np.isin(table[:, 2], range(len(CLASS_NAMES)))
    if wrong.any():
        raise ValueError(
            f"{archive.path}: {LABELS} must label seconds by 0 or 1, got {table[wrong][0, 2]:g}"
        )
    return table


def _stream(archive, person, modality):
    """(UNIX time of the first sample, [n, channels] values in the modality's unit)."""
    start, _, values = read_stream(
        archive, _member(person, modality), modality, STREAMS[modality][1]
    )
    return start, values


def _member(person, modality):
    return f"Raw_data/S{person:02d}/{STREAMS[modality][0]}"
