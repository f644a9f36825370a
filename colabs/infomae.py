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
# Trains, evaluates and uses a model. On Colab choose a TPU or GPU runtime, clone the repository and
# `%cd` into it first; nothing else changes.

# %%
import os
import sys
import tempfile

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install -q .")

# %%
import mmalign
from mmalign.configs.infomae import get_config
from mmalign.data import synthetic

SMOKE = bool(os.environ.get("MMALIGN_SMOKE"))
config = get_config("smoke" if SMOKE else "")

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
