"""The trust server of an image, and the refusals (docs/spec/enforcement.md 12)."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, Entry, EntrySource, PolicyGroup, TrustPolicy
from imagegate.core.enforcement.trust_servers import TrustServer, trust_server
from tests.support.enforcement_setup import CISE_GROUP, CiseSetup, pod, policy, request

PORTIERIS, CISE = PolicyGroup.PORTIERIS, PolicyGroup.CISE


def entry(group: PolicyGroup, server: str = "") -> Entry:
    source = EntrySource(group, CLUSTER_IMAGE_POLICY, "", "p", 0)
    return Entry(name="*", source=source, trust=TrustPolicy(enabled=True, trust_server=server))


@pytest.mark.parametrize(
    "image, portieris, cise",
    [
        ("nginx", "https://notary.docker.io", None),
        ("quay.io/a/b", "https://quay.io:443", None),
        ("icr.io/a/b", "https://icr.io:4443", "https://icr.io:4443"),
        ("us.icr.io:443/a/b", "https://us.icr.io:4443", "https://us.icr.io:4443"),
        ("registry.ng.bluemix.net/a/b", "https://registry.ng.bluemix.net:4443", "https://registry.ng.bluemix.net:4443"),
        ("evilicr.io/a/b", None, None),
        ("r.example.com/a", None, None),
    ],
)
def test_servers_by_host_and_group(image: str, portieris: str | None, cise: str | None) -> None:
    assert trust_server(entry(PORTIERIS), parse_image(image)) == portieris
    assert trust_server(entry(CISE), parse_image(image)) == cise


def test_the_entry_may_name_the_server() -> None:
    assert (
        trust_server(entry(CISE, "https://notary.example.com/"), parse_image("nginx")) == "https://notary.example.com"
    )


def test_a_domain_covers_whole_labels_only() -> None:
    row = TrustServer("*.icr.io", "https://{hostname}")
    assert row.covers(parse_image("us.icr.io/a/b"))
    assert not row.covers(parse_image("icr.io/a/b"))
    assert not row.covers(parse_image("evilicr.io/a/b"))


@pytest.mark.parametrize(
    "group, image, text",
    [
        (
            "portieris.cloud.ibm.com/v1",
            "r.example.com/a",
            "trust: Trust Server/Image Configuration Error: no trust server could be found",
        ),
        (CISE_GROUP, "r.example.com/a", "Trust is not supported for images from this registry"),
    ],
)
def test_an_image_without_a_trust_server_is_denied(group: str, image: str, text: str) -> None:
    world = CiseSetup(policy('{name: "*", policy: {trust: {enabled: true}}}', group=group))
    assert world.texts(request(pod(image))) == [text]
