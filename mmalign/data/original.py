"""The original files of a public data set: found where the user has them, or downloaded."""

import contextlib
import io
import pathlib
import zipfile
from collections.abc import Iterator

from mmalign.data.archive import AnyPath, Archive, Origin, check_growth, check_member
from mmalign.data.download import cache_folder, download


@contextlib.contextmanager
def open_archive(
    origin: Origin, folder: AnyPath | None = None, cache_dir: AnyPath | None = None
) -> Iterator[Archive]:
    """The `Archive` of a public data set.

    Args:
      origin: which data set.
      folder: folder that holds the zip, the zip itself, or the folder it was unzipped to. The
        network is touched only if this is None and nothing was downloaded before.
      cache_dir: where a download is kept; None is the user's cache folder.
    Raises: FileNotFoundError where there is no copy, ValueError where the copy is broken.
    """
    path = find(origin, folder) if folder else download(origin, cache_folder(cache_dir))
    if path.is_dir():
        yield Archive(path, origin, root_of(path, origin.marker) or path)
        return
    with contextlib.ExitStack() as stack:
        try:
            zipped = stack.enter_context(zipfile.ZipFile(path))
            inner = [name for name in zipped.namelist() if pathlib.PurePath(name).match("*.zip")]
            if len(inner) == 1 and not _root_in_zip(zipped, origin.marker):
                info = zipped.getinfo(inner[0])
                check_member(info)
                check_growth(info.file_size, min(info.compress_size, path.stat().st_size))
                zipped = stack.enter_context(zipfile.ZipFile(io.BytesIO(zipped.read(info))))
        except (MemoryError, PermissionError):
            raise  # there is nothing wrong with the file
        except Exception as error:  # a damaged zip may fail in any way
            raise ValueError(
                f"{path} ({path.stat().st_size:,} bytes) is not a whole zip file ({error}): "
                f"cut off or damaged on its way. {origin.remedy}"
            ) from error
        root = _root_in_zip(zipped, origin.marker)
        if root is None:
            raise ValueError(
                f"{path} is a zip of something else: no {origin.marker} inside. {origin.remedy}"
            )
        yield Archive(path, origin, root)


def find(origin: Origin, folder: AnyPath) -> pathlib.Path:
    """Path of the zip, or of the unzipped folder, that `folder` names or holds."""
    folder = pathlib.Path(folder).expanduser()
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise FileNotFoundError(f"--config.data.dir={folder} does not exist. {origin.remedy}")
    for pattern in (origin.file, *origin.aliases):
        if matches := sorted(folder.glob(pattern)):
            return matches[0]
    if root_of(folder, origin.marker):
        return folder
    raise FileNotFoundError(
        f"--config.data.dir={folder} holds neither {origin.file!r} nor its unzipped files. "
        f"{origin.remedy}"
    )


def root_of(folder: pathlib.Path, marker: str) -> pathlib.Path | None:
    """The folder, or the only one among its children, that holds `marker`; None if none does."""
    places = [folder, *sorted(child for child in folder.iterdir() if child.is_dir())]
    return next((place for place in places if (place / marker).is_file()), None)


def _root_in_zip(zipped, marker):
    for name in zipped.namelist():
        if name == marker or name.endswith("/" + marker):
            return zipfile.Path(zipped, name.removesuffix(marker))
    return None
