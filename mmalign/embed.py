"""A trained run's embeddings of a file of windows, as a program.

python -m mmalign.embed --workdir=RUN --input=new.npz --output=embeddings.npz

The input is an .npz as `mmalign.data.npz` takes it, of any of the run's modalities; labels and
people may be missing. The output, .npz or .parquet, has an array for each part of the embedding,
"predicted" classes where the run fitted a probe to its labels, and what else the input says of each
window (group, label, recording, position, split).
"""

from mmalign.signals import answered, leave_at_signals

if __name__ == "__main__":
    leave_at_signals()  # before imports that take a second

import argparse
import pathlib
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmalign import trained
from mmalign.data.npz_arrays import arrays_of
from mmalign.data.npz_columns import COLUMNS
from mmalign.files import write_whole

SUFFIXES = (".npz", ".parquet")


def main() -> None:
    """Reads, embeds, writes; what is wrong ends in one line and exit code 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", required=True, help="of a finished run")
    parser.add_argument("--input", required=True, type=pathlib.Path, help=".npz of windows")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="; ".join(SUFFIXES))
    parser.add_argument("--stage", help="of the config; by default the aligned model")
    parser.add_argument("--batch_size", type=int, default=256, help="windows at a time")
    args = parser.parse_args()
    try:
        if args.output.suffix not in SUFFIXES:
            raise ValueError(f"--output must end in {' or '.join(SUFFIXES)}, got {args.output}")
        if args.output.exists() and args.output.samefile(args.input):
            raise ValueError(f"--output is the --input, {args.input}: name another file")
        model = trained.load(args.workdir, args.stage)
        found = embedded(model, args.input, args.batch_size)
        write(args.output, found)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
    shapes = ", ".join(f"{name} {list(x.shape)}" for name, x in found.items())
    print(f"{args.output}: {shapes}")


def embedded(
    model: trained.Trained, file: pathlib.Path, batch_size: int = 256
) -> dict[str, np.ndarray]:
    """{part of the embedding, "predicted", column of the file: [n, ...]} of an .npz.

    Raises: ValueError that names the file, for arrays that no modality of the model, no column and
      no rate has the name of.
    """
    arrays = arrays_of(file)
    known = model.modalities
    about = {f"{key}{m}" for key in ("present_", "rate_hz_", "kind_") for m in known}
    ours = {key for key in arrays if key in (*known, *COLUMNS, "class_names") or key in about}
    if unknown := sorted(key for key in set(arrays) - ours if not key.startswith("target_")):
        raise ValueError(f"{file} has {unknown[0]!r}; the model knows {', '.join(known)}")
    how: dict[str, Any] = {"batch_size": batch_size}
    columns = {key: arrays[key] for key in COLUMNS if key in arrays}
    try:
        inputs = {m: _with_absent(m, arrays) for m in known if m in arrays}
        for key, column in columns.items():
            if any(column.shape[:1] != x.shape[:1] for x in inputs.values()):
                raise ValueError(f"{key!r} has {[*column.shape]} entries: one a window is needed")
        if model.by_subject and "group" in columns:
            how["subject"] = columns["group"]
        how["rate_hz"] = {m: _rate(m, arrays) for m in inputs if f"rate_hz_{m}" in arrays}
        out = model.embed(inputs, **how)
        if model.answers:
            out["predicted"] = _as(columns.get("label"), model.named(model.odds(out)))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return out | columns


def _rate(m, arrays):
    rate = arrays[f"rate_hz_{m}"]
    if rate.size != 1 or rate.dtype.kind not in "fiu":
        raise ValueError(f"'rate_hz_{m}' must be one number, got {rate.dtype} {[*rate.shape]}")
    return float(rate.item())


def _as(label, names):
    """Names of classes as the file has its labels: numbers where these are."""
    if label is None or label.dtype.kind not in "iu":
        return names
    numbers = all(str(name).lstrip("-").isdecimal() for name in np.unique(names))
    return names.astype(label.dtype) if numbers else names


def write(file: pathlib.Path, found: Mapping[str, np.ndarray]) -> None:
    """As .npz, or as .parquet with a column for each number of the joint embedding."""
    if file.suffix == ".npz":
        with write_whole(file) as stream, zipfile.ZipFile(stream, "w") as zipped:
            for name, x in found.items():  # not np.savez, whose own argument a name may be
                with zipped.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(x), allow_pickle=False)
        return
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "parquet is written by pandas: pip install 'mmalign[recordings]'"
        ) from error
    columns = {f"joint_{i}": column for i, column in enumerate(found["joint"].T)}
    columns |= {key: x for key, x in found.items() if x.ndim == 1}
    with write_whole(file) as stream:
        pandas.DataFrame(columns).to_parquet(stream)


def _with_absent(m, arrays):
    """Windows of a modality, NaN where the file says that they are not there."""
    x, present = arrays[m], arrays.get(f"present_{m}")
    if present is None:
        return x
    if present.shape != x.shape[:1]:
        raise ValueError(f"'present_{m}' must be {[*x.shape[:1]]}, got {[*present.shape]}")
    x = x.astype(np.float32)
    x[~present.astype(bool)] = np.nan
    return x


if __name__ == "__main__":
    answered(main)
