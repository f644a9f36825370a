"""FactorCL: what each of its players learns from, and what is read of it."""

import jax
import numpy as np

KEY = jax.random.key(2)


def test_critics_of_what_is_lowered_learn_from_their_own_scores_alone(small):
    made = small.compiled("factorcl")
    critics = made.params["critics"]
    lowered = {name for name in critics if "lowered" in name}
    assert lowered == {"plain_lowered_acc_emg", "given_lowered_acc_emg"} and len(critics) == 6

    def term(metric):
        loss = lambda params: made.method.loss({"params": params}, made.batch, KEY)[1]["metrics"]
        return jax.device_get(jax.grad(lambda params: loss(params)[metric])(made.params))

    moves = lambda tree: max(np.abs(g).max() for g in jax.tree.leaves(tree)) > 0
    own, kept, down = (term(name) for name in ("critics", "kept", "lowered"))
    for name in critics:
        assert moves(own["critics"][name]) == (name in lowered)
        assert moves(kept["critics"][name]) == (name not in lowered)
        assert not moves(down["critics"][name])
        assert moves(down["projectors"][name]) == (name in lowered)
    assert not moves(own["sensors"]) and not moves(own["projectors"])
    assert moves(kept["sensors"]) and moves(down["sensors"])


def test_a_modality_s_part_is_all_its_projections_of_any_number_of_pairs(small):
    for count, terms in ((2, 5), (3, 9)):
        method = small.create("factorcl", count)
        parts = jax.eval_shape(
            lambda key, batch, method=method: method.embed(method.init(key, batch), batch),
            KEY, small.batch(count),
        )  # fmt: skip
        assert parts["acc"].shape[1] == parts["emg"].shape[1] == 6 * terms
        assert parts["joint"].shape[1] == count * 6 * terms
