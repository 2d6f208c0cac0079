"""What every adapter of the ``Registry`` port must do. A test class per adapter provides the fixture ``place``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest
from imagegate.ports.registry import ANONYMOUS, Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown

DEADLINE_S = 20.0
PUSHED = {"tiny-oci": "v1", "multi-oci": "list", "tiny-docker": "docker", "multi-docker": "docker-list"}
"""Sample image -> tag in the repository ``team/app``."""


@dataclass(frozen=True)
class Place:
    """A registry that holds the four sample images as ``HOST/team/app:TAG``."""

    registry: Registry
    host: str
    digests: dict[str, str]
    access: RegistryAccess = ANONYMOUS
    docker: bool = True
    """False where the Docker images had to become OCI images on their way."""

    def image(self, rest: str) -> ImageReference:
        return ImageReference.parse(f"{self.host}/team/app{rest}")

    def manifest(self, rest: str) -> Manifest:
        answer = self.registry.manifest(self.image(rest), access=self.access, deadline_s=DEADLINE_S)
        assert isinstance(answer, Found), answer
        return answer.value


class RegistryContract:
    """Subclass as ``class TestX(RegistryContract)``."""

    def test_a_tag_gives_the_manifest_that_was_pushed(self, place: Place) -> None:
        docker_type = DOCKER_MANIFEST if place.docker else OCI_MANIFEST
        for sample, media_type in (("tiny-oci", OCI_MANIFEST), ("tiny-docker", docker_type)):
            manifest = place.manifest(":" + PUSHED[sample])
            assert manifest.digest == place.digests[sample]
            assert manifest.digest == "sha256:" + hashlib.sha256(manifest.raw).hexdigest()
            assert manifest.media_type == media_type
            assert manifest.config is not None
            assert len(manifest.layers) == 1

    def test_a_list_is_given_as_the_list(self, place: Place) -> None:
        docker_type = DOCKER_LIST if place.docker else OCI_INDEX
        for sample, media_type in (("multi-oci", OCI_INDEX), ("multi-docker", docker_type)):
            manifest = place.manifest(":" + PUSHED[sample])
            assert manifest.digest == place.digests[sample]
            assert manifest.media_type == media_type
            assert {child.platform.architecture for child in manifest.children} == {"amd64", "arm64"}

    def test_every_entry_of_a_list_can_be_had_by_digest(self, place: Place) -> None:
        for child in place.manifest(":" + PUSHED["multi-oci"]).children:
            assert place.manifest("@" + child.descriptor.digest).config is not None

    def test_a_digest_gives_the_same_as_its_tag(self, place: Place) -> None:
        digest = place.digests["tiny-oci"]
        assert place.manifest("@" + digest) == place.manifest(":" + PUSHED["tiny-oci"])

    def test_of_tag_and_digest_the_digest_counts(self, place: Place) -> None:
        assert place.manifest(f":{PUSHED['multi-oci']}@{place.digests['tiny-oci']}").digest == place.digests["tiny-oci"]

    def test_no_tag_means_latest(self, place: Place) -> None:
        answer = place.registry.manifest(place.image(""), access=place.access, deadline_s=DEADLINE_S)
        assert isinstance(answer, Absent)
        assert "team/app:latest" in answer.why

    def test_an_absent_tag_repository_or_digest_is_absent(self, place: Place) -> None:
        other = ImageReference.parse(f"{place.host}/team/nothing:v1")
        for image in (place.image(":nothing"), place.image("@sha256:" + "0" * 64), other):
            answer = place.registry.manifest(image, access=place.access, deadline_s=DEADLINE_S)
            assert isinstance(answer, Absent), (image, answer)
            assert answer.why.endswith(" not found")

    def test_the_configuration_is_the_one_that_the_manifest_names(self, place: Place) -> None:
        manifest = place.manifest(":" + PUSHED["tiny-oci"])
        answer = place.registry.config(place.image(""), manifest, access=place.access, deadline_s=DEADLINE_S)
        assert isinstance(answer, Found)
        assert manifest.config is not None
        assert "sha256:" + hashlib.sha256(answer.value).hexdigest() == manifest.config.digest

    def test_a_list_has_no_configuration(self, place: Place) -> None:
        manifest = place.manifest(":" + PUSHED["multi-oci"])
        answer = place.registry.config(place.image(""), manifest, access=place.access, deadline_s=DEADLINE_S)
        assert isinstance(answer, Absent)

    def test_all_tags(self, place: Place) -> None:
        answer = place.registry.tags(place.image(""), access=place.access, deadline_s=DEADLINE_S)
        assert isinstance(answer, Found)
        assert sorted(answer.value) == sorted(PUSHED.values())

    def test_tags_of_a_repository_that_is_not_there(self, place: Place) -> None:
        nothing = ImageReference.parse(f"{place.host}/team/nothing")
        assert isinstance(place.registry.tags(nothing, access=place.access, deadline_s=DEADLINE_S), Absent)

    def test_no_signature_extension_is_absent_and_not_no_signatures(self, place: Place) -> None:
        image, digest = place.image(""), place.digests["tiny-oci"]
        assert isinstance(place.registry.signatures(image, digest, access=place.access, deadline_s=DEADLINE_S), Absent)

    def test_what_is_no_image_is_refused_without_a_question(self, place: Place) -> None:
        for image in (
            ImageReference(place.host, "team", "../../etc", "v1"),
            ImageReference(place.host, "team", "app", "v1/../../x"),
            ImageReference(place.host, "team", "app", "", "sha256:../../../x"),
        ):
            answer = place.registry.manifest(image, access=place.access, deadline_s=DEADLINE_S)
            assert isinstance(answer, (RegistryUnknown, Absent)), answer
            if isinstance(answer, RegistryUnknown):
                assert answer.error_kind is RegistryErrorKind.MALFORMED
