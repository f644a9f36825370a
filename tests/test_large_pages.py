"""Large pages: asked for once, and only where it helps."""

import os
import pathlib
import subprocess
import sys

import pytest

from mmalign import large_pages

PROGRAM = """
import os, sys
from mmalign.large_pages import start_with_large_pages
print("start", *sys.argv[1:], flush=True)
start_with_large_pages()
print(os.environ.get("GLIBC_TUNABLES"), os.getpid(), flush=True)
"""


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A system that gives large pages to who asks, and what is started: (libc, setting) -> list."""
    started = []
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(os, "execve", lambda *args: started.append(args))

    def made(libc="glibc 2.36", setting="always [madvise] never\n"):
        monkeypatch.setattr(os, "confstr", lambda name: libc, raising=False)
        monkeypatch.setattr(large_pages, "_SETTING", tmp_path / "enabled")
        if setting is not None:
            (tmp_path / "enabled").write_text(setting)
        return started

    return made


def test_it_starts_again_with_its_own_arguments(system):
    started = system()
    large_pages.start_with_large_pages()
    ((path, arguments, environment),) = started
    assert arguments == [path, *sys.orig_argv[1:]] and path == sys.executable
    assert environment == os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


@pytest.mark.parametrize(
    "given",
    [{"libc": "glibc 2.34"}, {"libc": None}, {"libc": "musl 1.2"}, {"setting": None},
     {"setting": "[always] madvise never"}, {"setting": "always madvise [never]"}],
)  # fmt: skip
def test_it_goes_on_where_that_does_not_help(system, given):
    started = system(**given)
    large_pages.start_with_large_pages()
    assert not started


def test_it_goes_on_with_the_users_own_setting_and_where_it_cannot_start(system, monkeypatch):
    started = system()
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    large_pages.start_with_large_pages()
    assert not started
    monkeypatch.delenv("GLIBC_TUNABLES")

    def refuse(*args):
        raise PermissionError

    monkeypatch.setattr(os, "execve", refuse)
    large_pages.start_with_large_pages()


@pytest.mark.skipif(
    not large_pages._given_to_who_asks(), reason="the system gives large pages to all or to none"
)
def test_the_program_is_the_same_process_with_the_same_words(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {key: x for key, x in os.environ.items() if key != "GLIBC_TUNABLES"}
    root = str(pathlib.Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-W", "error", tmp_path / "program.py", "two words", "--flag"],
        env=environment | {"PYTHONPATH": root}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = process.communicate()[0].splitlines()
    assert said == ["start two words --flag"] * 2 + [f"glibc.malloc.hugetlb=1 {process.pid}"]
