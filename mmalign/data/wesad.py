"""WESAD: heart, muscle and skin of 15 people at rest, stressed, amused and meditating."""

import numpy as np

from mmalign.data import gaps, pickled
from mmalign.data.archive import AnyPath, Archive, Origin
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description
from mmalign.data.original import open_archive
from mmalign.data.prepared import through_cache
from mmalign.data.resampling import decimate
from mmalign.data.windows import Part, cut, hop, joined, segments

VERSION = "1.2.0"  # of this reader: a change of what it returns needs a new one
STORED_HZ = 700
CLASS_NAMES = ("baseline", "stress", "amusement", "meditation")  # stored as 1 to 4
STREAMS = {"ecg": ("ECG", "mV"), "emg": ("EMG", "mV"), "eda": ("EDA", "uS")}
LABELS = 8  # 5 to 7 are to be ignored, 0 is in between
SHORTEST = 28  # rows that the low-pass needs
PEOPLE = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17)
FOLD = 3  # people tested at once
ORIGIN = Origin(
    name="wesad",
    file="WESAD.zip",
    home="https://archive.ics.uci.edu/dataset/465",
    url="https://uni-siegen.sciebo.de/s/HGdUkoNlW1Ub0Gx/download",
    marker="S2/S2.pkl",
    aliases=("WESAD*.zip", "wesad*.zip"),
)
CITATION = (
    "P. Schmidt, A. Reiss, R. Duerichen, C. Marberger, K. Van Laerhoven. Introducing WESAD, a "
    "Multimodal Dataset for Wearable Stress and Affect Detection. ICMI 2018. "
    "doi:10.1145/3242969.3242985"
)


def load(
    *,
    dir: AnyPath | None = None,
    cache_dir: AnyPath | None = None,
    fold: int = 0,
    rate_hz: int = 100,
    steps: int = 1000,
    overlap: float = 0.0,
    most_lost: float = 0.0,
) -> Dataset:
    """WESAD's chest signals as CroSSL takes them: ECG, EMG and skin conductance, 1000 samples.

    ecg, emg in mV, eda in microsiemens; each [n, steps, 1] at `rate_hz`. Windows lie within one
    condition; what is neither baseline, stress, amusement nor meditation is left out.

    CroSSL's code reads windows cut before; neither their rate nor their overlap is known. 1000
    samples are 10 s at 100 Hz, about ten heart beats, or 1.43 s at the 700 Hz that are stored. A
    muscle's signal is mostly above the 40 Hz that 100 Hz leave of it: take 700 to keep it.

    CroSSL's code tests on the people it trains on, or, in a function it does not call, on three
    others, which is done here: five folds, in which everyone is tested once. Two more people, whom
    it keeps for validation, are among the training people here, who are divided where a choice is
    made.

    Args:
      dir: folder with the original zip, the zip, or its unzipped folder; None downloads it
        (2.5 GB).
      cache_dir: where downloaded and prepared data are kept; None is the user's cache folder.
      fold: 0 to 4, people 3 fold to 3 fold + 2 in the order of PEOPLE are kept for the test.
      rate_hz: 700 or a whole fraction of it; lower ones after a low-pass.
      steps: length of a window.
      overlap: share of a window that the next one of the same condition holds, too.
      most_lost: share of a window's samples that a stream may have lost and still be used there,
        with `valid` saying which are real; 0: a stream with a missing number is absent.
    Returns: Dataset; group is the published number of the person, recording a stretch of one
      condition.
    Raises: FileNotFoundError, ValueError where the files are missing or broken, or hold more than
      arrays of numbers in plain containers.
    """
    if fold not in range(len(PEOPLE) // FOLD):
        raise ValueError(f"fold must be in 0..{len(PEOPLE) // FOLD - 1}, got {fold}")
    if rate_hz <= 0 or STORED_HZ % rate_hz:
        raise ValueError(f"rate_hz must be {STORED_HZ} or a whole fraction of it, got {rate_hz}")
    hop(steps, overlap)
    options = {
        "fold": fold,
        "rate_hz": rate_hz,
        "steps": steps,
        "overlap": float(overlap),
        "most_lost": gaps.checked(most_lost),
    }
    with open_archive(ORIGIN, dir, cache_dir) as archive:
        return through_cache(
            lambda: read(archive, **options),
            name="wesad",
            version=VERSION,
            key=[options, [archive.checksum(_member(person)) for person in PEOPLE]],
            cache_dir=cache_dir,
        )


def read(
    archive: Archive, *, fold: int, rate_hz: int, steps: int, overlap: float, most_lost: float
) -> Dataset:
    """The Dataset from the pickles of an `Archive`; arguments as of `load`."""
    tested = PEOPLE[FOLD * fold : FOLD * (fold + 1)]
    parts = []
    for person in PEOPLE:
        split = TEST if person in tested else TRAIN
        label, streams = _slower(*_recording(archive, person), round(STORED_HZ / rate_hz))
        for condition, at in _stretches(label, steps, overlap):
            windows = {m: gaps.cut_out(x, at, most_lost=most_lost) for m, x in streams.items()}
            parts.append(Part(windows, np.full(len(at), condition - 1), person, split))
    description = Description(
        name="wesad",
        rate_hz=dict.fromkeys(STREAMS, float(rate_hz)),
        unit={m: unit for m, (_, unit) in STREAMS.items()},
        channels={m: (m,) for m in STREAMS},
        class_names=CLASS_NAMES,
        citation=CITATION,
        licence="For scientific, non-commercial use by its readme, to be cited",
        stride_s=hop(steps, overlap) / rate_hz,
    )
    return joined(archive.path, parts, description)


def _stretches(label, steps, overlap):
    """Yields (code of a condition, rows [windows, steps]) of each stretch of one condition."""
    for first, last in segments(label):
        if 1 <= label[first] <= len(CLASS_NAMES) and last - first >= steps:
            yield label[first], first + cut(last - first, steps, hop(steps, overlap))


def _slower(label, streams, factor):
    """Every `factor`-th sample after a low-pass, NaN where one that was lost lies next to it."""
    slower = {}
    for m, values in streams.items():
        lost = np.asarray(np.isnan(values).any(axis=1))
        slower[m] = decimate(gaps.bridged(values[None], ~lost[None])[0], STORED_HZ, factor)
        slower[m][np.add.reduceat(lost, np.arange(0, len(lost), factor)) > 0] = np.nan
    return label[::factor], slower


def _recording(archive, person):
    """(label int [n], {modality: float [n, 1]}) of one person, at 700 Hz."""
    member = _member(person)
    content = archive.read(member)
    try:
        stored = pickled.loads(content)
        label = _array(stored["label"])
        chest = stored["signal"]["chest"]
        with np.errstate(over="ignore"):
            streams = {m: _array(chest[key]).astype(np.float32) for m, (key, _) in STREAMS.items()}
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(
            f"{archive.path}: {member} must be a pickle with the labels and ECG, EMG and EDA of "
            f"the chest ({type(error).__name__}: {error})"
        ) from error
    shapes = {m: x.shape for m, x in streams.items()}
    want = (*label.shape, 1)
    if label.ndim != 1 or label.dtype.kind not in "iu" or set(shapes.values()) != {want}:
        raise ValueError(
            f"{archive.path}: {member} must label every row, got {label.dtype} labels "
            f"{label.shape} for {shapes}"
        )
    if len(label) < SHORTEST or not np.isin(label, range(LABELS)).all():
        raise ValueError(
            f"{archive.path}: {member} must label {SHORTEST} rows or more by 0 to {LABELS - 1}, "
            f"got {len(label)} rows of {np.unique(label)[:20].tolist()}"
        )
    for m, x in streams.items():
        if np.isinf(x).any():
            raise ValueError(f"{archive.path}: {member} holds infinite values of {m}")
    return label, streams


def _array(stored):
    """What is stored, if it is an array of numbers."""
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "biuf":
        raise TypeError(f"a {type(stored).__name__} where an array of numbers must be")
    return stored


def _member(person):
    return f"S{person}/S{person}.pkl"
