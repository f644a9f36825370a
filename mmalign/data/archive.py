"""The original zip of a public data set: found, or downloaded, and read without unpacking."""

import contextlib
import dataclasses
import io
import os
import pathlib
import re
import shutil
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator

AnyPath = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a public data set comes from and how to know it.

    file: name of the zip as published. home: its page, for people. url: the zip, for programs.
    marker: path of a file that every copy holds; the folder it hangs in is the root.
    aliases: other names (glob patterns) under which the same zip is handed out.
    """

    name: str
    file: str
    home: str
    url: str
    marker: str
    aliases: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        return f"Download {self.file!r} from {self.home} and pass --config.data.dir=FOLDER."


class Archive:
    """Files of a data set by their path below its root, alike in a zip and unzipped."""

    def __init__(self, path: pathlib.Path, origin: Origin, root: pathlib.Path | zipfile.Path):
        """`path`: what the user has on disk; `root`: the folder in it that the data hang in."""
        self.path, self._origin, self._root = path, origin, root

    def read(self, member: str) -> bytes:
        """Bytes of one file, its checksum verified. ValueError if it is missing or damaged."""
        try:
            return self._file(member).read_bytes()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise ValueError(
                f"{self.path}: {member} inside cannot be read ({error}): the zip is damaged. "
                f"{self._origin.remedy}"
            ) from error

    def text(self, member: str) -> io.StringIO:
        """One file as a text stream."""
        return io.StringIO(self.read(member).decode("utf-8", errors="replace"))

    def checksum(self, member: str) -> int:
        """CRC-32 of one file: from the zip's table of contents, or of what was unzipped."""
        file = self._file(member)
        if isinstance(file, zipfile.Path):
            return file.root.getinfo(file.at).CRC
        return zlib.crc32(self.read(member))

    def names(self, pattern: str) -> list[str]:
        """Sorted paths below the root that match a regular expression from end to end."""
        if isinstance(self._root, zipfile.Path):
            root = self._root.at
            paths = self._root.root.namelist()
            names = [path.removeprefix(root) for path in paths if path.startswith(root)]
        else:
            files = (path for path in self._root.rglob("*") if path.is_file())
            names = [path.relative_to(self._root).as_posix() for path in files]
        return sorted(name for name in names if re.fullmatch(pattern, name))

    def _file(self, member):
        file = self._root.joinpath(*member.split("/"))
        if not file.is_file():
            raise ValueError(
                f"{self.path} holds no {member}: not the whole {self._origin.name} data set. "
                f"{self._origin.remedy}"
            )
        return file


def cache_folder(cache_dir: AnyPath | None = None) -> pathlib.Path:
    """Where downloaded and prepared data are kept: `cache_dir`, or the user's cache folder."""
    if cache_dir:
        return pathlib.Path(cache_dir).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(base).expanduser() / "mmalign"


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
                zipped = stack.enter_context(zipfile.ZipFile(io.BytesIO(zipped.read(inner[0]))))
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
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
