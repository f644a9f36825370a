"""The original zip of a public data set, read without unpacking."""

import dataclasses
import io
import os
import pathlib
import re
import sys
import zipfile
import zlib

AnyPath = str | os.PathLike[str]
_LARGE = 1 << 24  # bytes that a file may always hold
_RATIO = 100  # recordings deflate tenfold or so, a value that repeats a thousandfold


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

    def read(self, member: str, most: int | None = None) -> bytes:
        """Bytes of one file, its checksum verified.

        most: that it may hold, where memory many times as large depends on them; None is any.
        Raises: ValueError if it is missing, damaged, encrypted, too large, or grows out of all
          proportion.
        """
        file = self._file(member)
        try:
            if isinstance(file, zipfile.Path):
                info = file.root.getinfo(file.at)
                check_member(info)
                check_growth(info.file_size, min(info.compress_size, self.path.stat().st_size))
                size = info.file_size
            else:
                size = file.stat().st_size
            if size > (most or size):
                raise ValueError(f"it holds {size:,} bytes, expected {most:,} at most")
            return file.read_bytes()
        except (MemoryError, PermissionError):
            raise  # there is nothing wrong with the file
        except Exception as error:  # a damaged zip may fail in any way
            raise ValueError(
                f"{self.path}: {member} inside cannot be read ({error}): the zip is damaged, or "
                f"not the published one. {self._origin.remedy}"
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

    def tell_missing(self, found: int, whole: int, what: str) -> None:
        """Says on standard error that a part of the data set is not there, or not used."""
        if found < whole:
            print(f"{self.path} holds {found} of {whole} {what}", file=sys.stderr)

    def _file(self, member):
        file = self._root.joinpath(*member.split("/"))
        if not file.is_file():
            raise ValueError(
                f"{self.path} holds no {member}: not the whole {self._origin.name} data set. "
                f"{self._origin.remedy}"
            )
        return file


def check_member(info: zipfile.ZipInfo) -> None:
    """Raises ValueError for a file in a zip that is encrypted, or stored as none that we read."""
    if info.flag_bits & 1:
        raise ValueError("it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"it is compressed by method {info.compress_type}, not by deflate")


def check_growth(asked: int, held: int, large: int = _LARGE) -> None:
    """Raises ValueError where few bytes in a zip ask for much memory, before it is spent.

    Args:
      asked: bytes of the files when they are inflated, as the zip says.
      held: bytes that they take in the zip.
      large: bytes that may be asked for in any case.
    """
    if asked > max(large, _RATIO * held):
        raise ValueError(f"{held:,} bytes of it ask for {asked:,} bytes of memory")
