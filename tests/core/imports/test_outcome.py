"""What outcomes do to a stream, without a registry or a store."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_streams.objects import read_import
from imagegate.core.image_streams.stream import spec_tag, status_tag, with_spec_tag
from imagegate.core.imports.outcome import (
    Fetch,
    Imported,
    RepositoryOutcome,
    absent,
    image_fetch,
    new_stream,
    preferred_child,
    recorded,
    repository_status,
    status_json,
    with_defaults,
)
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import OCI_INDEX, Child, Descriptor, Manifest, Platform

JsonObject = dict[str, Any]
NOW = "2018-06-01T10:00:00Z"
D1, D2 = ("sha256:" + digit * 64 for digit in "12")
SERVER = Platform("amd64", "linux")


def listed(*platforms: str) -> Manifest:
    children = []
    for platform in platforms:
        os, _, architecture = platform.partition("/")
        children.append(Child(Descriptor("x", platform, 1), Platform(architecture, os)))
    return Manifest(OCI_INDEX, D1, b"", children=tuple(children))


@pytest.mark.parametrize(
    "platforms, prefer, server, chosen",
    [
        (["linux/arm64", "linux/amd64"], Platform(), SERVER, "linux/amd64"),
        (["linux/arm64", "linux/amd64"], Platform("arm64"), SERVER, "linux/arm64"),
        (["linux/arm64", "linux/amd64"], Platform("s390x"), SERVER, "linux/amd64"),
        (["linux/arm64", "windows/amd64"], Platform("", "windows"), SERVER, "windows/amd64"),
        (["linux/arm64", "windows/amd64"], Platform(), SERVER, "linux/arm64"),
        (["linux/arm64", "linux/amd64"], Platform(), Platform("arm64", "linux"), "linux/arm64"),
        (["windows/x", "linux/y"], Platform(), SERVER, "windows/x"),
        ([], Platform(), SERVER, None),
    ],
)
def test_which_entry_of_a_list(platforms: list[str], prefer: Platform, server: Platform, chosen: str | None) -> None:
    child = preferred_child(listed(*platforms), prefer, server)
    assert (child and child.descriptor.digest) == chosen


def request(*entries: JsonObject, repository: JsonObject | None = None) -> JsonObject:
    spec: JsonObject = {"import": True, "images": list(entries)}
    return {"metadata": {"name": "app"}, "spec": spec if repository is None else {**spec, "repository": repository}}


def entry(name: str, to: str | None = None, **policy: Any) -> JsonObject:
    source: JsonObject = {"from": {"kind": "DockerImage", "name": name}, "importPolicy": policy}
    return source if to is None else {**source, "to": {"name": to}}


def imported(reference: str, digest: str) -> Imported:
    return Imported({"metadata": {"name": digest}, "dockerImageReference": f"{reference}@{digest}"})


def test_import_modes_are_filled_in() -> None:
    document = request(entry("a"), entry("b", importMode="Legacy"), repository=entry("c"))
    spec = with_defaults(document, "PreserveOriginal")["spec"]
    modes = [found["importPolicy"]["importMode"] for found in (*spec["images"], spec["repository"])]
    assert modes == ["PreserveOriginal", "Legacy", "PreserveOriginal"]
    assert document["spec"]["images"][0]["importPolicy"] == {}
    assert with_defaults({"spec": {"import": False}}, "Legacy") == {"spec": {"import": False}}


def test_references_are_kept_as_written() -> None:
    wanted = image_fetch(read_import(request(entry("openshift/x"))).images[0], None)
    assert isinstance(wanted, Fetch)
    assert wanted.tag == "latest"
    assert wanted.shown == "docker.io/openshift/x:latest"
    assert wanted.named(D1) == f"openshift/x@{D1}"
    pinned = Fetch(ImageReference.parse(f"r.io/a/b:v1@{D1}"), "Legacy", False)
    assert pinned.tag == ""
    assert pinned.shown == f"r.io/a/b@{D1}"


def test_an_event_of_an_older_generation_is_renewed() -> None:
    """The user asked to import again (generation raised); the same image then answers that."""
    import_ = read_import(request(entry("r.io/a:v1", "v1")))
    stream = recorded(new_stream("test", "app"), import_, None, (imported("r.io/a", D1),), now=NOW)
    stream = {**stream, "metadata": {**stream["metadata"], "generation": 4}}
    asked = with_spec_tag(stream, "v1", {**(spec_tag(stream, "v1") or {}), "generation": 4})
    again = recorded(asked, import_, None, (imported("r.io/a", D1),), now="later")
    assert (status_tag(again, "v1") or {})["items"] == [
        {"created": NOW, "dockerImageReference": f"r.io/a@{D1}", "image": D1, "generation": 5}
    ]
    done = with_spec_tag(stream, "v1", {**(spec_tag(stream, "v1") or {}), "generation": 1})
    assert recorded(done, import_, None, (imported("r.io/a", D1),), now="later") == done


def test_policies_of_the_request_count_even_where_nothing_changed() -> None:
    first = read_import(request(entry("r.io/a:v1", "v1")))
    stream = recorded(new_stream("test", "app"), first, None, (imported("r.io/a", D1),), now=NOW)
    stream = with_spec_tag(stream, "v1", {**(spec_tag(stream, "v1") or {}), "generation": 1})
    second = read_import(request(entry("r.io/a:v1", "v1", scheduled=True, insecure=True)))
    after = recorded(stream, second, None, (imported("r.io/a", D1),), now="later")
    policy = {"importMode": "Legacy", "scheduled": True, "insecure": True}
    assert (spec_tag(after, "v1") or {})["importPolicy"] == policy
    assert (status_tag(after, "v1") or {}) == (status_tag(stream, "v1") or {})


def test_the_same_failure_is_written_once_and_another_one_replaces_it() -> None:
    import_ = read_import(request(entry("r.io/a:v1", "v1")))
    stream = recorded(new_stream("test", "app"), import_, None, (absent("r.io/a:v1"),), now=NOW)
    assert recorded(stream, import_, None, (absent("r.io/a:v1"),), now="later") == stream
    other = recorded(stream, import_, None, (absent("r.io/b:v1"),), now="later")
    (condition,) = (status_tag(other, "v1") or {})["conditions"]
    assert condition["message"] == 'dockerimage.image.openshift.io "r.io/b:v1" not found'
    assert condition["lastTransitionTime"] == "later"
    mended = recorded(other, import_, None, (imported("r.io/a", D1),), now="later")
    assert "conditions" not in (status_tag(mended, "v1") or {})


def test_repository_results_come_before_images() -> None:
    import_ = read_import(request(entry("r.io/b:x", "v1"), repository=entry("r.io/a")))
    outcome = RepositoryOutcome((("v1", imported("r.io/a", D1)),))
    stream = recorded(new_stream("test", "app"), import_, outcome, (imported("r.io/b", D2),), now=NOW)
    assert [item["image"] for item in (status_tag(stream, "v1") or {})["items"]] == [D2, D1]
    assert (spec_tag(stream, "v1") or {})["from"]["name"] == "r.io/b:x"


def test_the_objects_given_are_not_changed() -> None:
    import_ = read_import(request(entry("r.io/a:v1", "v1"), entry("r.io/b:v1", "v2")))
    before = new_stream("test", "app")
    recorded(before, import_, None, (imported("r.io/a", D1), absent("x")), now=NOW)
    assert before == new_stream("test", "app")


def test_statuses_inside_of_objects() -> None:
    assert status_json(absent("r.io/a:v1")) == {
        "metadata": {},
        "status": "Failure",
        "message": 'dockerimage.image.openshift.io "r.io/a:v1" not found',
        "reason": "NotFound",
        "details": {"name": "r.io/a:v1", "group": "image.openshift.io", "kind": "dockerimage"},
        "code": 404,
    }
    assert repository_status(RepositoryOutcome(), include_manifest=False) == {
        "status": {"metadata": {}, "status": "Success"}
    }
