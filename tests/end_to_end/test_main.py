"""The command line. That a whole run ends with code 0 is seen in test_resume."""

import pytest
from absl import flags

from mmalign.workdir import claim


def test_without_a_config_it_says_how(main):
    code, output = main()
    assert code and "--config is missing, for instance --config=configs/infomae.py" in output


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--config.align.method.lrr=1"], "the config has no 'lrr'"),
        (["--config.align.optim.lrr=1"], "the config has no 'lrr'. Did you mean \"lr\" instead"),
        (["--config.alignn.steps=1"], "the config has no 'alignn'. Did you mean \"align\""),
        (["--config.seed=one"], "flag --config.seed=one: invalid literal"),
        (["--workdirr=x"], "Unknown command line flag 'workdirr'. Did you mean: workdir ?"),
        (["--config.data.name=nope"], "unknown data set config.data.name='nope', expected one of"),
        (["--config.pretrain.method.name=nope"], "stage 'pretrain': method.name 'nope' is unknown"),
    ],
)  # fmt: skip
def test_what_is_unknown_ends_in_one_line_that_names_it(main, tiny, tmp_path, flags, error):
    code, output = main(*tiny.command(tmp_path / "run"), *flags)
    assert code == 1
    assert output.startswith(f"error: {error}") and len(output.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("infomae.py:nope", "unknown config argument 'nope', expected one of"),
        ("nope.py", "No such file or directory"),
    ],
)
def test_a_config_that_is_not_there_ends_in_one_line(main, tiny, config, error):
    code, output = main(f"--config={tiny.path.parent / config}", "--config.seed=1")
    assert code == 1
    assert output.startswith("error: ") and error in output and len(output.splitlines()) == 1


def test_data_that_are_not_there_end_in_one_line(main, tiny, tmp_path):
    where = tmp_path / "windows.npz"
    code, output = main(f"--config={tiny.path}:npz", f"--config.data.path={where}")
    assert (code, output) == (1, f"error: --config.data.path={where} does not exist\n")


def test_a_workdir_with_another_config_is_refused_with_the_difference(main, tiny, tmp_path):
    changes = {"references": (), "stages": ("pretrain",)}
    claim(tmp_path / "run", tiny.config(changes))
    code, output = main(*tiny.command(tmp_path / "run", changes | {"seed": 5}))
    assert code == 1 and output.startswith(f"error: workdir {tmp_path / 'run'} holds a run with")
    assert [line.split() for line in output.splitlines()[-2:]] == [
        ["-", '"seed":', "0,"], ["+", '"seed":', "5,"]
    ]  # fmt: skip
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_a_workdir_that_cannot_be_written_or_is_another_s_is_refused(main, tiny, tmp_path):
    changes = {"references": (), "stages": ("pretrain",)}
    (tmp_path / "file").touch()
    for where, error in ((tmp_path / "file" / "run", "cannot be written"), (tmp_path, "not empty")):
        code, output = main(*tiny.command(where, changes))
        assert code == 1 and output.startswith(f"error: workdir {where} ") and error in output
        assert len(output.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_verbosity_shows_where_an_error_comes_from(main, tiny):
    code, output = main(f"--config={tiny.path}:npz", "--verbosity=0")
    assert code and "Traceback" in output and "catalogue.py" in output


def test_the_default_workdir_is_named_by_the_config_and_found_again(monkeypatch, tiny):
    from mmalign.main import _default_workdir  # defines flags

    holder = type("Flag", (), {"config_filename": f"{tiny.path}:smoke"})
    monkeypatch.setattr(flags, "FLAGS", {"config": holder})
    names = [_default_workdir(tiny.config(changes)) for changes in ((), (), {"seed": 1})]
    assert names[0] == names[1] != names[2]
    assert all(name.name.startswith("infomae-synthetic-") for name in names)
