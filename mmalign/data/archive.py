"""The original zip of a public data set, read without unpacking."""

import dataclasses
import io
import os
import pathlib
import re
import zipfile
import zlib

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
