"""From ``key create`` to a pod admitted at the signed digest, with nothing in between that is not real.

The command makes the key and the manifests, skopeo signs into a registry with the signature extension, and whole
AdmissionReviews go through the reviewer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from imagegate.adapters.files.cluster import ClusterFiles
from imagegate.cli.key import key as key_command
from imagegate.core.admission.request import Phase
from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.plugin import CisePlugin
from imagegate.core.enforcement.questions import ManifestDigest, Secret, ServiceAccount
from imagegate.core.enforcement.selection import PolicySet as CisePolicies
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.documents.image_policies import Reading
from imagegate.documents.yaml.source import read_source
from imagegate.service.evidence.digests import ManifestDigests
from imagegate.service.policies.policy_set import ConfiguredPlugin, PolicyHolder, PolicySet
from imagegate.service.review.lookups import Answerer, LookUp
from imagegate.service.review.reviewer import Reviewer
from tests.service.plugins import review
from tests.service.signing_setup import ExtensionRegistry, gate
from tests.support.certificates import Authority
from tests.support.gpg import GpgHome
from tests.support.images import make_image
from tests.support.registry import start_registry
from tests.support.skopeo import Skopeo

pytestmark = pytest.mark.programs

DENIED = "simple: policy denied the request: "
RECORD_KEY = b"a key that all replicas share"


@dataclass(frozen=True, slots=True)
class Site:
    """A registry with the signature extension, and the key that ``imagegate key create`` made for it."""

    server: ExtensionRegistry
    ca: Authority
    skopeo: Skopeo
    directory: Path
    fingerprint: str

    def push(self, name: str, *, signed: bool, text: str = "") -> str:
        """Push an image; its digest."""
        folder = self.directory / "image"
        digest = make_image(folder, text=text or name, kind="dir")
        options = ("--sign-by", self.fingerprint) if signed else ()
        target = f"docker://{self.server.host}/{name}"
        self.skopeo("copy", f"--dest-cert-dir={self.ca.trusted}", *options, f"dir:{folder}", target)
        return digest

    def image(self, name: str) -> str:
        return f"{self.server.host}/{name}"

    def reviewer(self, *, mutate: bool = True, tag_ttl_s: float = 0.0, host: str = "") -> Reviewer:
        """A reviewer under the manifests of ``key create``, as the service is put together."""
        text = (self.directory / "keys" / "image-signing.yaml").read_text(encoding="utf-8")
        assert self.server.host in text
        text = text.replace("mutateImage: false", f"mutateImage: {str(mutate).lower()}")
        files = ClusterFiles()
        text = text.replace(self.server.host, host or self.server.host)
        files.add(read_source(text, "keys.yaml").documents, "keys.yaml", Reading())
        settings = CiseSettings.for_profile(Profile.PORTIERIS)
        plugin = CisePlugin(CisePolicies(files.policies.policies, settings.groups), settings, RECORD_KEY)
        parts = gate(self.ca, tag_ttl_s=tag_ttl_s)
        table = {
            Secret: Answerer(files.secret, immediate=True),
            ServiceAccount: Answerer(files.service_account, immediate=True),
            ManifestDigest: Answerer(ManifestDigests(parts.registry).ask),
            ImageSignatures: Answerer(parts.reader.ask),
        }
        policies = PolicyHolder(lambda: PolicySet((ConfiguredPlugin(plugin),)), lambda: datetime.now(UTC))
        return Reviewer(policies, LookUp(table), clock=lambda: datetime.now(UTC))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    (directory / "registry").mkdir()
    with (
        GpgHome() as home,
        start_registry(directory / "registry") as real,
        ExtensionRegistry(real.url, tls=ca.server) as server,
    ):
        arguments = ["create", f"{server.host}/*", "-n", "image-security", "--out", str(directory / "keys")]
        made = CliRunner().invoke(key_command, arguments)
        assert made.exit_code == 0, made.output
        home.gpg("--import", str(directory / "keys" / "image-signing.private.asc"))
        fingerprint = made.stderr.split()[1]
        yield Site(server, ca, Skopeo(directory / "skopeo", gpg_home=home.path), directory, fingerprint)


def answer(reviewer: Reviewer, image: str, phase: Phase = Phase.MUTATE) -> dict[str, Any]:
    response: dict[str, Any] = reviewer.review(review(image), phase)["response"]
    return response


def rewritten(response: dict[str, Any]) -> str:
    """The image that the patch puts in the first container."""
    assert response["allowed"], response
    operations = json.loads(base64.b64decode(response["patch"]))
    (image,) = [each["value"] for each in operations if each["path"] == "/spec/containers/0/image"]
    return str(image)


def test_signed_is_rewritten_to_exactly_the_signed_digest(site: Site) -> None:
    digest = site.push("app/signed:v1", signed=True)
    reviewer = site.reviewer()
    image = rewritten(answer(reviewer, site.image("app/signed:v1")))
    assert image == site.image(f"app/signed@{digest}")
    after = answer(reviewer, image, Phase.VALIDATE)
    assert after["allowed"]
    assert "patch" not in after


def test_the_policy_of_key_create_does_not_rewrite(site: Site) -> None:
    site.push("app/kept:v1", signed=True)
    response = answer(site.reviewer(mutate=False), site.image("app/kept:v1"))
    assert response["allowed"]
    assert "patch" not in response


def test_unsigned_is_denied_in_both_passes(site: Site) -> None:
    digest = site.push("app/unsigned:v1", signed=False)
    reviewer = site.reviewer()
    for phase in Phase:
        for image in (site.image("app/unsigned:v1"), site.image(f"app/unsigned@{digest}")):
            response = answer(reviewer, image, phase)
            assert not response["allowed"]
            text = f"{DENIED}A signature was required, but no signature exists"
            assert response["status"]["message"] == f'\n"{image}": {text}'


def test_a_moved_tag_is_seen_at_once(site: Site) -> None:
    site.push("app/moved:v1", signed=True)
    reviewer = site.reviewer()
    assert answer(reviewer, site.image("app/moved:v1"))["allowed"]
    site.push("app/moved:v1", signed=False, text="another content")
    assert not answer(reviewer, site.image("app/moved:v1"))["allowed"]


def test_requests_of_a_first_and_a_repeated_review(site: Site) -> None:
    digest = site.push("app/count:v1", signed=True)
    reviewer = site.reviewer(tag_ttl_s=60)

    def asked() -> list[str]:
        site.server.requests.clear()
        assert answer(reviewer, site.image("app/count:v1"))["allowed"]
        return [request.path for request in site.server.requests]

    signatures = f"/extensions/v2/app/count/signatures/{digest}"
    assert asked() == ["/v2/app/count/manifests/v1", signatures]
    assert asked() == []
    site.server.requests.clear()
    assert answer(reviewer, site.image(f"app/count@{digest}"), Phase.VALIDATE)["allowed"]
    assert [request.path for request in site.server.requests] == []


def test_a_thousand_reviews_at_once_ask_once(site: Site) -> None:
    site.push("app/burst:v1", signed=True)
    reviewer = site.reviewer(tag_ttl_s=60)
    site.server.requests.clear()
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: answer(reviewer, site.image("app/burst:v1"))["allowed"], range(1000)))
    assert answers == [True] * 1000
    assert len(site.server.requests) == 2


def test_a_registry_that_is_down_is_no_permission(site: Site, tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    with start_registry(tmp_path / "registry") as real, ExtensionRegistry(real.url, tls=site.ca.server) as server:
        gone = server.host
    response = answer(site.reviewer(host=gone), f"{gone}/app/any:v1")
    assert not response["allowed"]
    assert f'\n"{gone}/app/any:v1": simple: cannot connect to {gone}' in response["status"]["message"]
