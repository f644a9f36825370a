import io
import sys

import jax

from mmalign.training import progress, progress_bar


class Terminal(io.StringIO):
    isatty = lambda self: True


def test_bar_shows_stage_steps_and_loss_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    bar = progress_bar("mae", 8, 10)
    bar.advance()
    bar.show(loss=0.123456)
    bar.advance()
    bar.close()
    last = terminal.getvalue().split("\r")[-1]
    assert "mae" in last and "10/10" in last and "loss=0.1235" in last


def test_nothing_is_shown_without_a_terminal_or_on_another_process(monkeypatch):
    monkeypatch.setattr(sys, "stderr", file := io.StringIO())
    progress_bar("mae", 0, 10).close()
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    progress_bar("mae", 0, 10).close()
    assert file.getvalue() == terminal.getvalue() == ""


def test_without_a_terminal_a_line_now_and_then_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stderr", file := io.StringIO())
    clock = iter([0.0, 20.0, 40.0, 50.0, 80.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    bar = progress_bar("mae", 100, 110)
    for loss in (0.5, 0.25, 0.125, 0.0625):
        bar.advance()
        bar.advance()
        bar.show(loss=loss)
    assert file.getvalue().splitlines() == [
        "mae: step 104 of 110, loss 0.25, 1.0 min left",
        "mae: step 108 of 110, loss 0.0625, 0.3 min left",
    ]
