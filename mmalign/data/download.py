"""The cache folder, and the zip of a public data set downloaded to it once."""

import os
import pathlib
import shutil
import sys
import urllib.request
import zipfile

from mmalign.data.archive import AnyPath, Origin


def cache_folder(cache_dir: AnyPath | None = None) -> pathlib.Path:
    """Where downloaded and prepared data are kept: `cache_dir`, or the user's cache folder."""
    if cache_dir:
        return pathlib.Path(cache_dir).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(base).expanduser() / "mmalign"


def download(origin: Origin, cache: pathlib.Path) -> pathlib.Path:
    """Path of the zip in `cache`/downloads, fetched from its public home if it is not there yet."""
    path = cache / "downloads" / origin.file
    if path.exists():
        return path
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"Downloading {origin.name} from {origin.url} to {path}", file=sys.stderr)
        with (
            urllib.request.urlopen(origin.url, timeout=30) as response,
            open(partial, "wb") as file,
        ):
            shutil.copyfileobj(response, file)
        with zipfile.ZipFile(partial):  # a cut one has no table of contents
            os.replace(partial, path)
    except (OSError, zipfile.BadZipFile) as error:
        raise FileNotFoundError(
            f"{origin.name} could not be downloaded from {origin.url} ({error}). {origin.remedy}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path
