"""Finding, downloading and reading the original zip of a public data set."""

import dataclasses
import functools
import http.server
import io
import threading
import zipfile

import pytest

from mmalign.data.archive import Origin
from mmalign.data.download import cache_folder
from mmalign.data.original import open_archive

ORIGIN = Origin(
    name="toy",
    file="Toy Set.zip",
    home="https://example.org/toy",
    url="http://127.0.0.1:9/toy.zip",  # nobody listens on the discard port
    marker="DATA/list.csv",
    aliases=("toy*.zip",),
)
FILES = {"DATA/list.csv": b"a,b\n", "DATA/one/x.csv": b"0123456789" * 50}


def zipped(files, root="Toy Set/"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in files.items():
            file.writestr(root + name, content)
    return stream.getvalue()


def contents(folder, **kwargs):
    with open_archive(ORIGIN, folder, **kwargs) as archive:
        return {name: archive.read(name) for name in FILES}


def checksums(folder):
    with open_archive(ORIGIN, folder) as archive:
        return [archive.checksum(name) for name in FILES]


@pytest.mark.parametrize("name", ["Toy Set.zip", "toy-1.2.zip"])
@pytest.mark.parametrize("root", ["Toy Set/", "toy-abc123/", ""])
def test_zip_is_found_under_its_names_and_roots(tmp_path, name, root):
    (tmp_path / name).write_bytes(zipped(FILES, root))
    assert contents(tmp_path) == FILES
    assert contents(tmp_path / name) == FILES


def test_zip_in_a_zip_is_read(tmp_path):
    outer = zipped({"Toy Set.zip": zipped(FILES), "Toy Set.names": b"about"}, root="")
    (tmp_path / "toy.zip").write_bytes(outer)
    assert contents(tmp_path) == FILES


def test_unzipped_folder_reads_alike(tmp_path):
    (tmp_path / "toy.zip").write_bytes(zipped(FILES))
    before = checksums(tmp_path)
    with zipfile.ZipFile(tmp_path / "toy.zip") as file:
        file.extractall(tmp_path)
    (tmp_path / "toy.zip").unlink()
    for folder in (tmp_path, tmp_path / "Toy Set"):
        assert contents(folder) == FILES
        assert checksums(folder) == before


@pytest.mark.parametrize("root", ["Toy Set/", ""])
def test_names_are_alike_in_a_zip_and_unzipped(tmp_path, root):
    others = {"DATA/one/y.csv": b"", "DATA/two/x.csv": b"", "DATA/one/x.csv.bak": b""}
    (tmp_path / "toy.zip").write_bytes(zipped(FILES | others, root))
    want = ["DATA/one/x.csv", "DATA/two/x.csv"]
    with open_archive(ORIGIN, tmp_path) as archive:
        assert archive.names(r"DATA/\w+/x\.csv") == want
        assert archive.names("x") == []
    with zipfile.ZipFile(tmp_path / "toy.zip") as file:
        file.extractall(tmp_path / "all")
    with open_archive(ORIGIN, tmp_path / "all") as archive:
        assert archive.names(r"DATA/\w+/x\.csv") == want


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_zip_is_refused_with_its_size(tmp_path, share):
    whole = zipped(FILES)
    cut = whole[: int(share * len(whole))]
    (tmp_path / "Toy Set.zip").write_bytes(cut)
    message = rf"Toy Set.zip \({len(cut):,} bytes\) is not a whole zip.*Download 'Toy Set.zip' from"
    with pytest.raises(ValueError, match=message):
        contents(tmp_path)


def test_damaged_member_is_refused_by_name(tmp_path):
    (tmp_path / "Toy Set.zip").write_bytes(zipped(FILES).replace(b"9012", b"9999", 1))
    with pytest.raises(ValueError, match=r"DATA/one/x.csv inside cannot be read.*CRC.*damaged"):
        contents(tmp_path)


def test_missing_member_is_refused_by_name(tmp_path):
    (tmp_path / "Toy Set.zip").write_bytes(zipped({"DATA/list.csv": b""}))
    with pytest.raises(ValueError, match=r"holds no DATA/one/x.csv: not the whole toy data set"):
        contents(tmp_path)


def test_zip_of_something_else_is_refused(tmp_path):
    (tmp_path / "Toy Set.zip").write_bytes(zipped({"other.csv": b""}))
    with pytest.raises(ValueError, match=r"something else: no DATA/list.csv inside"):
        contents(tmp_path)


def test_folder_without_the_zip_says_what_would_do(tmp_path):
    (tmp_path / "unrelated.txt").touch()
    with pytest.raises(FileNotFoundError) as error:
        contents(tmp_path)
    for hint in (str(tmp_path), "'Toy Set.zip'", ORIGIN.home, "--config.data.dir=FOLDER"):
        assert hint in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"data.dir=.*nowhere does not exist"):
        contents(tmp_path / "nowhere")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        del args

    def do_GET(self):
        if self.path.endswith("cut.zip"):  # promises more than comes
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"PK")
        else:
            super().do_GET()


@pytest.fixture
def site(tmp_path):
    """(folder that is served, its address)."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_zip_is_downloaded_once_and_kept(tmp_path, site):
    folder, address = site
    (folder / "toy.zip").write_bytes(zipped(FILES))
    origin = dataclasses.replace(ORIGIN, url=f"{address}/toy.zip")
    for _ in range(2):
        with open_archive(origin, cache_dir=tmp_path / "cache") as archive:
            assert archive.read("DATA/one/x.csv") == FILES["DATA/one/x.csv"]
        (folder / "toy.zip").unlink(missing_ok=True)
    assert [p.name for p in (tmp_path / "cache" / "downloads").iterdir()] == ["Toy Set.zip"]


@pytest.mark.parametrize("page", ["error.html", "missing.zip", "cut.zip", None])
def test_failed_download_leaves_nothing_and_says_what_would_do(tmp_path, site, page):
    folder, address = site
    (folder / "error.html").write_text("<html>sorry</html>")
    origin = dataclasses.replace(ORIGIN, url=f"{address}/{page}") if page else ORIGIN
    with (
        pytest.raises(FileNotFoundError, match=r"could not be downloaded.*data.dir=FOLDER"),
        open_archive(origin, cache_dir=tmp_path / "cache"),
    ):
        pass
    assert not list((tmp_path / "cache" / "downloads").iterdir())


def test_cache_folder_follows_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "mmalign"
    assert cache_folder(tmp_path / "mine") == tmp_path / "mine"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "mmalign"
