"""``trust`` through the whole service: a real registry, a real notary-server, the real ``notary`` client.

Texts: docs/spec/enforcement.md 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from urllib.parse import urlencode

import pytest

from tests.support.certificates import Authority
from tests.support.notary import SignerKey, signer_key
from tests.support.programs import run
from tests.support.service import IMAGEGATE
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
def service(world: TrustWorld, signed: Signed, stranger: SignerKey, face: str) -> Iterator[TrustService]:
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


def test_a_tag_signed_by_targets_alone_is_allowed_where_no_signer_is_listed(
    world: TrustWorld, service: TrustService
) -> None:
    digest = world.registry.digest("team/app:v1")
    assert service.runs(world.gun("team/app:v1")) == f"{world.gun('team/app')}@{digest}"


def test_both_dialects_deny_an_unsigned_tag(world: TrustWorld, service: TrustService) -> None:
    image = world.gun("team/app:v4")
    assert service.message(image) == f'{DENIED} "{image}", {CAUSE} No valid trust data for v4'
    assert service.message(image, "cise") == f"Deny, {CAUSE} No valid trust data for v4"


def test_a_tag_that_only_another_delegation_signed_is_not_released(world: TrustWorld, service: TrustService) -> None:
    """Portieris rewrites such an image to an empty digest (docs/spec/enforcement.md 12.9)."""
    image = world.gun("team/app:v3")
    assert service.message(image) == f'{DENIED} "{image}", {CAUSE} No valid trust data for v3'


def test_a_repository_that_nobody_signed_is_denied(world: TrustWorld, service: TrustService) -> None:
    image = world.gun("team/unknown:v1")
    host = world.notary.url.removeprefix("https://")
    cause = f"{host} does not have trust data for {world.gun('team/unknown')}"
    assert service.message(image) == f'{DENIED} "{image}", {CAUSE} {cause}'
    assert service.message(image, "cise") == f"Deny, {CAUSE} {cause}"


def test_an_image_that_every_listed_signer_signed_is_allowed(
    world: TrustWorld, service: TrustService, signed: Signed
) -> None:
    assert service.runs(world.gun("team/app:v2"), "alice") == f"{world.gun('team/app')}@{signed.digest}"


@pytest.mark.parametrize(
    "namespace, cause",
    [
        ("both", "no signature found for role bob"),  # a signer of the repository, who has not signed this tag
        ("carol", "no signature found for role carol"),  # no signer of the repository
        ("stranger", "Public keys are different"),
    ],
)
def test_every_listed_signer_must_have_signed_with_the_key_of_the_secret(
    world: TrustWorld, service: TrustService, namespace: str, cause: str
) -> None:
    image = world.gun("team/app:v2")
    assert service.message(image, namespace) == f'{DENIED} "{image}", {CAUSE} {cause}'


def test_a_signers_secret_that_is_missing_or_empty_is_an_error(world: TrustWorld, service: TrustService) -> None:
    image = world.gun("team/app:v2")
    start = f'trust: Deny "{image}", could not get signerSecret from your cluster, '
    assert service.message(image, "empty") == f"{start}name or publicKey field in secret empty is empty"
    assert service.message(image, "absent").startswith(start)


def test_a_digest_must_be_signed_and_stays_as_it_is(world: TrustWorld, service: TrustService, signed: Signed) -> None:
    """Portieris checks the tag ``latest`` instead (docs/spec/enforcement.md 12.10)."""
    repository = world.gun("team/app")
    image = f"{repository}@{signed.digest}"
    assert service.runs(image) == image
    assert service.runs(image, "alice") == image
    other = world.registry.digest("team/app:v4")
    assert service.message(f"{repository}@{other}") == (
        f'{DENIED} "{repository}@{other}", {CAUSE} No valid trust data for {other}'
    )
    tagged = f"{repository}:v1@{signed.digest}"
    assert service.message(tagged) == f'{DENIED} "{tagged}", {CAUSE} No valid trust data for {signed.digest}'


def test_a_first_use_is_in_the_log_and_the_metrics(world: TrustWorld, signed: Signed) -> None:
    image, server = world.gun("team/app:v2"), world.notary.url
    with world.serve([trust_policy("team", server)], folder="first-use") as running:
        assert running.message(image) == ""
        lines = [line for line in running.service.log_lines() if "first use" in line["message"]]
        assert [(line["server"], line["gun"]) for line in lines] == [(server, world.gun("team/app"))]
        assert running.service.metric("imagegate_trust_first_uses_total") == 1
    with world.serve([trust_policy("team", server)], folder="first-use") as again:  # the store remembers
        assert again.message(image) == ""
        assert again.service.metric("imagegate_trust_first_uses_total") == 0


def test_explain_shows_who_vouches(world: TrustWorld, service: TrustService, signed: Signed) -> None:
    settings = service.directory / "imagegate.yaml"
    options = ("--settings", settings, "-n", "alice")
    shown = run([IMAGEGATE, "explain", *options, world.gun("team/app:v2")], cwd=service.directory).stdout
    for text in (
        f"runs as {world.gun('team/app')}@{signed.digest}",
        "Requirement trust holds for sha256:",
        "trust, released by: targets/releases",
        "trusted since: first use on ",
        "root: version ",
        f"({world.gun('team/app')})",  # the root's certificate is of this name
        "timestamp: version ",
        "targets/alice: version ",
        "signer alice: Secret alice, key ",
    ):
        assert text in shown, f"{text!r} is not in:\n{shown}"


def test_the_console_shows_who_vouches(world: TrustWorld, service: TrustService, signed: Signed) -> None:
    query = urlencode({"image": world.gun("team/app:v2"), "namespace": "alice"})
    page = unescape(service.service.get(f"/console/try?{query}").content.decode()).replace("<wbr>", "")
    for text in (
        signed.digest,
        "trust, targets/alice: version ",
        "trust, signer alice: Secret alice, key ",
    ):
        assert text in page


def test_a_denial_names_the_policy_that_requires_trust(world: TrustWorld, signed: Signed) -> None:
    image, policies = world.gun("team/app:v4"), [trust_policy("team", world.notary.url)]
    with world.serve(policies, more={"messages": {"nearestRule": True}}) as running:
        assert running.message(image) == (
            f'{DENIED} "{image}", {CAUSE} No valid trust data for v4;'
            " decided by ImagePolicy team/trust repositories[0] *, which requires content trust"
        )


def test_without_first_use_only_a_pinned_root_is_trusted(world: TrustWorld, signed: Signed) -> None:
    image, server, gun = world.gun("team/app:v2"), world.notary.url, world.gun("team/app")
    with world.serve([trust_policy("team", server)], trust={"pinning": {"tofu": False}}) as running:
        assert running.message(image) == (
            f'{DENIED} "{image}", {CAUSE} could not validate the path to a trusted root:'
            " invalid trust pinning specified"
        )
    listed = [line.split() for line in world.notary("key", "list").stdout.splitlines()]
    (root,) = {words[-2] for words in listed if words[:1] == ["root"]}
    for key_id, expected in ((root, ""), ("0" * 64, "unable to match any certificates to trust_pinning config")):
        pinning = {"tofu": False, "certs": {gun: [key_id]}}
        with world.serve([trust_policy("team", server)], trust={"pinning": pinning}) as running:
            assert running.message(image).endswith(expected)
            assert bool(running.message(image)) == bool(expected)
            assert running.service.metric("imagegate_trust_first_uses_total") == 0


def test_a_rotated_root_is_followed(world: TrustWorld) -> None:
    gun, image = world.gun("team/rotated"), world.gun("team/rotated:v1")
    pushed = world.push("team/rotated:v1")
    world.notary.start_signing(gun)
    world.notary.sign(gun, "v1", pushed.manifest, pushed.digest)
    with world.serve([trust_policy("team", world.notary.url)], cise={"cache": False}) as running:
        assert running.message(image) == ""
        for _ in range(2):
            world.notary("key", "rotate", gun, "root", text_in="yes\n")
        assert running.message(image) == ""
        assert running.service.metric("imagegate_trust_first_uses_total") == 1


def test_a_new_signature_counts_after_the_refusals_time(world: TrustWorld) -> None:
    """Without a cache at once; with it, within 30 seconds (``tests/service/evidence/test_content_trust.py``)."""
    gun, image = world.gun("team/late"), world.gun("team/late:v1")
    pushed = world.push("team/late:v1")
    world.notary.start_signing(gun)
    with world.serve([trust_policy("team", world.notary.url)], cise={"cache": False}) as running:
        assert running.message(image).endswith("No valid trust data for v1")
        world.notary.sign(gun, "v1", pushed.manifest, pushed.digest)
        assert running.runs(image) == f"{gun}@{pushed.digest}"
