"""Data sets that were read once, kept as TFDS over array_record and read back in a second."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import operator
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mmalign.data.archive import AnyPath
from mmalign.data.dataset import SPLITS, Dataset, Description, Task
from mmalign.data.download import cache_folder
from mmalign.locks import held

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

FORMAT = 2  # of what is stored: another one is prepared anew
# what is stored of a Dataset: {name: array} each, and one array each; what is empty is left out
BY_NAME = ("inputs", "present", "valid", "targets", "factors")
SINGLE = ("group", "recording", "position", "source", "untold")
MANIFEST = "complete.json"  # {file: bytes}, written last


def through_cache(
    make: Callable[[], Dataset],
    *,
    name: str,
    version: str,
    key: Any,
    cache_dir: AnyPath | None = None,
) -> Dataset:
    """`make()`, or what an earlier call of it left in the cache folder.

    Args:
      make: () -> Dataset.
      name: snake_case name of the data set.
      version: "x.y.z" of the code that reads it; a new one prepares anew.
      key: anything JSON can hold that the result depends on: checksums of files, options.
      cache_dir: None is the user's cache folder.
    Returns: the Dataset, training windows first, then those of the test and of the validation, each
      in the order in which `make` gave them.
    Raises: OSError where the cache folder cannot be written.
    """
    digest = hashlib.sha256(json.dumps([FORMAT, key], sort_keys=True).encode()).hexdigest()[:16]
    home = cache_folder(cache_dir) / "datasets" / name
    folder = home / f"{version}-{digest}"
    if not _is_whole(folder):
        _prepare_alone(make, name, version, folder)
    try:
        return _read(folder / name / version)
    except MemoryError:
        raise
    except Exception as error:  # the record reader has errors of its own
        print(f"the prepared data in {folder} are damaged ({error}): they are prepared again")
    _prepare_alone(make, name, version, folder, lambda _: _can_be_read(folder / name / version))
    return _read(folder / name / version)


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


def builder(
    dataset: Dataset, name: str, version: str, data_dir: AnyPath
) -> "tfds.core.GeneratorBasedBuilder":
    """What writes `dataset` as array_record, a window an example.

    What it wrote needs no code of ours to be read: `tfds.builder_from_directory(folder)`.
    """
    return _builder_class(name, version)(dataset, data_dir)


@functools.cache
def _builder_class(dataset_name, version):
    import tensorflow_datasets as tfds

    class Info(tfds.core.DatasetInfo):
        def initialize_from_bucket(self):
            """Ours is in none; looking for it would leave an empty folder behind."""

    class Windows(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """Aligned windows of several modalities."""

        name = dataset_name
        VERSION = tfds.core.Version(version)

        def __init__(self, dataset, data_dir):
            self._dataset = dataset
            super().__init__(data_dir=data_dir, file_format="array_record")

        def _info(self):
            description = self._dataset.description
            return Info(
                builder=self,
                description=f"{description.name}: {self.__doc__}",
                citation=description.citation,
                license=description.licence,
                features=_features(self._dataset),
                metadata=tfds.core.MetadataDict(_metadata(self._dataset)),
                disable_shuffling=True,  # keeps consecutive windows together; samplers shuffle
            )

        def _split_generators(self, dl_manager):
            del dl_manager  # the files were found before
            split = self._dataset.split
            return {
                name: self._generate_examples(np.flatnonzero(split == code))
                for name, code in SPLITS.items()
                if (split == code).any()
            }

        def _generate_examples(self, rows):
            columns = _columns(self._dataset)
            for i in rows.tolist():
                yield i, _each(operator.itemgetter(i), columns)

    return Windows


def _columns(dataset):
    """{name: array or {name: array}} of what is stored of each window."""
    columns = {name: dict(getattr(dataset, name)) for name in BY_NAME}
    columns |= {name: getattr(dataset, name) for name in SINGLE}
    return {name: column for name, column in columns.items() if column is not None and len(column)}


def _each(function, columns):
    """What a function says of each array, in the place of the array."""
    return {
        name: _each(function, column) if isinstance(column, dict) else function(column)
        for name, column in columns.items()
    }


def _features(dataset):
    import tensorflow_datasets as tfds

    def feature(x):
        if x.ndim == 1:
            return tfds.features.Scalar(x.dtype)
        # bytes are 3 x faster than numbers one by one
        return tfds.features.Tensor(shape=x.shape[1:], dtype=x.dtype, encoding="bytes")

    return tfds.features.FeaturesDict(_each(feature, _columns(dataset)))


def _metadata(dataset):
    """What JSON keeps: the description, the columns' types and, unlike features, their order."""
    return {
        "description": dataclasses.asdict(dataset.description),
        "columns": _each(lambda x: x.dtype.name, _columns(dataset)),
    }


def _read(folder):
    """The Dataset that a builder wrote to `folder`."""
    import tensorflow_datasets as tfds

    stored = tfds.builder_from_directory(folder)
    splits = {name: code for name, code in SPLITS.items() if name in (stored.info.splits or {})}
    source: Any = stored.as_data_source
    parts = [source(split=name) for name in splits]
    rows = [row for part in parts for row in part.__getitems__(range(len(part)))]
    sizes = [len(part) for part in parts]

    def column(name, dtype, of):
        if isinstance(dtype, dict):
            return {key: column(key, x, [row[name] for row in of]) for key, x in dtype.items()}
        return np.stack([row[name] for row in of]).astype(dtype, copy=False)

    metadata: Any = stored.info.metadata
    columns: dict[str, Any] = {
        name: column(name, x, rows) for name, x in metadata["columns"].items()
    }
    return Dataset(
        split=np.repeat(np.array([*splits.values()], np.int8), sizes),
        description=_description(metadata["description"]),
        **columns,
    )


def _description(stored):
    """`Description` of what JSON made of it: tuples became lists."""
    tuples = {
        "channels": {m: tuple(names) for m, names in stored["channels"].items()},
        "class_names": tuple(stored["class_names"]),
        "sources": tuple(stored.get("sources", ())),
        "targets": {
            task: Task(kind, size, tuple(names))
            for task, (kind, size, names) in stored["targets"].items()
        },
    }
    return Description(**stored | tuples)


def _is_whole(folder):
    """Whether every file of a finished preparation is there in its full size."""
    try:
        files = json.loads((folder / MANIFEST).read_text())
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError):
        return False


def _can_be_read(folder):
    """Whether another process has prepared again by now what was damaged."""
    try:
        _read(folder)
    except MemoryError:
        raise
    except Exception:
        return False
    return True


def _prepare_alone(make, name, version, folder, whole=_is_whole):
    """Prepares the data, unless another process does."""
    waiting = lambda owner: print(f"{name} is being prepared by {owner}: waiting for it")
    with contextlib.ExitStack() as stack:
        with _to_be_written(name, folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(folder.with_name(f"{folder.name}.lock"), waiting))
        if not whole(folder):
            dataset = make()
            with _to_be_written(name, folder.parent):
                _prepare(dataset, name, version, folder)


@contextlib.contextmanager
def _to_be_written(name, home):
    """Says of what the system refuses where that was."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"cannot prepare {name} in {home} ({error}). Pass another folder by "
            "--config.data.cache_dir=FOLDER."
        ) from error
