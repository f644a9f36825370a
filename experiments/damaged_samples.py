"""Small whole files of every reader, in memory, and what reads them from a folder."""

import contextlib
import gzip
import io
import json
import pathlib
import pickle
import tempfile
import types
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from experiments.damage import packed
from mmalign.data import (
    arrays,
    e4,
    emg_imu_lis,
    ipol_gait,
    multibench,
    npz,
    pamap2,
    recordings,
    sp_sw_har,
    stress_predict,
    uci_har,
    unimts,
    wesad,
)
from mmalign.data.dataset import Dataset
from mmalign.data.e4_file import STREAMS
from mmalign.data.original import open_archive


class Sample(NamedTuple):
    """What a reader takes.

    file: name of the one that is damaged. members: {path: bytes} in it where it is a zip, {"":
    bytes} else. read: (folder) -> Dataset. beside: {name: bytes} that lie whole in the folder.
    """

    file: str
    members: dict[str, bytes]
    read: Callable[[pathlib.Path], Dataset]
    beside: Mapping[str, bytes] = types.MappingProxyType({})

    @property
    def zipped(self) -> bool:
        return "" not in self.members


def samples() -> dict[str, Sample]:
    """{reader: Sample}; that of HDF5 only where h5py is."""
    rng = np.random.default_rng(0)
    found = {
        "npz": Sample("mine.npz", _npz(rng), lambda folder: npz.load(folder / "mine.npz")),
        "uci_har": _public(uci_har, _uci_har(rng)),
        "sp_sw_har": _public(sp_sw_har, _sp_sw_har(rng), steps=64, purity=0.0),
        "stress_predict": _public(
            stress_predict, _stress_predict(), window_s=5.0, overlap=0.0, most_lost=0.2
        ),
        "ipol_gait": _public(ipol_gait, _ipol_gait(rng), steps=64, overlap=0.5, most_lost=0.0),
        "emg_imu_lis": _public(emg_imu_lis, _emg_imu_lis(), most_lost=0.1),
        "pamap2": _public(
            pamap2, _pamap2(), fold=0, heart_rate=True, places=["hand"], sensors=["acc"], steps=40,
            overlap=0.0, most_lost=0.2,
        ),
        "wesad": _public(
            wesad, _wesad(rng), fold=0, rate_hz=100, steps=10, overlap=0.0, most_lost=0.0
        ),
        "mosi": _multibench("mosi", pickle.dumps(_clips(rng), 4)),
        "mimic": _multibench("mimic", pickle.dumps(_stays(rng), 2)),
        "arrays": _arrays(rng),
        "unimts": _unimts(rng, "X_train.npy"),
        "unimts, words": _unimts(rng, "words.json"),
        "e4": _e4(),
    }  # fmt: skip
    with contextlib.suppress(ImportError):
        found["vision_touch"] = _robot(rng)
    with contextlib.suppress(ImportError):
        found |= _recordings()
    with contextlib.suppress(ImportError):
        found["recordings, HDF5"] = _hdf5()
    return found


def _public(module, files, **options):
    def read(folder):
        with open_archive(module.ORIGIN, folder) as archive:
            return module.read(archive, **options)

    members = {f"{module.ORIGIN.name}/{path}": content for path, content in files.items()}
    return Sample(module.ORIGIN.file, members, read)


def _multibench(task, content):
    file = multibench.TASKS[task].file
    return Sample(file, {"": content}, lambda folder: multibench.load(dir=folder, task=task))


def _text(rows, separator=" ", head=()):
    return "\n".join([*head, *(separator.join(map(str, row)) for row in rows), ""]).encode()


def _npz(rng):
    arrays = {
        "acc": rng.normal(size=(12, 8, 3)).astype(np.float32), "ecg": rng.normal(size=(12, 20, 1)),
        "rate_hz_acc": 50.0, "rate_hz_ecg": 1, "label": np.arange(12) % 3, "age": np.eye(12),
        "group": np.repeat(list("abcdef"), 2), "class_names": ["sit", "lie", "run"],
        "present_ecg": np.arange(12) > 0, "target_mood": rng.normal(size=(12, 2)),
        "kind_acc": "series", "position": np.arange(12), "recording": np.zeros(12, np.int8),
    }  # fmt: skip
    members = {}
    for key, x in arrays.items():
        stream = io.BytesIO()
        np.save(stream, np.asarray(x))
        members[f"{key}.npy"] = stream.getvalue()
    return members


def _uci_har(rng):
    files = {"activity_labels.txt": b"1 WALKING\n2 SITTING\n"}
    for split, people in (("train", [1, 1, 3, 3]), ("test", [2, 2, 4])):
        files[f"{split}/subject_{split}.txt"] = _text([[p] for p in people])
        files[f"{split}/y_{split}.txt"] = _text([[1 + i % 2] for i in range(len(people))])
        for name in uci_har.SIGNALS.values():
            for axis in "xyz":
                rows = np.round(rng.normal(size=(len(people), 128)), 5)
                files[f"{split}/Inertial Signals/{name}_{axis}_{split}.txt"] = _text(rows)
    return files


def _sp_sw_har(rng):
    names = ["s01_01", "s02_01", "s03_01"]
    files = {"DATA/executions_info.csv": _text([["id", "side"], *([n, "l"] for n in names)], ",")}
    for name in names:
        for device in sp_sw_har.DEVICES.values():
            rows = [
                [*np.round(rng.normal(size=6), 3), 1_657_533_977_000 + 10 * i, "WALKING"]
                for i in range(300)
            ]
            file = f"DATA/{name[:3]}/{name}_{device}.csv"
            files[file] = _text(rows, ",", [",".join(sp_sw_har.NAMES)])
    return files


def _stress_predict():
    start, files = 1_644_227_574, {}
    for person in (1, 2, 3):
        for file, rate_hz, channels, *_ in stress_predict.STREAMS.values():
            rows = [[start], [rate_hz], *([i % 60] for i in range(int(30 * rate_hz)))]
            table = [row * len(channels) for row in rows]
            files[f"Raw_data/S{person:02d}/{file}"] = _text(table, ",")
    rows = [[p, "", 12, start + t, int(t > 9)] for p in (2, 3) for t in range(30)]
    return files | {stress_predict.LABELS: _text(rows, ",", [stress_predict.LABEL_COLUMNS])}


def _ipol_gait(rng):
    about = {
        "TrialBoundaries": [50, 250], "UTurnBoundaries": [100, 150],
        "LeftFootEvents": [[60, 70], [260, 270]], "RightFootEvents": [[80, 90]],
    }  # fmt: skip
    files = {}
    for trial in ("1-1", "2-1", "3-1"):
        files[f"{trial}.json"] = json.dumps(about).encode()
        for place in ipol_gait.PLACES.values():
            rows = [[i, *np.round(rng.normal(size=9), 3)] for i in range(300)]
            files[f"{trial}_{place}.txt"] = _text(rows, "\t", ipol_gait.HEADER)
    return files


def _emg_imu_lis():
    files = {}
    for i, (letter, name) in enumerate([("A", emg_imu_lis.ORIGIN.marker), ("A", "x"), ("C", "y")]):
        keys = {"gyroscope": 3, "acceleration": 3, "orientation": 4}
        imu = [{key: [t + 0.5] * n for key, n in keys.items()} for t in range(emg_imu_lis.STEPS)]
        gesture = {
            "timestamp": ("26/06/20/22:28:12", "09/07/20/10:03:19")[i % 2],
            "emg": {"frequency": 200, "data": [[t] * 8 for t in range(emg_imu_lis.STEPS)]},
            "imu": {"frequency": 200, "data": imu},
        }
        path = name if "/" in name else f"Dataset/{letter}/{name}.json"
        files[path] = json.dumps(gesture).encode()
    return files


def _pamap2():
    rows = np.arange(200)[:, None] + np.arange(pamap2.COLUMNS) / 100
    rows[:, 0] = 8.38 + np.arange(200) / 100
    rows[:, 1] = np.where(np.arange(200) < 100, 1, 24)
    rows[::3, 2] = np.nan
    content = _text(np.round(rows, 4))
    return {f"Protocol/subject{person}.dat": content for person in pamap2.PEOPLE}


def _wesad(rng):
    n = 400
    chest = {name: rng.normal(size=(n, 1)) for name in ("ECG", "EMG", "EDA")}
    stored = {"signal": {"chest": chest}, "label": np.repeat([0, 1, 2, 3], n // 4)}
    content = pickle.dumps(stored, 2)
    return {f"S{person}/S{person}.pkl": content for person in wesad.PEOPLE}


def _clips(rng):
    return {
        part: {
            "vision": rng.normal(size=(n, 8, 5)).astype(np.float32),
            "text": [rng.normal(size=(8, 6)) for _ in range(n)],
            "labels": rng.normal(size=(n, 1, 1)),
        }
        for part, n in (("train", 5), ("valid", 3), ("test", 3))
    }


def _stays(rng):
    return {
        "ep_tdata": rng.normal(size=(20, 24, 12)),
        "adm_features_all": rng.normal(size=(20, 5)).tolist(),
        "y_icd9": rng.integers(0, 2, (20, 20)),
    }


def _beside(file, files, read):
    """A sample of some files in a folder, of which one is damaged."""
    return Sample(file, {"": files[file]}, read, {n: x for n, x in files.items() if n != file})


def _npy(x):
    stream = io.BytesIO()
    np.save(stream, x)
    return stream.getvalue()


SIX = {"acc": (0, 3), "gyro": (3, 6)}


def _arrays(rng):
    files = {"X": rng.normal(size=(12, 8, 6)), "y": np.arange(12) % 3, "pid": np.arange(12) // 2}
    files = {f"{name}.npy": _npy(x) for name, x in files.items()}
    read = lambda folder: arrays.load(path=folder, rate_hz=50, sensors=SIX)
    return _beside("X.npy", files, read)


def _unimts(rng, file):
    files = {}
    for part in ("train", "test"):
        files[f"X_{part}.npy"] = _npy(rng.normal(size=(12, 8, 6)))
        files[f"y_{part}.npy"] = _npy(np.arange(12) % 3)
    words = {str(i): [name] for i, name in enumerate(("stand", "walk", "sit"))}
    files["words.json"] = json.dumps({unimts.KEY: words}).encode()
    return _beside(file, files, lambda folder: unimts.load(path=folder, rate_hz=50, sensors=SIX))


def _uncached(load, **options):
    """(folder) -> Dataset, prepared for this once."""

    def read(folder):
        with tempfile.TemporaryDirectory() as cache:
            return load(path=folder, cache_dir=cache, **options)

    return read


def _e4():
    start, seconds = 1_644_227_574, 20
    files = {"tags.csv": b""}
    for name, rate_hz, columns, *_ in STREAMS.values():
        rows = np.tile(np.arange(seconds * int(rate_hz)) % 50, (len(columns), 1)).T
        files[name] = _text([[start] * len(columns), [rate_hz] * len(columns), *rows], ",")
    whole = packed(files)
    return Sample("a.zip", files, _uncached(e4.load, window_s=4.0), {"b.zip": whole})


def _recordings():
    """A table of each format of files, and the index of files."""
    import pandas

    times = 1.7e9 + np.arange(300) / 30
    columns = {"time": times, "acc_x": np.sin(times), "acc_y": np.cos(times), "gyro_x": times % 1}
    table = pandas.DataFrame({**columns, "label": np.repeat(["walk", "sit"], 150)})
    index = "file,person,recording\n" + "".join(f"{x}.csv,{x},{x}\n" for x in "abc")
    csv = table.to_csv(index=False).encode()
    files = {"a.csv": csv, "b.csv": csv, "c.csv": csv}
    read = _uncached(recordings.load, window_s=2.0)
    with tempfile.TemporaryDirectory() as folder:
        table.to_parquet(path := pathlib.Path(folder, "a.parquet"))
        parquet = path.read_bytes()
    members = {f"{name}.npy": _npy(x) for name, x in columns.items()}
    zipped = {"a.csv.gz": gzip.compress(csv), "b.csv": csv}
    return {
        "recordings": _beside("a.csv", files, read),
        "recordings, gzip": _beside("a.csv.gz", zipped, read),
        "recordings, index": _beside("index.csv", files | {"index.csv": index.encode()}, read),
        "recordings, parquet": _beside("a.parquet", {"a.parquet": parquet, "b.csv": csv}, read),
        "recordings, npz": Sample("a.npz", members, read, {"b.csv": csv}),
    }


def _hdf5():
    import h5py

    stream, times = io.BytesIO(), np.arange(300) / 30
    with h5py.File(stream, "w") as file:
        file["time"] = times
        file["acc"] = np.stack([np.sin(times), np.cos(times), times], axis=1)
        file.create_dataset("gyro/x", data=np.sin(times), compression="gzip")
    content = stream.getvalue()
    read = _uncached(recordings.load, window_s=2.0)
    return _beside("a.h5", {"a.h5": content, "b.h5": content}, read)


def _robot(rng):
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["image"] = rng.integers(0, 256, (3, 128, 128, 3)).astype(np.uint8)
        file["ee_forces_continuous"] = rng.normal(size=(3, 50, 6))
        file["proprio"] = rng.normal(size=(3, 8))
        file["contact"] = rng.random((3, 50)) < 0.1
    content = stream.getvalue()
    read = lambda folder: multibench.load(dir=folder, task="vision_touch", size=16)
    return Sample("episode_1.h5", {"": content}, read, {"episode_0.h5": content})
