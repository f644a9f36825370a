"""A student learns the soft assignments of a teacher: DINO, and distillation of logits."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mmalign.losses.knobs import Scalar, check_temperature, inverse
from mmalign.losses.numerics import widen
from mmalign.losses.rows import check_some, mean_over_counted, paired_rows, rows_that_count, summed


def distillation(
    student: ArrayLike,
    teacher: ArrayLike,
    center: ArrayLike = 0.0,
    *,
    student_temperature: Scalar = 0.1,
    teacher_temperature: Scalar = 0.04,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """Cross-entropy of the student's softmax with the teacher's, which gets no gradient.

    A uniform student costs log(classes); no student costs less than the teacher's entropy. In DINO
    it is the mean over pairs of different views of one sample, with `update_center` after the step;
    for `sinkhorn` in place of a centre the teacher's temperature is 1 here. With logits of images
    and texts against each other, and both temperatures 1, it is CLIP's distillation, a call for
    each direction.

    Args:
      student: [batch, classes] logits, floats.
      teacher: as student.
      center: [classes] or a number, taken off the teacher's logits against collapse onto one class;
        no gradient.
      student_temperature: positive scalar, unitless; may be traced.
      teacher_temperature: likewise; below the student's it sharpens, against a uniform collapse.
      where: bool [batch], rows that count; None for all. See the package's rule.
      axis_name: mapped axis that splits the batch; only the count needs it.
    Returns: [batch] in nats, float32 or wider.
    Raises: ValueError for shapes that differ or do not fit, temperatures that are not positive;
      TypeError for arrays that are not floating-point.
    References: Caron et al. 2021, arXiv:2104.14294, eq. 1 and 2; the teacher's temperature grows
      from 0.04 to 0.07 over 30 epochs.
    """
    check_temperature(student_temperature)
    check_temperature(teacher_temperature)
    student, teacher, where = paired_rows(student, teacher, where)
    center = jnp.asarray(center, teacher.dtype)
    if center.ndim and center.shape != teacher.shape[1:]:
        raise ValueError(
            f"center must be [classes] = {list(teacher.shape[1:])}, got shape {center.shape}"
        )
    centred = teacher - jnp.broadcast_to(center, teacher.shape[1:])[None]
    wanted = jax.nn.softmax(_scaled(centred, teacher_temperature), axis=1)
    found = jax.nn.log_softmax(_scaled(student, student_temperature), axis=1)
    cost = -jnp.sum(lax.stop_gradient(wanted) * found, axis=1)
    return mean_over_counted(cost, where, axis_name)


def _scaled(logits, temperature):
    """Over the temperature, and 0 at most: below the largest first, as products are rounded."""
    below = logits - lax.stop_gradient(logits.max(axis=1, keepdims=True))
    return below * inverse(temperature, logits.dtype)


def update_center(
    center: ArrayLike,
    teacher: ArrayLike,
    *,
    momentum: float = 0.9,
    where: ArrayLike | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """The centre after a step: momentum * center + (1 - momentum) * mean teacher logits, [classes].

    teacher: [batch, classes], the teacher's rows of all views. If no row counts nothing changes.
    """
    center, teacher = widen(center, teacher)
    if teacher.ndim != 2 or center.shape != teacher.shape[1:]:
        raise ValueError(
            f"need center [classes] and teacher [batch, classes], "
            f"got {center.shape} and {teacher.shape}"
        )
    check_some(teacher.shape)
    where = rows_that_count(where, teacher.shape[:1])
    total = summed(axis_name)
    count = total(where.sum(dtype=teacher.dtype))
    mean = total(jnp.sum(teacher, axis=0, where=where[:, None])) / jnp.maximum(count, 1)
    updated = momentum * center + (1 - momentum) * mean
    return lax.stop_gradient(jnp.where(count > 0, updated, center))
