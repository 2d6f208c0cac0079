"""What every ``ImageStreams`` and ``Namespaces`` must answer. Subclasses give a ``make`` fixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from imagegate.core.admission.lookup import Absent, Ambiguous, Found, Impossible
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.ports.image_streams import ImageStreams, Namespaces
from tests.support.image_objects import DIGEST_1, DIGEST_2, DIGEST_12, event, image, spec_tag, stream

LOCAL = spec_tag("local", "org/app:2", referencePolicy={"type": "Local"}, annotations={"mark": "tag"})
STREAM = stream(
    tags={
        "latest": [event(DIGEST_1, f"org/app@{DIGEST_1}"), event(DIGEST_12, f"org/app@{DIGEST_12}")],
        "local": [event(DIGEST_2, f"org/app@{DIGEST_2}")],
        "gone": [event("sha256:" + "9" * 64, "org/app@nine")],
        "reference": [event("", "org/app:3")],
    },
    spec_tags=[LOCAL],
)
OTHER = stream("copy", "other", tags={"x": [event(DIGEST_1, f"org/app@{DIGEST_1}")]})
PROXY = {**stream("proxy", "other"), "spec": {"dockerImageRepository": "quay.io/all/tags"}}
IMAGES = [image(DIGEST_1, metadata={"annotations": {"mark": "image"}}), image(DIGEST_2), image(DIGEST_12)]
NAMESPACE = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "test", "annotations": {"a": "b"}}}


class Both(ImageStreams, Namespaces, Protocol):
    """An adapter of both ports."""


class Make(Protocol):
    """Makes an adapter over these objects."""

    def __call__(
        self,
        streams: Sequence[dict[str, Any]],
        images: Sequence[dict[str, Any]],
        namespaces: Sequence[dict[str, Any]],
        hosts: RegistryHosts,
    ) -> Both: ...


class ImageStreamsContract:
    @pytest.fixture
    def streams(self, make: Make) -> Both:
        return make([STREAM, OTHER, PROXY], IMAGES, [NAMESPACE], RegistryHosts("reg:5000"))

    def test_stream_tag_is_derived(self, streams: Both) -> None:
        answer = streams.stream_tag(StreamTag("test", "app", "latest"), deadline_s=1)
        assert isinstance(answer, Found)
        assert answer.value["metadata"]["name"] == "app:latest"
        assert answer.value["image"]["dockerImageReference"] == f"org/app@{DIGEST_1}"
        assert answer.value["image"]["metadata"]["annotations"] == {"mark": "image"}
        assert answer.value["lookupPolicy"] == {"local": False}

    def test_stream_tag_of_policy_local(self, streams: Both) -> None:
        answer = streams.stream_tag(StreamTag("test", "app", "local"), deadline_s=1)
        assert isinstance(answer, Found)
        assert answer.value["image"]["dockerImageReference"] == f"reg:5000/test/app@{DIGEST_2}"
        assert answer.value["image"]["metadata"]["annotations"] == {"mark": "tag"}
        own = streams.image(Image(DIGEST_2), deadline_s=1)
        assert isinstance(own, Found)
        assert "annotations" not in own.value["metadata"]
        assert own.value["dockerImageReference"] == f"quay.io/org/app@{DIGEST_2}"

    @pytest.mark.parametrize(
        "namespace, name, tag, kind, missing",
        [
            ("test", "app", "none", "imagestreamtags", "app:none"),
            ("test", "app", "reference", "imagestreamtags", "app:reference"),
            ("test", "app", "gone", "images", "sha256:" + "9" * 64),
            ("test", "none", "latest", "imagestreams", "none"),
            ("other", "app", "latest", "imagestreams", "app"),
        ],
    )
    def test_stream_tag_absent(
        self, streams: Both, namespace: str, name: str, tag: str, kind: str, missing: str
    ) -> None:
        answer = streams.stream_tag(StreamTag(namespace, name, tag), deadline_s=1)
        assert answer == Absent(f'{kind}.image.openshift.io "{missing}" not found', kind)

    def test_stream_has_its_repository(self, streams: Both) -> None:
        answer = streams.stream(Stream("test", "app"), deadline_s=1)
        assert isinstance(answer, Found)
        assert answer.value["status"]["dockerImageRepository"] == "reg:5000/test/app"
        absent = streams.stream(Stream("test", "copy"), deadline_s=1)
        assert absent == Absent('imagestreams.image.openshift.io "copy" not found', "imagestreams")

    def test_stream_image(self, streams: Both) -> None:
        answer = streams.stream_image(StreamImage("test", "app", DIGEST_2), deadline_s=1)
        assert isinstance(answer, Found)
        assert answer.value["metadata"]["name"] == f"app@{DIGEST_2}"
        absent = streams.stream_image(StreamImage("test", "app", "sha256:7"), deadline_s=1)
        assert absent == Absent('imagestreamimage.image.openshift.io "app@sha256:7" not found', "imagestreamimage")
        ambiguous = streams.stream_image(StreamImage("test", "app", "sha256:1"), deadline_s=1)
        assert isinstance(ambiguous, Ambiguous)
        assert not ambiguous.retryable

    def test_image_and_namespace_absent(self, streams: Both) -> None:
        absent = streams.image(Image("sha256:7"), deadline_s=1)
        assert absent == Absent('images.image.openshift.io "sha256:7" not found', "images")
        assert streams.namespace(Namespace("x"), deadline_s=1) == Absent('namespaces "x" not found', "namespaces")
        found = streams.namespace(Namespace("test"), deadline_s=1)
        assert isinstance(found, Found)
        assert found.value["metadata"]["annotations"] == {"a": "b"}

    @pytest.mark.parametrize(
        "pull_spec, namespaces",
        [
            (f"org/app@{DIGEST_1}", {"test", "other"}),
            (f"org/app@{DIGEST_12}", {"test"}),
            (f"reg:5000/test/app@{DIGEST_2}", {"test"}),
            (f"org/app@{DIGEST_2}", set()),
            (f"quay.io/org/app@{DIGEST_2}", set()),
            ("org/app", {"test", "other"}),
            ("reg:5000/test/app", {"test"}),
            ("reg:5000/other/copy", set()),
            ("quay.io/all/tags", set()),
            ("Not A Reference", set()),
        ],
    )
    def test_pull_spec_holders(self, streams: Both, pull_spec: str, namespaces: set[str]) -> None:
        answer = streams.pull_spec_holders(PullSpecHolders(pull_spec), deadline_s=1)
        assert isinstance(answer, Found)
        assert answer.value == namespaces

    def test_bad_names_are_refused(self, streams: Both) -> None:
        answer = streams.stream_tag(StreamTag("test", "a/b", "c"), deadline_s=1)
        assert answer == Impossible("invalid resource name \"a/b:c\": [may not contain '/']")
        answer = streams.stream_image(StreamImage("test", "a", "b@c"), deadline_s=1)
        assert answer == Impossible("ImageStreamImages must be retrieved with <name>@<id>")
