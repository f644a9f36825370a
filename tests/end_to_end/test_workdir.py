import json
import os

import pytest

from mmalign.files import write_text
from mmalign.workdir import claimed


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def claim(*args):
    with claimed(*args) as folder:
        return folder


def test_a_new_folder_is_made_with_the_config_in_it(tiny, tmp_path):
    folder = claim(tmp_path / "a" / "b", tiny.config())
    assert folder == tmp_path / "a" / "b" and files(folder) == ["config.json"]
    stored = json.loads((folder / "config.json").read_text())
    assert stored == json.loads(tiny.config().to_json())


def test_an_empty_folder_will_do(tiny, tmp_path):
    assert files(claim(tmp_path, tiny.config())) == ["config.json"]


def test_the_same_config_resumes_and_touches_nothing(tiny, tmp_path):
    claim(tmp_path, tiny.config())
    (tmp_path / "metrics.jsonl").write_text("{}")
    before = (tmp_path / "config.json").stat().st_mtime_ns
    assert claim(tmp_path, tiny.config()) == tmp_path
    assert (tmp_path / "config.json").stat().st_mtime_ns == before


def test_a_tuple_and_a_list_are_the_same_config(tiny, tmp_path):
    claim(tmp_path, tiny.config())
    config = tiny.config()
    config.stages = ("pretrain", "align")
    assert claim(tmp_path, config) == tmp_path


def test_another_config_goes_on_there_and_the_difference_is_said(tiny, tmp_path, capsys):
    claim(tmp_path, tiny.config())
    (tmp_path / "results.json").write_text("{}")
    changed = tiny.config({"align.optim.lr": 0.125, "seed": 7})
    assert claim(tmp_path, changed) == tmp_path
    said = capsys.readouterr().out
    assert f"{tmp_path} holds a run of another config" in said
    lines = [line.strip("+- ,") for line in said.splitlines() if line[:2] in ("- ", "+ ")]
    assert lines == ['"lr": 0.001', '"lr": 0.125', '"seed": 0', '"seed": 7']
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored == json.loads(changed.to_json())
    assert files(tmp_path) == ["config.json", "results.json"]


def test_a_folder_of_something_else_is_refused_and_left_alone(tiny, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"not empty \(thesis.tex ...\) and holds no run"):
        claim(tmp_path, tiny.config())
    assert files(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("config", ['{"a": 1}', "3", ""])
def test_anybodys_config_makes_no_run_of_a_folder(tiny, tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match=r"not empty \(config.json ...\) and holds no run"):
        claim(tmp_path, tiny.config())
    assert (tmp_path / "config.json").read_text() == config


def test_a_folder_that_cannot_be_made_is_named(tiny, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file/run cannot be written .*--workdir"):
        claim(tmp_path / "file" / "run", tiny.config())
    with pytest.raises(ValueError, match="file cannot be written .*--workdir"):
        claim(tmp_path / "file", tiny.config())


def test_a_start_that_was_killed_while_it_claimed_the_folder_does_not_block_the_next(
    tiny, tmp_path
):
    (tmp_path / "config.json.part").write_text('{"seed": ')
    assert files(claim(tmp_path, tiny.config())) == ["config.json"]


def test_a_folder_in_use_names_its_owner_and_is_free_again_afterwards(tiny, tmp_path):
    with claimed(tmp_path, tiny.config()):
        before = (tmp_path / "config.json").read_text()
        with pytest.raises(ValueError, match=rf"in use by process {os.getpid()} of .* since 2\d+-"):
            claim(tmp_path, tiny.config({"seed": 3}))
        assert (tmp_path / "config.json").read_text() == before
    claim(tmp_path, tiny.config({"seed": 3}))


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"[1]", b"\n"])
def test_a_config_that_cannot_be_read_is_written_again(tiny, tmp_path, damage):
    claim(tmp_path, tiny.config())
    (tmp_path / "config.json").write_bytes(damage)
    claim(tmp_path, tiny.config())
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads(tiny.config().to_json())


def test_a_folder_in_the_place_of_the_config_is_named(tiny, tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ValueError, match=r"not empty \(config.json ...\) and holds no run"):
        claim(tmp_path, tiny.config())


@pytest.mark.parametrize("workdir", ["gs://bucket/run", "s3://bucket/run"])
def test_a_place_that_is_no_folder_is_refused_at_once(tiny, workdir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is not on a disk of this machine"):
        claim(workdir, tiny.config())
    assert not [*tmp_path.iterdir()]


def test_text_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new" and files(tmp_path) == ["a.json"]
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \udc80")
    assert path.read_text() == "new"
