"""Augmentations: pure, jittable, one key per example.

`series`, `warps` (of series), `spectrogram`, `image`, `simclr` (of images), `vector`, `sequence`
and `steps` (of series and sequences) hold `f(key, x, *, knobs) -> x` on one example; `policy` draws
from a pool of them for a batch of several modalities; `mix` is mixup and CutMix. `latent` draws
which latents of which modality a view keeps.
"""

from mmalign.augment import image as image
from mmalign.augment import sequence as sequence
from mmalign.augment import series as series
from mmalign.augment import simclr as simclr
from mmalign.augment import spectrogram as spectrogram
from mmalign.augment import steps as steps
from mmalign.augment import vector as vector
from mmalign.augment import warps as warps
from mmalign.augment.latent import draw_latent_masks as draw_latent_masks
from mmalign.augment.latent import draw_time_mask as draw_time_mask
from mmalign.augment.latent import hide as hide
from mmalign.augment.latent_spec import LatentMask as LatentMask
from mmalign.augment.latent_spec import latent_mask as latent_mask
from mmalign.augment.mixing import mix as mix
from mmalign.augment.policy import Plan as Plan
from mmalign.augment.policy import Policy as Policy
from mmalign.augment.policy import augment as augment
from mmalign.augment.pools import POOL as POOL
from mmalign.augment.spectrogram import interval_fft as interval_fft
from mmalign.augment.spectrogram import interval_ifft as interval_ifft
from mmalign.augment.spectrogram import intervals as intervals
