"""The entry that a denial names: the part said differs, and changing just that makes it match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.enforcement.nearest import NearestEntries, mismatch
from imagegate.core.enforcement.patterns import compare_image_ref
from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, Entry, EntrySource, PolicyGroup

NAMES = st.builds(
    "{}{}".format,
    st.sampled_from(("docker.io/", "*.corp/", "registry.corp:5000/", "us.icr.io/")),
    st.sampled_from(("*", "team/*", "team/app", "team/app:1", "library/nginx")),
)
IMAGES = st.builds(
    "{}{}".format,
    st.sampled_from(("", "docker.io/", "registry.corp/", "registry.corp:5000/", "evil.example/")),
    st.sampled_from(("team/app:1", "nginx", "other/app:2")),
)


def entry(name: str, position: int = 0) -> Entry:
    return Entry(name=name, source=EntrySource(PolicyGroup.PORTIERIS, CLUSTER_IMAGE_POLICY, "", "default", position))


@given(st.lists(NAMES, min_size=1, max_size=6), IMAGES)
def test_changing_just_the_part_that_differs_makes_it_match(names: list[str], image: str) -> None:
    entries = [entry(name, position) for position, name in enumerate(names)]
    if any(compare_image_ref(name, image) for name in names):
        return
    found = NearestEntries(entries).nearest(image)
    assert found is not None
    host_pattern, _, path_pattern = found.entry.name.partition("/")
    host, slash, path = image.partition("/")
    if found.unmet.startswith("path "):
        changed = f"{host}/{path_pattern.replace('*', 'x')}"
    elif found.unmet.startswith("host "):
        changed = f"{host_pattern.replace('*', 'x')}/{path}"
        if not compare_image_ref(found.entry.name, changed):  # then the path differs as well, and is said next
            assert mismatch(found.entry.name, changed).startswith("path ")
            return
    else:
        assert not slash
        assert found.unmet == f"{image} has no / and so no host part"
        return
    assert compare_image_ref(found.entry.name, changed)


@pytest.mark.parametrize(
    "image, name, unmet",
    [
        ("registry.corp/team/app:2", "registry.corp/team/app:1", "path team/app:2 does not match team/app:1"),
        ("registry.corp/other/x", "registry.corp/ops/*", "path other/x does not match ops/*"),
        ("a.icr.io/x/y", "*.icr.io/ns/*", "path x/y does not match ns/*"),
        ("registry.crop/ops/x", "registry.corp/ops/*", "host registry.crop does not match registry.corp"),
        ("nginx", "docker.io/library/*", "nginx has no / and so no host part"),
    ],
)
def test_the_host_first_then_the_likest_path(image: str, name: str, unmet: str) -> None:
    names = ("docker.io/library/*", "registry.corp/ops/*", "registry.corp/team/app:1", "*.icr.io/ns/*")
    found = NearestEntries([entry(each, at) for at, each in enumerate(names)]).nearest(image)
    assert found is not None
    assert (found.entry.name, found.unmet) == (name, unmet)


def test_without_entries_nothing_is_near() -> None:
    assert NearestEntries([]).nearest("quay.io/a/b") is None
