"""LimitRanges of the types openshift.io/Image and openshift.io/ImageStream, as openshift-apiserver enforces them."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.lookup import Unknown
from imagegate.service.image_api.host_cluster import StoredCluster
from tests.support.image_api import Api
from tests.support.image_objects import DIGEST_1, DIGEST_2

STREAMS = "namespaces/test/imagestreams"
TAGS = "namespaces/test/imagestreamtags"
LIMITS = "/api/v1/namespaces/test/limitranges"
EXCEEDS = "exceeds the maximum limit per openshift.io/"


def limited(api: Api, name: str = "lr", **maxima: Any) -> None:
    """A LimitRange; ``tags``, ``images``, ``size``."""
    names = {"tags": "openshift.io/image-tags", "images": "openshift.io/images"}
    of_stream = {names[key]: value for key, value in maxima.items() if key in names}
    limits: list[dict[str, Any]] = [{"type": "openshift.io/ImageStream", "max": of_stream}] if of_stream else []
    if "size" in maxima:
        limits.append({"type": "openshift.io/Image", "max": {"storage": maxima["size"]}})
    api.post(LIMITS, {"kind": "LimitRange", "metadata": {"name": name}, "spec": {"limits": limits}})


def tag(name: str, image: str) -> dict[str, Any]:
    return {"name": name, "from": {"kind": "DockerImage", "name": image}, "reference": True}


def stream(name: str, *tags: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"tags": list(tags)}}


def mapping(name: str, size: int, digest: str = DIGEST_1) -> dict[str, Any]:
    image = {
        "metadata": {"name": digest},
        "dockerImageReference": f"quay.io/a/b@{digest}",
        "dockerImageMetadata": {"kind": "DockerImage", "apiVersion": "1.0", "Size": size},
    }
    return {"metadata": {"name": name}, "tag": "latest", "image": image}


A, B, C = tag("a", "quay.io/o/a:1"), tag("b", "quay.io/o/b:1"), tag("c", "quay.io/o/a:1")


class TestStreams:
    def test_new_ones(self, api: Api) -> None:
        limited(api, tags="1")
        refused = api.post(STREAMS, stream("x", A, B), 422)
        (cause,) = refused["details"]["causes"]
        assert (cause["field"], cause["reason"]) == ("[]", "InternalError")
        assert f"requested usage of openshift.io/image-tags {EXCEEDS}ImageStream (2 > 1)" in cause["message"]
        api.post(STREAMS, stream("x", A, C))  # two tags, one reference

    def test_what_does_not_grow_passes(self, api: Api) -> None:
        api.post(STREAMS, stream("x", A, B))
        limited(api, tags="1")
        api.patch(f"{STREAMS}/x", {"metadata": {"labels": {"k": "v"}}})
        api.patch(f"{STREAMS}/x", {"spec": {"tags": [B]}})
        api.put(f"{TAGS}/x:b", {"tag": tag("b", "quay.io/o/c:1")})
        assert EXCEEDS in api.put(f"{TAGS}/x:d", {"tag": tag("d", "quay.io/o/d:1")}, 422)["message"]

    def test_the_lowest_limit_counts(self, api: Api) -> None:
        limited(api, "high", tags="10")
        limited(api, "low", tags="1500m")
        assert "(2 > 1500m)" in api.post(STREAMS, stream("x", A, B), 422)["message"]
        api.delete(f"{LIMITS}/low")
        api.post(STREAMS, stream("x", A, B))

    def test_images_in_the_status(self, api: Api) -> None:
        limited(api, images="1")
        api.post(STREAMS, stream("x"))
        api.post("namespaces/test/imagestreammappings", mapping("x", 5))
        refused = api.post("namespaces/test/imagestreammappings", mapping("x", 5, DIGEST_2), 422)
        (cause,) = refused["details"]["causes"]
        assert (cause["field"], cause["reason"]) == ("imageStream", "FieldValueForbidden")

    def test_limits_that_cannot_be_looked_up(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(StoredCluster, "limit_ranges", lambda *_, **__: Unknown("no answer", retryable=True))
        assert "cannot be looked up: no answer" in api.post(STREAMS, stream("x", A), 503)["message"]
        api.post(STREAMS, stream("y"))  # nothing that a limit could be about

    def test_a_stored_limit_that_cannot_be_read(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        damaged = {"spec": {"limits": [{"type": "openshift.io/ImageStream", "max": {"openshift.io/image-tags": []}}]}}
        monkeypatch.setattr("imagegate.service.image_api.streams.ImageObjects.limit_ranges", lambda *_: (damaged,))
        assert "cannot be read: quantities must match" in api.post(STREAMS, stream("x", A), 422)["message"]


class TestPushedImages:
    @pytest.mark.parametrize("size, code", [(1024, 201), (1025, 403)])
    def test_their_size(self, api: Api, size: int, code: int) -> None:
        limited(api, size="1Ki")
        api.post(STREAMS, stream("x"))
        answer = api.post("namespaces/test/imagestreammappings", mapping("x", size), code)
        assert code == 201 or f"requested usage of storage {EXCEEDS}Image (1025 > 1Ki)" in answer["message"]

    def test_before_anything_else(self, api: Api) -> None:
        limited(api, size="1Ki")
        assert api.post("namespaces/test/imagestreammappings", mapping("none", 5000), 403)["reason"] == "Forbidden"


def test_limits_of_other_things_have_a_warning(api: Api) -> None:
    def warned(limits: list[dict[str, Any]], name: str) -> str:
        body = {"kind": "LimitRange", "metadata": {"name": name}, "spec": {"limits": limits}}
        return api.ask("POST", LIMITS, body).headers.get("Warning", "")

    assert "limits nothing" in warned([{"type": "Container", "max": {"cpu": "1"}}], "a")
    assert not warned([{"type": "openshift.io/Image", "max": {"storage": "1"}}], "b")


def test_a_limit_that_is_no_quantity(api: Api) -> None:
    limits = [{"type": "openshift.io/Image", "max": {"storage": "x"}}]
    body = {"kind": "LimitRange", "metadata": {"name": "lr"}, "spec": {"limits": limits}}
    assert "quantities must match the regular expression" in api.post(LIMITS, body, 400)["message"]
