"""The command line. That a whole run ends with code 0 is seen in test_resume."""

import errno
import os
import pathlib

import pytest

import mmalign
from mmalign import main as program


def test_without_a_config_it_says_how(main):
    code, output = main()
    assert (code, output) == (
        1,
        "error: --config is missing, for instance --config=infomae; there is baselines, comm, compare, "
        "crossl, infomae, mmbind\n",
    )


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--config.align.method.lrr=1"], "the config has no 'lrr'"),
        (["--config.align.optim.lrr=1"], "the config has no 'lrr'. Did you mean \"lr\" instead"),
        (["--config.alignn.steps=1"], "the config has no 'alignn'. Did you mean \"align\""),
        (["--config.seed=one"], "flag --config.seed=one: invalid literal"),
        (["--workdirr=x"], "Unknown command line flag 'workdirr'. Did you mean: workdir ?"),
        (["seed=1"], "unexpected argument 'seed=1': options look like --config.seed=1"),
        (["windows"], "unexpected argument 'windows': options look like --config.seed=1"),
        (["infomae:npz"], "unexpected argument 'infomae:npz': a config is named by --config=infomae:npz"),
        (["mmalign"], "unexpected argument 'mmalign': files are named by --config.data.path=mmalign"),
        (["--config.data.missing=burst"], "flag --config.data.missing=burst: Failed to parse"),
        (["--config.data.options.noise=x"], "config.data.options.noise of data set 'synthetic' must be a number"),
        (["--config.data.options.noise.x=3"], "config.data.options.noise of data set 'synthetic' must be a number"),
        (["--config.data.name=nope"], "no data set is called 'nope'; there is"),
        (["--config.data.options.people=3"], "no option of data set 'synthetic' is called 'people'"),
        (["--config.data.missing.kind=brust"], "missing.kind must be one of independent, burst"),
        (["--config.pretrain.method.name=nope"], "stage 'pretrain': no method is called 'nope'"),
    ],
)  # fmt: skip
def test_what_is_unknown_ends_in_one_line_that_names_it(refusal, tiny, tmp_path, flags, error):
    code, output = refusal(*tiny.command(tmp_path / "run"), *flags)
    assert code == 1
    assert output.startswith(f"error: {error}") and len(output.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("infomae.py:nope", "unknown config argument 'nope'; there is data: synthetic, trifeature"),
        ("nope.py", "nope.py; by name there is baselines, comm, compare, crossl, infomae, mmbind"),
    ],
)
def test_a_config_that_is_not_there_ends_in_one_line(main, tiny, config, error):
    code, output = main(f"--config={tiny.path.parent / config}", "--config.seed=1")
    assert code == 1
    assert output.startswith("error: ") and error in output and len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--config.seed=1"], "error: --config is missing, for instance --config=infomae"),
        (["--config.seed=1", "--config=infomae"], "specified: write --config=NAME first"),
        (["--config=infomae", "--config.data.missing=burst"], "each, --config.data.missing.NAME=VALUE"),
        (["--config=infomae,uci_har"], "takes stands behind a colon: infomae:uci_har"),
        (["--config=uci_har"], "'uci_har' is a data set, which a config takes: --config=infomae:uci_har"),
        (["--config=windows.npz"], "--config=infomae:npz --config.data.path=windows.npz"),
        (["--config=broken.py"], "broken.py cannot be run: SyntaxError: "),
        (["--config=lost.py"], "lost.py, line 2 cannot be run: ModuleNotFoundError: No module"),
        (["--config=mmbind:emg_imu_lis"], "'emg_imu_lis' does not fit: it is of one person"),
        (["--config=infomae:arrays"], "data set 'arrays' needs --config.data.path=FILE_OR_FOLDER"),
        (["--config=infomae:union", "--config.data.options.sources=3"], "sources is said for each source"),
        (["--config=infomae:union", "--config.data.options.sources.a=3"], "sources.a is said for each setting"),
        (["--config=infomae:recordings", "--config.data.path=.", "--config.data.options.rate_hz=50"],
         "rate_hz is said for each sensor on its own, such as --config.data.options.rate_hz.NAME="),
        (["--config=infomae:recordings", "--config.data.path=.", "--config.data.options.columns=x"],
         "options.columns must be a tuple of names, got 'x'"),
        (["--config=infomae:e4", "--config.data.path=.", "--config.data.options.sensors=eda"],
         "options.sensors of data set 'e4' must be a tuple, such as"),
    ],
)  # fmt: skip
def test_a_command_line_in_the_wrong_form_ends_in_one_line_with_a_next_step(
    refusal, flags, error, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("windows.npz").touch()
    pathlib.Path("broken.py").write_text("def get_config(:\n")
    pathlib.Path("lost.py").write_text("import os\nimport no_such_module\n")
    code, output = refusal(*flags)
    assert code == 1 and error in output and len(output.splitlines()) == 1


def test_data_that_are_not_there_end_in_one_line(main, tmp_path):
    where = tmp_path / "windows.npz"
    code, output = main("--config=infomae:npz", f"--config.data.path={where}")
    assert (code, output) == (1, f"error: --config.data.path={where} does not exist\n")


def test_a_workdir_that_cannot_be_written_or_is_another_s_is_refused(main, tiny, tmp_path):
    changes = {"rows": ("pretrain",), "stages": ("pretrain",)}
    (tmp_path / "file").touch()
    for where, error in ((tmp_path / "file" / "run", "cannot be written"), (tmp_path, "not empty")):
        code, output = main(*tiny.command(where, changes))
        assert code == 1 and output.startswith(f"error: workdir {where} ") and error in output
        assert len(output.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_ends_in_one_line_that_says_where(refusal, tiny, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(mmalign, "run", full)
    code, output = refusal(*tiny.command(tmp_path / "run"))
    last = output.splitlines()[-1]
    assert code == 1 and last.startswith(f"error: no space is left on the disk of {tmp_path}")
    assert last.endswith("make room and start again; what was finished is kept")


def test_verbosity_shows_where_an_error_comes_from(main):
    code, output = main("--config=infomae:npz", "--verbosity=0")
    assert code and "Traceback" in output and "catalogue.py" in output


def test_the_package_itself_is_the_program(start, tmp_path):
    process = start("-m", "mmalign", "--config=infomae:npz", f"--config.data.path={tmp_path / 'x'}")
    output = process.communicate()[0]
    assert (process.returncode, output) == (
        1, f"error: --config.data.path={tmp_path / 'x'} does not exist\n"
    )  # fmt: skip
    help_text = start("-m", "mmalign", "--help").communicate()[0]
    assert all(flag in help_text for flag in ("--config:", "--workdir:", "--artifacts:"))


@pytest.fixture
def called(parsed, monkeypatch):
    """What the program calls a run with: (*flags) -> (config, workdir, artifacts)."""
    found = []

    def run(config, workdir, artifacts=None):
        found.append((config, workdir, artifacts))

    def call(*flags):
        program.main(parsed(*flags))
        return found.pop()

    monkeypatch.setattr("mmalign.run", run)
    return call


def test_the_default_workdir_is_named_by_the_config_and_found_again(called, tiny):
    names = []
    for flags in ([], [], ["--config.seed=1"], ["--config.data.name=my.windows:load"]):
        config, workdir, artifacts = called(f"--config={tiny.path}:smoke", *flags)
        assert config.is_locked and artifacts == pathlib.Path("runs", "artifacts")
        names.append(workdir)
    assert names[0] == names[1] != names[2]
    assert all(name.name.startswith("infomae-synthetic-") for name in names[:3])
    assert names[3].name.startswith("infomae-my.windows-load-")
    assert {name.parent for name in names} == {pathlib.Path("runs")}


def test_a_workdir_has_artifacts_of_its_own_unless_they_are_named(called, tmp_path):
    for flags, artifacts in (([], None), ([f"--artifacts={tmp_path}"], str(tmp_path))):
        assert called("--config=crossl", "--workdir=here", *flags)[1:] == ("here", artifacts)
