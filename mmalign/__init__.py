"""mmalign: self-supervised alignment of multimodal data.

from mmalign import losses          # pure functions, need jax and optax only
results = mmalign.run(config, workdir)
model = mmalign.load(workdir)
"""

# Imported inside, so that `from mmalign import losses` loads nothing else.


def run(config, workdir):
    """Trains, evaluates and reports what `config` describes; see `mmalign.pipeline.run`."""
    from mmalign import pipeline

    return pipeline.run(config, workdir)


def load(workdir, stage=None):
    """A trained run, ready to embed windows; see `mmalign.trained.load`."""
    from mmalign import trained

    return trained.load(workdir, stage)
