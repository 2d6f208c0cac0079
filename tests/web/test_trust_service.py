"""``trust`` through the whole service: a real registry, a real notary-server, the real ``notary`` client.

Texts: docs/spec/enforcement.md 12.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.certificates import Authority
from tests.support.notary import SignerKey, signer_key
from tests.support.trust_world import (
    CISE,
    Signed,
    TrustService,
    TrustWorld,
    signer_secret,
    trust_policy,
    trust_world,
)

DENIED = "trust: policy denied the request: Deny"
CAUSE = "failed to get content trust information:"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[TrustWorld]:
    with trust_world(tmp_path_factory.mktemp("trust"), ca) as running:
        yield running


@pytest.fixture(scope="module")
def signed(world: TrustWorld) -> Signed:
    """``team/app``: v1 signed by ``targets`` alone, v2 by alice and for release, v3 by alice alone; v4 not signed."""
    gun = world.gun("team/app")
    images = {tag: world.push(f"team/app:{tag}") for tag in ("v1", "v2", "v3", "v4")}
    world.notary.start_signing(gun)
    for tag, roles in (("v1", ()), ("v2", ("targets/releases", "targets/alice")), ("v3", ("targets/alice",))):
        if tag == "v2":
            world.notary.add_signer(gun, "alice")
            world.notary.add_signer(gun, "bob")
        world.notary.sign(gun, tag, images[tag].manifest, images[tag].digest, *roles)
    world.push("team/unknown:v1")
    return images["v2"]


@pytest.fixture(scope="module")
def stranger(world: TrustWorld) -> SignerKey:
    """A key that signs nothing."""
    return signer_key(world.directory, "stranger")


@pytest.fixture(scope="module")
def service(world: TrustWorld, signed: Signed, stranger: SignerKey) -> Iterator[TrustService]:
    server = world.notary.url
    keys = {name: (world.notary.directory / f"{name}.pub").read_bytes() for name in ("alice", "bob")}
    documents = [
        trust_policy("team", server),
        trust_policy("cise", server, group=CISE),
        trust_policy("alice", server, "alice"),
        trust_policy("both", server, "alice", "bob"),
        trust_policy("carol", server, "carol"),
        trust_policy("stranger", server, "alice"),
        trust_policy("empty", server, "empty"),
        trust_policy("absent", server, "absent"),
        signer_secret("alice", "alice", "alice", keys["alice"]),
        signer_secret("both", "alice", "alice", keys["alice"]),
        signer_secret("both", "bob", "bob", keys["bob"]),
        signer_secret("carol", "carol", "carol", keys["alice"]),
        signer_secret("stranger", "alice", "alice", stranger.public.read_bytes()),
        signer_secret("empty", "empty", "alice", b""),
    ]
    with world.serve(documents) as running:
        yield running


def test_a_signed_tag_is_allowed_and_rewritten_to_the_signed_digest(
    world: TrustWorld, service: TrustService, signed: Signed
) -> None:
    assert service.runs(world.gun("team/app:v2")) == f"{world.gun('team/app')}@{signed.digest}"
