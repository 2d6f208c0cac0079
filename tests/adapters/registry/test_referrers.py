"""Reports attached to images: docker-registry without the referrers API, and a registry that has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.registry import referrers
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.adapters.registry.referrers import ReferrerDocuments
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.registry import ANONYMOUS, RegistryAccess
from imagegate.ports.vulnerabilities import FoundDocument
from tests.support.artifacts import OCI_INDEX, OCI_MANIFEST, Pusher, sha256
from tests.support.registry import Registry
from tests.support.simulator import Request, Response, Simulator

TYPE = "application/sarif+json"
REPOSITORY = "attached/app"
SUBJECT = "sha256:" + "a1" * 32
Answer = Lookup[tuple[FoundDocument, ...]]


def documents(host: str, *types: str, ca: str = "") -> ReferrerDocuments:
    http = HttpClient(
        addresses=AddressPolicy.of(networks=("127.0.0.0/8",)),
        ca_files=(ca,) if ca else (),
        limits=HttpLimits(attempts=1),
    )
    insecure = frozenset() if ca else frozenset({host})
    return ReferrerDocuments(
        HttpRegistry(http, settings=RegistrySettings(insecure=insecure)), frozenset(types or {TYPE})
    )


def ask(
    source: ReferrerDocuments, host: str, digest: str, *, access: RegistryAccess = ANONYMOUS, max_bytes: int = 1000
) -> Answer:
    image = ImageReference(host, "attached", "app", id=digest)
    return source.documents(image, access=access, max_bytes=max_bytes, deadline_s=10)


def contents(answer: Answer) -> list[bytes]:
    assert isinstance(answer, Found), answer
    return [document.content for document in answer.value]


def why(answer: Answer) -> str:
    assert isinstance(answer, Unknown), answer
    return answer.why


class TestDockerRegistry:
    """docker-registry 2.8 has no referrers API."""

    def test_the_tag_in_its_place(self, registry: Registry) -> None:
        digest = registry.push_sample("tiny-oci", f"{REPOSITORY}:scanned")
        pusher = Pusher(registry.url, REPOSITORY)
        source = documents(registry.host)
        assert isinstance(ask(source, registry.host, digest), Absent)
        created = {"annotations": {"org.opencontainers.image.created": "2026-11-22T12:00:00+02:00"}}
        report = pusher.attach(digest, b"report", TYPE, **created)
        other = pusher.attach(digest, b"sbom", "application/spdx+json")
        pusher.list(digest, other, report)
        (document,) = found(ask(source, registry.host, digest))
        assert document.content == b"report"
        assert document.names_image
        assert document.modified == datetime(2026, 11, 22, 10, tzinfo=UTC)
        assert document.place == f"{registry.host}/{REPOSITORY}@{report['digest']}"

    def test_credentials(self, registry_htpasswd: Registry) -> None:
        registry = registry_htpasswd
        assert registry.ca is not None
        ca = str(registry.ca.bundle)
        digest = registry.push_sample("tiny-oci", f"{REPOSITORY}:scanned")
        pusher = Pusher(registry.url, REPOSITORY, ca=ca, user=registry.user, password=registry.password)
        pusher.list(digest, pusher.attach(digest, b"report", TYPE))
        entry = PullSecretEntry(registry.host, "", Credential(registry.user, registry.password))
        access = RegistryAccess((PullSecret("pull", (entry,)),), anonymous_first=True)
        source = documents(registry.host, ca=ca)
        assert contents(ask(source, registry.host, digest, access=access)) == [b"report"]
        assert "credentials" in why(ask(source, registry.host, digest))


def found(answer: Answer) -> tuple[FoundDocument, ...]:
    assert isinstance(answer, Found), answer
    return answer.value


class Peer(Simulator):
    """A registry with the referrers API; ``answers`` replaces single paths."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Response] = {}

    def answer(self, request: Request) -> Response:
        if request.path == "/v2/":
            return Response()
        return self.answers.get(request.target.removeprefix("/v2/attached/app/"), Response(404))

    def blob(self, content: bytes) -> str:
        self.answers[f"blobs/{sha256(content)}"] = Response(body=content)
        return sha256(content)

    def artifact(self, content: bytes = b"report", **change: Any) -> dict[str, Any]:
        """Serve an artifact; gives its descriptor."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": TYPE,
            "layers": [{"mediaType": TYPE, "digest": self.blob(content), "size": len(content)}],
            "subject": {"digest": SUBJECT},
            **change,
        }
        raw = json.dumps(manifest).encode()
        self.answers[f"manifests/{sha256(raw)}"] = Response(body=raw, headers={"Content-Type": OCI_MANIFEST})
        return {"mediaType": OCI_MANIFEST, "digest": sha256(raw), "size": len(raw), "artifactType": TYPE}

    def list(self, *descriptors: Any, path: str = f"referrers/{SUBJECT}", **headers: str) -> None:
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(descriptors)}
        self.answers[path] = Response(body=json.dumps(index).encode(), headers={"Content-Type": OCI_INDEX, **headers})

    def ask(self, **options: Any) -> Answer:
        return ask(documents(self.host), self.host, SUBJECT, **options)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as running:
        yield running


class TestApi:
    def test_listed(self, peer: Peer) -> None:
        peer.list(peer.artifact(b"one"), peer.artifact(b"two"), peer.artifact(b"three") | {"artifactType": "other"})
        assert contents(peer.ask()) == [b"one", b"two"]

    def test_null_is_an_empty_list(self, peer: Peer) -> None:
        peer.answers[f"referrers/{SUBJECT}"] = Response(
            body=b'{"manifests": null}', headers={"Content-Type": OCI_INDEX}
        )
        assert contents(peer.ask()) == []

    def test_an_empty_list_is_an_answer_and_the_tag_is_not_asked(self, peer: Peer) -> None:
        peer.list()
        peer.list(peer.artifact(), path=f"manifests/{SUBJECT.replace(':', '-')}")
        assert contents(peer.ask()) == []

    def test_without_the_api_the_tag_is_asked(self, peer: Peer) -> None:
        assert isinstance(peer.ask(), Absent)
        peer.list(peer.artifact(), path=f"manifests/{SUBJECT.replace(':', '-')}")
        assert contents(peer.ask()) == [b"report"]

    def test_pages(self, peer: Peer) -> None:
        second = f"referrers/{SUBJECT}?page=2"
        peer.list(peer.artifact(b"one"), Link=f'</v2/attached/app/{second}>; rel="next"')
        peer.list(peer.artifact(b"two"), path=second)
        assert contents(peer.ask()) == [b"one", b"two"]
        del peer.answers[second]
        assert isinstance(peer.ask(), Absent), "half a list is no list"
        peer.list(peer.artifact(b"two"), path=second, Link=f'</v2/attached/app/{second}>; rel="next"')
        assert "no end" in why(peer.ask())
        peer.list(peer.artifact(b"one"), Link='</v2/other/referrers/x>; rel="next"')
        assert "elsewhere" in why(peer.ask())

    @pytest.mark.parametrize(
        "response",
        [
            Response(403),
            Response(500),
            Response(drop=True),
            Response(body=b"{}", headers={"Content-Type": "application/json"}),
            Response(body=b"{", headers={"Content-Type": OCI_INDEX}),
            Response(body=b'{"manifests": {}}', headers={"Content-Type": OCI_INDEX}),
            Response(body=b'{"manifests": [7]}', headers={"Content-Type": OCI_INDEX}),
            Response(body=b"x" * 5_000_000, headers={"Content-Type": OCI_INDEX}),
        ],
    )
    def test_a_list_that_cannot_be_read_is_not_an_empty_one(self, peer: Peer, response: Response) -> None:
        peer.answers[f"referrers/{SUBJECT}"] = response
        assert why(peer.ask())

    @pytest.mark.parametrize(
        "change",
        [
            {"subject": {"digest": "sha256:" + "ff" * 32}},
            {"subject": None},
            {"layers": []},
            {"layers": None},
            {"layers": [{}]},
            {"layers": ["x"]},
            {"layers": [{"digest": "sha256:" + "ff" * 32}]},
            {"layers": [{"digest": "sha256:" + "ff" * 32}] * 9},
        ],
    )
    def test_artifacts_that_cannot_be_read(self, peer: Peer, change: dict[str, Any]) -> None:
        peer.list(peer.artifact(**change))
        assert why(peer.ask())

    def test_content_of_another_digest(self, peer: Peer) -> None:
        listed = peer.artifact(b"report")
        peer.list(listed)
        path = f"blobs/{sha256(b'report')}"
        peer.answers[path] = Response(body=b"forged")
        assert "another digest" in why(peer.ask())
        peer.answers[path] = Response(body=b"report")
        manifest = f"manifests/{listed['digest']}"
        peer.answers[manifest] = replace(peer.answers[manifest], body=b"{}")
        assert "another digest" in why(peer.ask())
        del peer.answers[manifest]
        assert "missing" in why(peer.ask())

    def test_limits(self, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        peer.list(peer.artifact(b"x" * 1001))
        assert "more than 1000 bytes" in why(peer.ask())
        peer.list(*(peer.artifact(bytes([number]) * 700) for number in range(2)))
        assert len(contents(peer.ask())) == 2
        peer.list(*(peer.artifact(bytes([number]) * 700) for number in range(3)))
        assert "more than 2000 bytes" in why(peer.ask())
        peer.list(peer.artifact(b"one"), peer.artifact(b"two"))
        monkeypatch.setattr(referrers, "ARTIFACTS_MAX", 1)
        assert "more than 1 attached" in why(peer.ask())
        monkeypatch.setattr(referrers, "LISTED_MAX", 1)
        assert "more than 1 referrers" in why(peer.ask())

    @pytest.mark.parametrize("written", ["then", "2026-11-22T10:00:00", 7])
    def test_times_that_are_none(self, peer: Peer, written: Any) -> None:
        peer.list(peer.artifact(annotations={"org.opencontainers.image.created": written}))
        assert found(peer.ask())[0].modified is None

    def test_a_descriptor_without_a_digest(self, peer: Peer) -> None:
        peer.list({"artifactType": TYPE})
        assert "no digest" in why(peer.ask())

    def test_what_is_no_digest(self, peer: Peer) -> None:
        assert isinstance(ask(documents(peer.host), peer.host, "v1"), Absent)
        assert peer.requests == []
