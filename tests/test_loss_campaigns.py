"""A small part of the campaign of odd rows, and of the table of parity, which hold in full."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import fuzz, parity
from experiments.loss_cases import CASES
from mmalign import losses

SAMPLE = ("nt_xent", "supcon, inside", "vicreg")


@pytest.mark.parametrize(
    "program",
    [
        ("info_nce, one way", 5, 2, "float16", {"tile": 2}),
        ("weighted_supcon", 4, 3, "float32", {"tile": 3, "normalise": False}),
        ("vicreg", 3, 5, "bfloat16", {}),
        ("distillation", 4, 3, "float32", {}),
        ("sequence_ranking", 8, 1, "float32", {}),
    ],
    ids=lambda program: program[0],
)
def test_odd_rows_have_finite_values_and_gradients(rng, program):
    verdicts = list(fuzz.check(rng, program, batches=40))
    assert [v for v in verdicts if v[0] == "fault"] == []


@pytest.mark.parametrize(
    ("verdict", "run"),
    [("overflow", lambda x: jnp.exp(x)), ("fault", lambda x: jnp.exp(x) / jnp.exp(x - 1))],
)
def test_what_is_not_finite_is_overflow_only_where_float64_says_so(rng, monkeypatch, verdict, run):
    loss = lambda a, b, c, where: run(jnp.full(len(a), 100, a.dtype)) + 0 * a[0, 0]
    monkeypatch.setitem(CASES, "odd", CASES["vicreg"]._replace(loss=loss))
    monkeypatch.setattr(fuzz, "batch", lambda *given: ("ordinary", np.ones((3, 3, 2), "f4"), True))
    found = list(fuzz.check(rng, ("odd", 3, 2, "float32", {}), batches=2))
    assert [v[:3] for v in found] == [(verdict, "odd", "value")] * 2


def test_every_loss_is_in_the_campaign_and_on_the_page():
    without = {"entropy", "gaussian_mutual_information", "total_correlation"}  # of no batch
    without |= {"sinkhorn", "update_center", "value_and_grad_in_pieces"}  # no losses
    names = {name.split(",")[0] for name in CASES}
    assert names == set(losses.__all__) - without
    page = parity.PAGE.read_text()
    assert [
        line.split(" | ")[0][2:]
        for line in page.splitlines()
        if " / " in line[2:] and line[0] == "|"
    ] == list(CASES)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_page_tells_how_far_a_loss_moves(name):
    found = parity.measured(name, ("8 devices", "in pieces", "tiled"))
    (line,) = (x for x in parity.PAGE.read_text().splitlines() if x.startswith(f"| {name} |"))
    told = dict(zip(parity.WAYS, line.strip("| ").split(" | ")[1:]))
    for way, moved in found.items():
        for got, said in zip(moved, told[way].split(" / ")):
            assert got <= 3 * float(said) + 1e-6
