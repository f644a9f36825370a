"""The cells of a comparison, and that each is the run that one would write for it alone."""

import pytest

from mmalign import grid
from mmalign.configs import compare, crossl
from mmalign.grid import Cell


def block(**changes):
    return compare.get_config("quick").compare.to_dict() | changes


def test_cells_go_seed_by_seed_from_most_pairs_to_fewest():
    found = grid.cells(block(ratios=(0.05, 1.0, 0.25), people=(1, 2), seeds=(3, 1), folds=2))
    assert found[:5] == tuple(Cell(3, 0, x) for x in (1.0, 0.25, 0.05, "2 people", "1 person"))
    assert [(cell.seed, cell.fold) for cell in found[::5]] == [(3, 0), (3, 1), (1, 0), (1, 1)]
    assert len(set(found)) == 20  # one person is not all pairs
    assert str(found[3]) == "seed 3, fold 0, pairs of 2 people"
    assert str(found[2]) == "seed 3, fold 0, 5 % of the pairs"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"ratios": (0.0, 1.0)}, r"compare.ratios must be in \(0, 1\], got 0.0"),
        ({"ratios": (), "people": ()}, "needs ratios or people"),
        ({"people": (1.5,)}, "whole numbers from 1, got 1.5"),
        ({"seeds": ()}, "compare.seeds must be a tuple of one or more"),
        ({"methods": "simclr"}, "compare.methods must be a tuple of one or more, got 'simclr'"),
        ({"rations": (1,)}, r"no option of config.compare is called 'rations' \(did you mean 'rat"),
    ],
)
def test_a_grid_that_is_none_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        grid.cells(block(**changes))


def test_methods_go_by_their_block_or_their_label():
    config = compare.get_config("quick")
    config.compare.methods = ("InfoMAE", "crossl", "CroSSL", "Unaligned concatenation")
    assert grid.rows(config) == ("align", "crossl", "pretrain")
    config.compare.methods = ("crosl",)
    with pytest.raises(ValueError, match=r"'crosl' \(did you mean 'crossl'\?\); there is align,"):
        grid.rows(config)


def test_a_cell_is_the_run_of_its_own_config():
    """All pairs are what the config of a method alone draws from: the same training."""
    config = compare.get_config("uci_har")
    alone = crossl.get_config("uci_har")
    run = grid.run_of(config, Cell(0, None, 1.0))
    assert run.crossl.to_dict() == alone.crossl.to_dict()
    assert run.encoder.to_dict() == alone.encoder.to_dict()
    assert run.supervised.to_dict() == alone.supervised.to_dict()
    assert run.evaluation.fractions == alone.evaluation.fractions and "compare" not in run


def test_a_cell_sets_seed_fold_pairs_and_whether_sensors_are_hidden():
    config = compare.get_config("uci_har")
    config.compare.folds = 3
    run = grid.run_of(config, Cell(2, 1, 0.05))
    assert (run.seed, run.data.folds, run.data.fold) == (2, 3, 1)
    assert run.align.sampler.fraction == run.crossl.sampler.fraction == 0.05
    assert "fraction" not in run.pretrain.sampler  # it needs no pairs
    assert not run.evaluation.missing.references
    people = grid.run_of(config, Cell(2, 1, "4 people"), sensors=True)
    assert people.align.sampler.people == 4 and "fraction" not in people.align.sampler
    assert people.evaluation.missing.references
    assert set(run.rows) > set(grid.rows(config)) and run.stages == run.rows[6:7]
    assert config.seed == 0 and "fraction" not in config.crossl.sampler  # as it was
