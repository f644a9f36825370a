"""What a folder of recordings is understood as: python -m mmalign.data.recordings FOLDER."""

import argparse
import ast
import pathlib
import sys

import numpy as np

from mmalign.data.concerns import concerns
from mmalign.data.dataset import SPLITS
from mmalign.data.recordings import load, understand
from mmalign.data.recordings.preview import draw
from mmalign.signals import answered


def main() -> None:
    """Prints sensors, people, labels and windows, and draws a page of pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--preview", nargs="?", const="recordings.png", metavar="FILE",
                        help="PNG to draw, recordings.png if no name is given")  # fmt: skip
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE",
                        help="as of config.data.options: window_s=5")  # fmt: skip
    args = parser.parse_args()
    try:
        chosen = dict(map(_option, args.options))
        reading = {key: value for key, value in chosen.items() if key in _READING}
        found = understand(args.folder, **reading)
        for line in told(found):
            print(line)
        dataset = load(path=args.folder, **chosen)
        for line in told_of_windows(dataset):
            print(line)
        if args.preview:
            picture, key = draw(found, dataset)
            pathlib.Path(args.preview).write_bytes(picture)
            print(f"Picture: {args.preview}" + (f", with {key}" if key else ""))
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


_READING = ("pattern", "sensors", "columns", "time", "time_unit", "label", "rate_hz", "gap_s")


def told(found):
    """Recordings, people and sensors, in lines."""
    recordings = found.recordings
    people = {r.person for r in recordings} - {""}
    hours = sum(end - start for start, end in (r.ends_s for r in recordings)) / 3600
    whose = f"of {len(people)} people" if people else "of people who are not known"
    yield f"{len(recordings)} recordings {whose}, {hours:.2f} hours"
    for m, rate in found.rate_hz.items():
        streams = [r.streams[m] for r in recordings if m in r.streams]
        own = [s.rate_hz for stream in streams for s in stream.stretches]
        pieces = sum(len(stream.stretches) for stream in streams)
        lost = 1 - np.mean(np.concatenate([s.rows >= 0 for x in streams for s in x.stretches]))
        yield (
            f"  {m}: {', '.join(found.channels[m])} at {rate:g} Hz (stamps tell {min(own):.4g} to "
            f"{max(own):.4g}), in {len(streams)} recordings, {pieces} stretches, "
            f"{100 * lost:.2g} % of the samples lost inside them"
        )
    labels = sorted({x for r in recordings for _, _, x in r.labels} - {""})
    yield f"  labels: {', '.join(labels) if labels else 'none'}"
    for said in found.notes:
        yield f"Note: {said}"


def told_of_windows(dataset):
    """Windows by split and label, in lines."""
    for name, code in SPLITS.items():
        rows = dataset.split == code
        if rows.any():
            names = dataset.description.class_names
            counts = np.bincount(dataset.label[rows & (dataset.label >= 0)], minlength=len(names))
            of = ", ".join(f"{x} {n:,}" for x, n in zip(names, counts))
            unknown = int((rows & (dataset.label < 0)).sum())
            yield f"{name}: {rows.sum():,} windows ({of}{', ' if of else ''}unknown {unknown:,})"
    for m, there in dataset.present.items():
        if not there.all():
            yield f"  {m} is missing from {100 * (1 - there.mean()):.1f} % of the windows"
    for said in concerns(dataset):
        yield f"Note: {said}"


def _option(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is no option: write name=value")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


if __name__ == "__main__":
    answered(main)
