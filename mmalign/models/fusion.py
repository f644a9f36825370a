"""A transformer over the tokens of all modalities, of which its CLS token is read."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mmalign.models.torch_init import dense

_EPSILON = 1e-5  # of every LayerNorm


class FusionTransformer(nn.Module):
    """Tokens and any number of masks of them -> an embedding for each mask.

    Pre-norm attention of `heads` heads and a perceptron four times as wide with QuickGELU, `depth`
    times, then a LayerNorm. Tokens carry no mark of their place or modality here. As CLS alone is
    read, to hide keys from all queries is to drop the tokens; nothing before the first attention
    depends on the mask and the last layer is computed for CLS alone, so that of one layer all masks
    cost little more than one.

    References: CoMM (Dufumier et al. 2025, arXiv:2409.07402), section 4 and the released code,
      whose initialisation this has: CLS of deviation 1, kernels by width and depth.
    """

    width: int
    depth: int = 1
    heads: int = 8

    @nn.compact
    def __call__(self, tokens: jax.Array, count: jax.Array) -> jax.Array:
        """tokens: [b, t, width]. count: [..., b, t], how many alike each stands for, or bools.

        A token whose count is 0 or False is not read. CLS is one and always read.
        Returns: float32 [..., b, width].
        """
        tokens = tokens.reshape(*[1] * (count.ndim - 2), *tokens.shape)
        count = count.astype(jnp.float32)
        cls = self.param("cls", nn.initializers.normal(1.0), (self.width,))
        first = jnp.broadcast_to(cls, (*tokens.shape[:-2], 1, self.width))
        x = jnp.concatenate([first, tokens], axis=-2)
        count = jnp.concatenate([jnp.ones_like(count[..., :1]), count], axis=-1)
        seen = jnp.log(count)  # -inf where nothing is read: added to logits
        for i in range(self.depth):
            last = i == self.depth - 1
            x = _Block(self.heads, self.depth, cls_alone=last, name=f"block_{i}")(x, seen)
        z = nn.LayerNorm(epsilon=_EPSILON, name="norm")(x[..., 0, :])
        return z.astype(jnp.float32)


class _Block(nn.Module):
    """[..., b, t, width] -> the same, or its first token alone; seen: what logits get added."""

    heads: int
    depth: int
    cls_alone: bool

    @nn.compact
    def __call__(self, x, seen):
        width = x.shape[-1]
        inner, outer = width**-0.5, width**-0.5 * (2 * self.depth) ** -0.5
        y = nn.LayerNorm(epsilon=_EPSILON, name="norm_attention")(x)
        asking = 1 if self.cls_alone else x.shape[-2]
        attended = self._attention(y[..., :asking, :], y, seen, inner)
        out = nn.Dense(width, kernel_init=nn.initializers.normal(outer), name="attention_out")
        x = x[..., :asking, :] + out(attended)
        y = nn.LayerNorm(epsilon=_EPSILON, name="norm_mlp")(x)
        start = nn.initializers.normal((2 * width) ** -0.5)
        y = dense(4 * width, y, kernel_init=start, name="mlp_in")
        y = y * nn.sigmoid(1.702 * y)
        return x + dense(width, y, kernel_init=nn.initializers.normal(outer), name="mlp_out")

    def _attention(self, asking, y, seen, deviation):
        def heads(name, x):
            made = nn.Dense(x.shape[-1], kernel_init=nn.initializers.normal(deviation), name=name)
            return made(x).reshape(*x.shape[:-1], self.heads, -1)

        q, k, v = heads("query", asking), heads("key", y), heads("value", y)
        logits = jnp.einsum("...qhd,...khd->...hqk", q, k) * q.shape[-1] ** -0.5
        logits = logits.astype(jnp.float32) + seen[..., None, None, :]
        found = jnp.einsum("...hqk,...khd->...qhd", nn.softmax(logits).astype(v.dtype), v)
        return found.reshape(*found.shape[:-2], -1)
