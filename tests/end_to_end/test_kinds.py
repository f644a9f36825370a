"""A file with a series that has gaps, an image and a vector goes through every config."""

import numpy as np
import pytest

import mmalign
from mmalign.configs import baselines, crossl, infomae

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """The file, and its arrays."""
    rng, n = np.random.default_rng(0), 160
    label = np.arange(n) % 2
    arrays = {
        "acc": rng.standard_normal((n, 40, 3)) * (1 + label[:, None, None]),
        "cam": rng.standard_normal((n, 7, 9, 1)) + label[:, None, None, None],
        "meta": rng.standard_normal((n, 3)) + label[:, None],
    }
    arrays["acc"][5, 10:14] = np.nan  # a tenth of a window's samples is lost
    arrays["cam"][rng.random(n) < 0.2] = np.nan
    path = tmp_path_factory.mktemp("kinds") / "windows.npz"
    np.savez(path, **arrays, rate_hz_acc=20.0, label=label, group=np.arange(n) // 10,
             target_age=rng.random(n).astype(np.float32))  # fmt: skip
    return path, arrays


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (infomae, {"align.sampler.fraction": 1.0, "align.method.negatives": 2,
                   "rows": ("window_statistics", "random_forest", "supervised")}),
        (crossl, {"rows": ("raw_windows", "finetune")}),
        (baselines, {"rows": ("raw_windows", "random_encoder")}),
    ],
    ids=["infomae", "crossl", "baselines"],
)  # fmt: skip
def test_every_kind_goes_all_the_way(config, changes, windows, devices, tmp_path):
    devices(1)
    path, arrays = windows
    made = config.get_config("npz,smoke")
    made.update_from_flattened_dict(
        {"data.path": str(path), "evaluation.fractions": (1.0,), "evaluation.missing.patterns": ()}
        | changes
    )
    results = mmalign.run(made, tmp_path / "run")
    kinds = {m: d["kind"] for m, d in results["data"]["modalities"].items()}
    assert kinds == {"acc": "series", "cam": "image", "meta": "vector"}
    assert {r["part"] for r in results["records"]} >= {"acc", "cam", "meta", "joint"}
    assert len({tuple(r["present"]) for r in results["missing"]["sets"]}) == 7
    model = mmalign.load(tmp_path / "run")
    z = model.embed({m: x[:8] for m, x in arrays.items()})
    assert all(np.isfinite(x).all() and len(x) == 8 for x in z.values())
    alone = model.embed({"meta": arrays["meta"][:8]})
    assert alone["meta"].any() and not alone["cam"].any() and np.isfinite(alone["joint"]).all()
