import pytest

from mmalign import budget
from mmalign.configs import infomae
from mmalign.data import catalogue, samplers


def drawn(windows, batch_size=128):
    return samplers.Sampler(lambda step: {}, batch_size, windows, frozenset())


@pytest.mark.parametrize(
    ("windows", "name", "steps"),
    [(60, "standard", 300), (5000, "standard", 781), (10**6, "standard", 1200),
     (60, "quick", 100), (5000, "quick", 300), (5000, "long", 3125)],
)  # fmt: skip
def test_steps_go_with_the_windows_within_bounds(windows, name, steps):
    assert budget.steps(None, drawn(windows), name) == steps
    assert budget.steps(7, drawn(windows), name) == 7


def test_what_a_config_names_stays_and_the_rest_grows_with_the_budget():
    given = {"name": "compact", "width": None, "dim": 24, "dropout": 0.3}
    sizes = [budget.encoder(given, name) for name in ("quick", "standard", "long")]
    assert [s["width"] for s in sizes] == [16, 32, 64]
    assert {(s["dim"], s["dropout"]) for s in sizes} == {(24, 0.3)}
    with pytest.raises(ValueError, match=r"config.budget is called 'huge'.*long, quick, standard"):
        budget.encoder(given, "huge")


def test_sequences_are_no_longer_than_recordings():
    config = infomae.get_config("smoke")
    dataset = catalogue.load(config.data)
    assert budget.block(config.align, dataset)["sampler"]["length"] == 4
    alone = dataset.select(dataset.position % 2 == 0)
    assert budget.block(config.align, alone)["sampler"]["length"] == 1
    assert budget.block({"label": "x"}, dataset) == {"label": "x"}
