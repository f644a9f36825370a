"""Maps place every window, say by what, and tell how much of classes and people they show."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mmalign.report import maps
from mmalign.report.maps import Map


@pytest.fixture
def no_umap(monkeypatch):
    """A machine without it."""
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.fixture
def umap(monkeypatch):
    """A machine with something in its place: what it was asked, (options, distances)."""
    asked = []

    class First:
        def __init__(self, **options):
            self.options = options

        def fit_transform(self, distances):
            asked.append((self.options, distances))
            return np.stack([distances[0], distances[1]], axis=1)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=First))
    return asked


@pytest.fixture
def groups(rng):
    """[60, 5], class and person of windows whose classes are far apart, and people are not."""
    label, person = np.arange(60) % 3, np.arange(60) // 3 % 4
    return 100.0 * np.eye(5)[label] + rng.normal(size=(60, 5)), label, person


def said(page):
    return re.sub(r"<[^>]*>", " ", page)


def test_principal_components_without_umap_and_the_page_says_so(no_umap, groups):
    z, label, person = groups
    drawn = maps.mapped(z)
    centred = z - z.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(abs(drawn.points), abs(centred @ axes[:2].T), atol=1e-6)
    held = (singular[:2] ** 2).sum() / (singular**2).sum()
    text = said(maps.maps(z, label, list("abc"), person))
    assert f"which hold {100 * held:.0f} % of the variance" in text and "where the extra" in text


def test_umap_where_it_is_installed_with_a_seed_and_euclidean_distances(umap, groups):
    z, label, person = groups
    page = maps.maps(z, label, list("abc"), person)
    assert "as UMAP places them" in said(page) and "principal" not in page
    ((options, distances),) = umap
    assert options["random_state"] is not None and options["metric"] == "precomputed"
    np.testing.assert_allclose(
        np.sort(distances, axis=None),
        np.sort(np.linalg.norm(z[:, None] - z[None], axis=-1), axis=None), atol=1e-5,
    )  # fmt: skip


def test_a_few_windows_have_principal_components_in_any_case(umap, rng):
    assert "principal" in maps.mapped(rng.normal(size=(20, 3))).how and not umap
    assert "UMAP" in maps.mapped(rng.normal(size=(21, 3))).how


def test_another_package_of_that_name_is_none(monkeypatch, rng):
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace())
    assert "principal" in maps.mapped(rng.normal(size=(30, 3))).how


def test_the_numbers_are_of_class_and_person_on_the_map_in_the_embedding_and_by_chance(
    groups, monkeypatch
):
    z, label, person = groups
    by_person = lambda z: Map(100.0 * np.eye(4)[order_of(z)][:, :2], ("", ""), "placed by hand")
    order_of = lambda z: person[(abs(z[:, None] - groups[0][None]).sum(axis=2)).argmin(axis=1)]
    monkeypatch.setattr(maps, "mapped", by_person)  # people 2 and 3 are in one place
    text = said(maps.maps(z, label, list("abc"), person))
    number = r"(\d+) % are of the same {}; in the embedding (\d+) %, by chance (\d+) %"
    on_map, inside, chance = map(int, re.search(number.format("class"), text).groups())
    assert inside == 100 and chance == 32 and on_map < 60  # 19 of the 59 others
    on_map, inside, chance = map(int, re.search(number.format("person"), text).groups())
    assert 60 < on_map < 95 and chance == 24 and inside < 45  # 14 of 59


def test_a_map_of_a_plane_keeps_all_neighbours_and_one_of_more_dimensions_does_not(no_umap, rng):
    kept = lambda z: int(
        re.search(r"embedding, (\d+) % are among", said(maps.maps(z, None, [], None)))[1]
    )
    assert kept(rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6))) == 100
    assert 12 < kept(rng.normal(size=(80, 30))) < 60  # by chance 10 of 79


@pytest.mark.parametrize(
    ("label", "group", "shown"),
    [
        ([0, 1] * 15, [0, 1, 2] * 10, ["class", "person"]),
        ([0, 1] * 15, [-1] * 30, ["class"]),
        ([0, 1] * 15, None, ["class"]),
        ([-1] * 30, [0, 1, 2] * 10, ["person"]),
        ([-1] * 30, [4] * 30, ["class"]),  # in grey
        (None, None, ["class"]),
        ([0, -1] * 15, [7, -1, -1] * 10, ["class"]),
    ],
)
def test_there_is_a_map_by_what_is_known(no_umap, rng, label, group, shown):
    page = maps.maps(rng.normal(size=(30, 4)), label, [], group)
    assert re.findall(r'alt="Embedding map by (\w+)"', page) == shown


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_few_windows_or_such_that_are_all_alike_are_drawn(no_umap, n):
    for z in (np.ones((n, 3)), np.eye(12)[:n], np.ones((n, 1))):
        assert "<img" in maps.maps(z, np.arange(n) % 2, ["a", "b"], np.arange(n) % 3)


def test_of_very_many_windows_a_sample_is_drawn_the_same_each_time(no_umap, rng):
    z, label = rng.normal(size=(5000, 3)), np.zeros(5000, int)
    page = maps.maps(z, label, ["a"], None)
    assert page == maps.maps(z, label, ["a"], None)
    assert "4,000 of 5,000 test windows" in said(page)


@pytest.mark.slow
def test_umap_itself_draws_a_page_twice_the_same_whatever_the_windows(rng):
    pytest.importorskip("umap", exc_type=ImportError)
    z = np.repeat(np.eye(3), 20, axis=0) + 0.1 * rng.normal(size=(60, 3))
    page = maps.maps(z, np.arange(60) // 20, list("abc"), np.arange(60) % 4)
    assert page == maps.maps(z, np.arange(60) // 20, list("abc"), np.arange(60) % 4)
    assert "as UMAP places them" in page
    assert "100 % are of the same class; in the embedding 100 %" in said(page)
    for odd in (np.ones((60, 4)), np.arange(60.0)[:, None] % 3, np.eye(40)):
        assert np.isfinite(maps.mapped(odd).points).all()
