"""Data sets that were read once, kept as TFDS over array_record and read back in a second."""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import io
import json
import os
import pathlib
import shutil
import tempfile

import numpy as np

from mmalign.data.archive import cache_folder
from mmalign.data.dataset import TEST, TRAIN, Dataset, Description

SPLITS = {"train": TRAIN, "test": TEST}
SCALARS = ("label", "group", "recording", "position")
MANIFEST = "complete.json"  # {file: bytes}, written last


def through_cache(make, *, name, version, key, cache_dir=None):
    """`make()`, or what an earlier call of it left in the cache folder.

    Args:
      make: () -> Dataset with both splits.
      name: snake_case name of the data set.
      version: "x.y.z" of the code that reads it; a new one prepares anew.
      key: anything JSON can hold that the result depends on: checksums of files, options.
      cache_dir: None is the user's cache folder.
    Returns: the Dataset, training windows first, in the order in which `make` gave them.
    Raises: OSError where the cache folder cannot be written.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    home = cache_folder(cache_dir) / "datasets" / name
    folder = home / f"{version}-{digest}"
    try:
        if not _is_whole(folder):
            home.mkdir(parents=True, exist_ok=True)
            with _alone(home / f"{folder.name}.lock"):
                if not _is_whole(folder):  # another process may have prepared it meanwhile
                    _prepare(make(), name, version, folder)
    except OSError as error:
        raise OSError(
            f"cannot prepare {name} in {home} ({error}). Pass another folder by "
            "--config.data.cache_dir=FOLDER."
        ) from error
    try:
        return _read(folder / name / version)
    except Exception as error:  # the record reader has errors of its own
        raise ValueError(
            f"the prepared data in {folder} cannot be read ({error}): delete that folder, run again"
        ) from error


def _prepare(dataset, name, version, folder):
    """Writes beside `folder`, then renames: a killed preparation leaves nothing under its name."""
    for stale in folder.parent.glob(f"{folder.name}*.partial"):
        shutil.rmtree(stale)
    shutil.rmtree(folder, ignore_errors=True)
    partial = pathlib.Path(
        tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".partial", dir=folder.parent)
    )
    quiet = io.StringIO()  # tfds announces a download of unknown size and draws bars
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        builder(dataset, name, version, partial).download_and_prepare()
    files = [path for path in sorted(partial.rglob("*")) if path.is_file()]
    manifest = {str(path.relative_to(partial)): path.stat().st_size for path in files}
    (partial / MANIFEST).write_text(json.dumps(manifest))
    os.replace(partial, folder)


def builder(dataset, name, version, data_dir):
    """`tfds.core.GeneratorBasedBuilder` that writes `dataset` as array_record, a window an example.

    What it wrote needs no code of ours to be read: `tfds.builder_from_directory(folder)`.
    """
    return _builder_class(name, version)(dataset, data_dir)


@functools.cache
def _builder_class(dataset_name, version):
    import tensorflow_datasets as tfds

    tensor = functools.partial(tfds.features.Tensor, encoding="bytes")  # 3 x faster than floats

    class Windows(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """Aligned windows of several modalities."""

        name = dataset_name
        VERSION = tfds.core.Version(version)

        def __init__(self, dataset, data_dir):
            self._dataset = dataset
            super().__init__(data_dir=data_dir, file_format="array_record")

        def _info(self):
            inputs = self._dataset.inputs.items()
            features = {
                "inputs": {m: tensor(shape=x.shape[1:], dtype=x.dtype) for m, x in inputs},
                "present": {m: np.bool_ for m, _ in inputs},
                **dict.fromkeys(SCALARS, np.int32),
            }
            description = self._dataset.description
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"{description.name}: {self.__doc__}",
                citation=description.citation,
                license=description.licence,
                features=tfds.features.FeaturesDict(features),
                metadata=tfds.core.MetadataDict(dataclasses.asdict(description)),
                disable_shuffling=True,  # keeps consecutive windows together; views shuffle
            )

        def _split_generators(self, dl_manager):
            del dl_manager  # the files were found before
            return {
                name: self._generate_examples(np.flatnonzero(self._dataset.split == code))
                for name, code in SPLITS.items()
            }

        def _generate_examples(self, rows):
            data = self._dataset
            for i in rows.tolist():
                yield (
                    i,
                    {
                        "inputs": {m: x[i] for m, x in data.inputs.items()},
                        "present": {m: x[i] for m, x in data.present.items()},
                        **{name: getattr(data, name)[i] for name in SCALARS},
                    },
                )

    return Windows


def _read(folder):
    """The Dataset that a builder wrote to `folder`."""
    import tensorflow_datasets as tfds

    stored = tfds.builder_from_directory(folder)
    parts = [stored.as_data_source(split=name) for name in SPLITS]
    rows = [row for part in parts for row in part.__getitems__(range(len(part)))]
    description = dict(stored.info.metadata)
    description["channels"] = {m: tuple(c) for m, c in description["channels"].items()}
    description["class_names"] = tuple(description["class_names"])
    modalities = tuple(description["rate_hz"])  # JSON keeps their order, features do not
    return Dataset(
        inputs={m: np.stack([row["inputs"][m] for row in rows]) for m in modalities},
        present={m: np.array([row["present"][m] for row in rows], bool) for m in modalities},
        split=np.repeat(np.array(list(SPLITS.values()), np.int8), [len(part) for part in parts]),
        description=Description(**description),
        **{name: np.array([row[name] for row in rows], np.int32) for name in SCALARS},
    )


def _is_whole(folder):
    """Whether every file of a finished preparation is there in its full size."""
    try:
        files = json.loads((folder / MANIFEST).read_text())
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _alone(path):
    """Keeps other processes out; the system lets go of the lock when its holder dies."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
