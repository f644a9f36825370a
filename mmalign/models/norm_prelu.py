"""LayerNorm over channels and PReLU as one operation, whose gradient is written out.

Left to differentiate the two, XLA keeps and reads several arrays of the size of the feature map,
which on a CPU takes as long as the convolutions. Here one of them is kept, the input; and means
over channels are products with a vector, which there are faster than reductions of short rows.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax


@functools.partial(jax.custom_vjp[jax.Array], nondiff_argnums=(4,))
def norm_prelu(
    x: jax.Array, scale: jax.Array, bias: jax.Array, slope: jax.Array, eps: float
) -> jax.Array:
    """PReLU of the LayerNorm over channels: [b, time, channels] -> the same shape and dtype.

    Args:
      x: floats; computed in float32 at least.
      scale, bias: [channels], of the norm.
      slope: [channels], of what is below zero; also the derivative at zero.
      eps: added to the variance.
    """
    wide = _wide(x)
    return _output(wide, *_statistics(wide, eps), scale, bias, slope).astype(x.dtype)


def _forward(x, scale, bias, slope, eps):
    wide = _wide(x)
    mean, inverse = _statistics(wide, eps)
    out = _output(wide, mean, inverse, scale, bias, slope).astype(x.dtype)
    return out, (x, mean, inverse, scale, bias, slope)


def _backward(eps, kept, g):
    del eps
    x, mean, inverse, scale, bias, slope = kept
    g = g.astype(mean.dtype)
    normed = (_wide(x) - mean) * inverse
    y = normed * scale[None, None] + bias[None, None]
    of_y = jnp.where(y > 0, g, slope[None, None] * g)
    of_normed = of_y * scale[None, None]
    of_x = inverse * (
        of_normed - _mean(of_normed) - normed * _mean(of_normed * normed)
    )  # fmt: skip
    total = lambda z, like: z.sum(axis=(0, 1)).astype(like.dtype)
    return (
        of_x.astype(x.dtype),
        total(of_y * normed, scale),
        total(of_y, bias),
        total(jnp.where(y > 0, 0.0, g * y), slope),
    )


norm_prelu.defvjp(_forward, _backward)


def _statistics(x, eps):
    """Mean and inverse standard deviation over channels, [b, time, 1]."""
    mean = _mean(x)
    return mean, lax.rsqrt(_mean(jnp.square(x - mean)) + eps)


def _output(x, mean, inverse, scale, bias, slope):
    y = (x - mean) * inverse * scale[None, None] + bias[None, None]
    return jnp.where(y > 0, y, slope[None, None] * y)


def _mean(x):
    channels = x.shape[-1]
    return jnp.matmul(x, jnp.full((channels, 1), 1 / channels, x.dtype), precision="highest")


def _wide(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
