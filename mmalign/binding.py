"""Binding: windows of sources that never met are paired by what the sources share."""

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from mmalign import options
from mmalign.data.dataset import TRAIN, UNKNOWN, Dataset
from mmalign.data.pairs import Pairs
from mmalign.pairing import NOBODY, nearest

WAYS = ("features", "label", "classes", "random")
SAME, EACH_OTHER, ONE_WAY = 1.0, 0.5, 0.3  # similarity of two classes, of the released code


class Direction(NamedTuple):
    """From one source to another: rows of both to train on, and the modality that both have.

    source, other: numbers of sources. shared: number of the modality, -1 where none is asked for.
    """

    source: int
    other: int
    shared: int
    queries: np.ndarray
    keys: np.ndarray


class Binding(NamedTuple):
    """What a block of a config says, checked.

    by: of WAYS. features: the stage whose embeddings are compared, or None.
    directions: who looks for partners where. most: pairs that there can be.
    find: (direction, embeddings or None, mesh, seed) -> Pairs.
    """

    by: str
    features: str | None
    directions: tuple[Direction, ...]
    most: int
    find: Callable[..., Pairs]


def create(
    dataset: Dataset, *, by: str = "features", features: str | None = None,
    shared: str | None = None, sources: tuple | None = None, k: int = 1, mutual: bool = False,
    threshold: float | None = None, centre: bool = False, partners: int | None = None,
    similarity: str | None = None,
) -> Binding:  # fmt: skip
    """A binding of sources (MMBind, Ouyang et al. 2025, arXiv:2411.12126).

    Every window of a source looks for partners in every other source that shares a modality with
    its own, both ways: of sources {a, c}, {b, c} and {d, b} the first two are bound by c, the last
    two by b. All matches are exact.

    Args:
      dataset: with several sources.
      by: "features", the cosine of embeddings of the shared modality; "label", the same class;
        "classes", the class most similar by the user's `similarity`; "random", anyone.
      features: the stage whose embeddings of the shared modality are compared.
      shared: the modality; None: the first that two sources have in common.
      sources: names or numbers of those that are bound; None: all.
      k: partners of a window, of features.
      mutual: whether only those stay that are among each other's k.
      threshold: least similarity, of features.
      centre: whether the mean embedding of both sources is taken out first. Cosines of
        autoencoders' features are all close to 1, and weights by them nearly alike; the released
        code leaves it in.
      partners: of a window by class, drawn at random; None: all of its class.
      similarity: .npy file of [classes, classes], how alike the classes' names are.
    Raises: ValueError for sources without a common modality, without windows or without labels.
    """
    options.one_of("bind.by", by, WAYS)
    if (by == "features") != (features is not None):
        raise ValueError(f"bind.by={by!r} with bind.features={features!r}: embeddings of a stage "
                         "are compared by 'features', and by nothing else")  # fmt: skip
    if shared is not None:
        options.known("modality of bind.shared", shared, dataset.modalities)
    for name, value in (("k", k), ("partners", partners)):
        if value is not None and value < 1:
            raise ValueError(f"bind.{name} must be 1 or more, got {value}")
    numbers = _sources(dataset, sources)
    if by in ("label", "classes"):
        found = tuple(_of_any(dataset, numbers))
        of_class = _labels(dataset, found)
        alike = _alike(dataset, similarity) if by == "classes" else None
        find = functools.partial(_by_class, label=of_class, alike=alike, partners=partners)
        most = sum(len(find(way, None, None, 0).reference) for way in found)
    elif by == "random":
        found = tuple(_of_common(dataset, numbers, shared))
        find, most = _at_random, sum(len(way.queries) for way in found)
    else:
        found = tuple(_of_common(dataset, numbers, shared))
        find = functools.partial(
            _by_features, k=k, mutual=mutual, threshold=threshold, centre=centre
        )
        most = sum(min(k, len(way.keys)) * len(way.queries) for way in found)
    return Binding(by, features, found, most, find)


def bind(
    binding: Binding, parts: Mapping[str, np.ndarray] | None, dataset: Dataset, *, seed: int,
    mesh: jax.sharding.Mesh,
) -> Pairs:  # fmt: skip
    """The pseudo-pairs.

    parts: {modality: [n, d]}, embeddings of all windows, where they are compared.
    Raises: ValueError where none is left.
    """
    found = []
    for way in binding.directions:
        z = None if parts is None else parts[dataset.modalities[way.shared]]
        found.append(binding.find(way, z, mesh, seed))
    pairs = Pairs(*(np.concatenate(column) for column in zip(*found)))
    if len(pairs.reference) < 2:
        raise ValueError(f"a binding found {len(pairs.reference)} pairs: lower bind.threshold, "
                         "raise bind.k, or leave bind.mutual out")  # fmt: skip
    return pairs


def expected(binding: Binding) -> Pairs:
    """Pairs that stand for those of a binding before it is computed: as many as there can be."""
    way = binding.directions[0]
    first = lambda rows: np.full(binding.most, rows[0], np.int32)
    return Pairs(first(way.queries), first(way.keys), np.ones(binding.most, np.float32),
                 np.full(binding.most, way.shared, np.int32))  # fmt: skip


def _sources(dataset, named):
    """{number of a source to bind: bool [n], its training windows}."""
    of, train = dataset.source_numbers(), dataset.split == TRAIN
    there = np.unique(of[train & (of != UNKNOWN)]).tolist()
    numbers = there if named is None else dataset.sources(named, "bind.sources")
    if len(numbers) < 2:
        raise ValueError(
            f"nothing to bind: there is {len(numbers)} source to train on; deal the windows out to "
            "parties (config.data.parties), or unite several data sets (config.data.name='union')"
        )
    return {s: train & (of == s) for s in numbers}


def _of_any(dataset, rows):
    """Every ordered pair of sources."""
    for s, t in itertools.permutations(rows, 2):
        both = (np.flatnonzero(rows[x]).astype(np.int32) for x in (s, t))
        yield Direction(s, t, UNKNOWN, *both)


def _of_common(dataset, rows, shared):
    """Every ordered pair of sources with a modality in common, the first one or `shared`."""
    has = {s: [m for m in dataset.modalities if dataset.present[m][rows[s]].any()] for s in rows}
    bound = False
    for s, t in itertools.permutations(rows, 2):
        common = [m for m in has[s] if m in has[t] and shared in (None, m)]
        for m in common[:1]:
            both = (np.flatnonzero(rows[x] & dataset.present[m]) for x in (s, t))
            bound = True
            yield Direction(s, t, dataset.modalities.index(m), *(x.astype(np.int32) for x in both))
    if not bound:
        shown = "; ".join(f"{name_of(dataset, s)} has {', '.join(has[s])}" for s in rows)
        asked = "a modality" if shared is None else f"bind.shared={shared!r}"
        raise ValueError(f"no two sources have {asked} in common: {shown}")


def name_of(dataset: Dataset, source: int) -> str:
    """What people call a source."""
    names = dataset.description.sources
    return names[source] if names else f"source {source}"


def _by_features(way, z, mesh, seed, *, k, mutual, threshold, centre):
    """The k most similar windows of the other source."""
    del seed
    if centre:
        z = z - z[np.concatenate([way.queries, way.keys])].mean(axis=0)
    k_of = lambda rows: min(k, len(rows))
    similar, place = _nearest(z[way.queries], z[way.keys], k_of(way.keys), mesh)
    reference = np.repeat(way.queries, k_of(way.keys))
    place, similar = place.reshape(-1), similar.reshape(-1)
    keep = place != NOBODY
    if threshold is not None:
        keep &= similar >= threshold
    if mutual:
        _, back = _nearest(z[way.keys], z[way.queries], k_of(way.queries), mesh)
        number = np.repeat(np.arange(len(way.queries)), k_of(way.keys))
        keep &= (back[np.maximum(place, 0)] == number[:, None]).any(axis=1)
    partner = way.keys[np.maximum(place, 0)]
    return _pairs(way, reference[keep], partner[keep], similar[keep])


def _nearest(queries, keys, k, mesh):
    """`nearest`, the queries shared by the devices; on the host."""
    if mesh.size == 1:
        return jax.device_get(nearest(queries, keys, k=k))
    n, axis = len(queries), mesh.axis_names[0]
    padded = np.pad(queries, [(0, -n % mesh.size), (0, 0)])
    P = jax.sharding.PartitionSpec
    each = jax.shard_map(
        functools.partial(nearest, k=k), mesh=mesh, in_specs=(P(axis), P()), out_specs=P(axis),
        check_vma=False,
    )  # fmt: skip
    return tuple(x[:n] for x in jax.device_get(jax.jit(each)(padded, keys)))


def _at_random(way, z, mesh, seed):
    """Anyone of the other source."""
    del z, mesh
    rng = np.random.default_rng([seed, way.source, way.other])
    partner = rng.choice(way.keys, len(way.queries))
    return _pairs(way, way.queries, partner, np.ones(len(partner)))


def _by_class(way, z, mesh, seed, *, label, alike, partners):
    """Windows of the same class, or of the one that is most alike."""
    del z, mesh
    rng = np.random.default_rng([seed, way.source, way.other])
    here, there = label[way.queries], label[way.keys]
    reference, partner, similar = [], [], []
    for c in np.unique(here[here != UNKNOWN]):
        other, level = (c, SAME) if alike is None else _most_alike(alike, c, here, there)
        found = way.keys[there == other]
        for i in way.queries[here == c]:
            chosen = found
            if partners is not None and len(found):
                chosen = rng.choice(found, min(partners, len(found)), replace=False)
            reference.append(np.full(len(chosen), i))
            partner.append(chosen)
            similar.append(np.full(len(chosen), level))
    return _pairs(way, *(np.concatenate([[], *x]) for x in (reference, partner, similar)))


def _most_alike(alike, c, here, there):
    """(class of the other source most like c, how similar that counts)."""
    own, others = (np.unique(x[x != UNKNOWN]) for x in (here, there))
    other = others[alike[c, others].argmax()]
    if other == c:
        return other, SAME
    back = own[alike[own, other].argmax()]
    return other, EACH_OTHER if back == c else ONE_WAY


def _labels(dataset, directions):
    """The label of every window, -1 = unknown: such windows are not bound."""
    label = dataset.label
    for way in directions:
        if (label[way.queries] == UNKNOWN).all():
            name = name_of(dataset, way.source)
            raise ValueError(f"a binding by classes needs labels, and {name} has none")
    return label


def _alike(dataset, path):
    if path is None:
        raise ValueError("bind.by='classes' needs bind.similarity, an .npy of [classes, classes]")
    try:
        alike = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"bind.similarity={path!r} cannot be read: {error}") from error
    n = dataset.num_classes
    if alike.shape != (n, n):
        raise ValueError(f"bind.similarity must be [{n}, {n}], got {alike.shape} in {path}")
    return alike


def _pairs(way, reference, partner, similarity) -> Pairs:
    return Pairs(
        np.asarray(reference, np.int32),
        np.asarray(partner, np.int32),
        np.asarray(similarity, np.float32),
        np.full(len(reference), way.shared, np.int32),
    )
