"""A user's file with a series that has gaps, an image and a vector goes through every config."""

import numpy as np
import pytest

import mmalign
from mmalign.configs import baselines, crossl, infomae

SMALL = {"encoder.width": 4, "encoder.dim": 8, "encoder.depth": 1}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """The file, its arrays, and which windows have their image."""
    rng, n = np.random.default_rng(0), 160
    label, present = np.arange(n) % 2, rng.random(n) < 0.8
    arrays = {
        "acc": rng.standard_normal((n, 40, 3)) * (1 + label[:, None, None]),
        "cam": rng.standard_normal((n, 7, 9, 1)) + label[:, None, None, None],
        "meta": rng.standard_normal((n, 3)) + label[:, None],
    }
    arrays["acc"][5, 10:14] = np.nan  # a tenth of a window's samples is lost
    arrays["cam"][~present] = np.nan
    path = tmp_path_factory.mktemp("kinds") / "windows.npz"
    np.savez(path, **arrays, present_cam=present, rate_hz_acc=20.0, label=label,
             class_names=["rest", "walk"], group=[f"person {i}" for i in np.arange(n) // 10],
             target_age=rng.random(n).astype(np.float32))  # fmt: skip
    return path, arrays, present


@pytest.mark.parametrize(
    ("config", "rows", "changes"),
    [
        (infomae, {"Window statistics", "Random forest on window statistics", "Supervised network",
                   "InfoMAE"},
         SMALL | {"rows": ("window_statistics", "random_forest", "supervised"),
                  "align.sampler.fraction": 1.0, "align.method.stem.features": (8,),
                  "align.method.critic.depth": 1, "augment.pool": ("scaling",)}),
        (crossl, {"Raw windows", "Fine-tuned CroSSL", "CroSSL"},
         {"rows": ("raw_windows", "finetune"), "encoder.dim": 8, "augment.pool": ("scaling",)}),
        (baselines, {"Raw windows", "Random encoder", "SimCLR"},
         SMALL | {"rows": ("raw_windows", "random_encoder")}),  # every augmentation of its pools
    ],
    ids=["infomae", "crossl", "baselines"],
)  # fmt: skip
def test_every_kind_goes_all_the_way(config, rows, changes, windows, devices, tmp_path, capsys):
    devices(1)
    path, arrays, present = windows
    made = config.get_config("npz,smoke")
    with made.unlocked():
        made.update_from_flattened_dict(
            {"data.path": str(path), "evaluation.fractions": (1.0,),
             "evaluation.missing.patterns": (),
             "evaluation.missing.heads": ("trained on complete",)} | changes
        )  # fmt: skip
    results = mmalign.run(made, tmp_path / "run")
    kinds = {m: d["kind"] for m, d in results["data"]["modalities"].items()}
    assert kinds == {"acc": "series", "cam": "image", "meta": "vector"}
    assert results["data"]["classes"] == ["rest", "walk"]
    assert {r["row"] for r in results["records"]} == rows
    printed = capsys.readouterr().out
    assert all(row in printed for row in rows)
    assert {r["part"] for r in results["records"]} >= {"acc", "cam", "meta", "joint"}
    assert len({tuple(r["present"]) for r in results["missing"]["sets"]}) == 2**3 - 1
    assert min(r["absent"] for r in results["missing"]["sets"]) > 0  # of the data itself
    assert "information" not in results  # of factors that nobody knows
    model = mmalign.load(tmp_path / "run")
    z = model.embed({m: x[:8] for m, x in arrays.items()})
    assert all(np.isfinite(x).all() and len(x) == 8 for x in z.values())
    for m, x in (("meta", arrays["meta"]), ("cam", arrays["cam"][present])):
        alone = model.embed({m: x[:5]})
        assert alone[m].any() and not any(alone[o].any() for o in arrays if o != m)
        assert len(alone["joint"]) == 5 and np.isfinite(alone["joint"]).all()
