# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # InfoMAE on the embedded data
# Trains, evaluates and uses a model. On Colab choose a TPU or GPU runtime; nothing else changes.

# %%
import importlib.util
import os
import pathlib
import sys
import tempfile

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q mmalign")
SMOKE = bool(os.environ.get("MMALIGN_SMOKE"))

# %%
import mmalign
from mmalign.data import synthetic

root = next(
    p for p in (pathlib.Path.cwd(), *pathlib.Path.cwd().parents) if (p / "configs").is_dir()
)
spec = importlib.util.spec_from_file_location("config", root / "configs" / "infomae.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
config = module.get_config("smoke" if SMOKE else "")

# %%
workdir = tempfile.mkdtemp()
results = mmalign.run(config, workdir)

# %% [markdown]
# What the shared part of the embedding knows of the factors that made the data:

# %%
results["information"]["shared"]

# %% [markdown]
# The trained model on windows of one sensor alone: the other one is missing, shapes stay.

# %%
model = mmalign.load(workdir)
data = synthetic.make(**config.data.options)
out = model.embed({"acc": data.inputs["acc"][:16]})
{part: z.shape for part, z in out.items()}
