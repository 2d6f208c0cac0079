"""Signed images against real parts: skopeo signs, docker-registry holds, GnuPG makes the keys."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagegate.adapters.registry.auth import TokenRealms
from imagegate.core.registry.pull_secrets import Credential
from imagegate.core.signing.requirements import InsecureAcceptAnything, Reject, Requirement
from tests.service.signing_setup import ExtensionRegistry, Gate, gate, pull_secret, signed_by
from tests.support.certificates import Authority
from tests.support.gpg import GpgHome, Key
from tests.support.images import Kind, make_image, source_of
from tests.support.lookaside import Lookaside
from tests.support.registry import PASSWORD, USER, Registry, start_registry
from tests.support.simulator import Request, Response
from tests.support.skopeo import Skopeo
from tests.support.token_server import TokenServer

DENIED = "simple: policy denied the request: "
NO_SIGNATURE = f"{DENIED}A signature was required, but no signature exists"


@pytest.fixture(scope="module")
def signer(gpg_home: GpgHome) -> Key:
    return gpg_home.generate("signer@images.test.invalid", form="rsa")


@pytest.fixture(scope="module")
def other(gpg_home: GpgHome) -> Key:
    return gpg_home.generate("other@images.test.invalid")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, ca: Authority, gpg_home: GpgHome) -> Iterator[Registry]:
    """HTTPS, private CA, user and password; may sign."""
    directory = tmp_path_factory.mktemp("guarded")
    with start_registry(directory, tls=ca, htpasswd=True, gpg_home=gpg_home.path) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Setup:
    """A guarded registry and a lookaside store over HTTP."""

    registry: Registry
    lookaside: Lookaside
    ca: Authority
    gpg_home: GpgHome
    directory: Path

    def image(self, name: str) -> str:
        return f"{self.registry.host}/{name}"

    def push(self, name: str, *, sign_by: Key | None = None, text: str = "", kind: Kind = "dir") -> str:
        """Push an image of its own, signed by skopeo into the lookaside store if a key is given."""
        self.registry.skopeo.lookaside(self.registry.host, read=self.lookaside.url, write=self.lookaside.directory)
        folder = self.directory / f"image-{name.replace('/', '-').replace(':', '-')}"
        make_image(folder, text=text or name, kind=kind)
        options = ("--sign-by", sign_by.fingerprint) if sign_by else ("--remove-signatures",)
        return self.registry.push(source_of(folder), name, *options)

    def verdict(self, image: str, *requirements: Requirement, through: Gate | None = None) -> str:
        secrets = (pull_secret(self.registry.host, USER, PASSWORD),)
        asked = through or gate(self.ca)
        return asked.verdict(image, requirements, store=self.lookaside.url, secrets=secrets)


def claims(digest: str, reference: str) -> bytes:
    critical = {
        "type": "atomic container signature",
        "image": {"docker-manifest-digest": digest},
        "identity": {"docker-reference": reference},
    }
    return json.dumps({"critical": critical, "optional": {}}).encode()


@pytest.fixture
def world(guarded: Registry, lookaside: Lookaside, ca: Authority, gpg_home: GpgHome, tmp_path: Path) -> Setup:
    return Setup(guarded, lookaside, ca, gpg_home, tmp_path)


def test_signed_is_allowed_as_exactly_the_signed_digest(world: Setup, signer: Key) -> None:
    digest = world.push("signed/app:v1", sign_by=signer)
    assert world.verdict(world.image("signed/app:v1"), signed_by(signer.armored)) == digest
    assert world.verdict(world.image(f"signed/app@{digest}"), signed_by(signer.armored)) == digest


def test_skopeo_agrees(world: Setup, signer: Key, other: Key) -> None:
    """The reference implementation gives the same verdicts on the same registry and store."""
    world.push("agree/app:v1", sign_by=signer)
    world.push("agree/app:unsigned")
    for name, key in (("agree/app:v1", signer), ("agree/app:v1", other), ("agree/app:unsigned", signer)):
        ours = world.verdict(world.image(name), signed_by(key.armored)).startswith("sha256:")
        assert skopeo_allows(world, name, key) is ours, name


def skopeo_allows(world: Setup, name: str, key: Key) -> bool:
    ring = world.directory / "ring.asc"
    ring.write_bytes(key.armored)
    policy = world.directory / "policy.json"
    rule = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(ring)}
    policy.write_text(json.dumps({"default": [rule]}), encoding="utf-8")
    done = world.registry.skopeo(
        "copy", f"--src-cert-dir={world.ca.trusted}", f"--src-creds={USER}:{PASSWORD}",
        f"docker://{world.image(name)}", f"dir:{world.directory / 'copied'}", policy=policy, check=False,
    )  # fmt: skip
    return done.returncode == 0


def test_unsigned(world: Setup, signer: Key) -> None:
    world.push("unsigned/app:v1")
    assert world.verdict(world.image("unsigned/app:v1"), signed_by(signer.armored)) == NO_SIGNATURE


def test_without_a_store_there_are_no_signatures(world: Setup, signer: Key) -> None:
    world.push("nostore/app:v1", sign_by=signer)
    secrets = (pull_secret(world.registry.host, USER, PASSWORD),)
    text = gate(world.ca).verdict(world.image("nostore/app:v1"), (signed_by(signer.armored),), secrets=secrets)
    assert text == NO_SIGNATURE


def test_signed_by_another_key(world: Setup, signer: Key, other: Key) -> None:
    world.push("other/app:v1", sign_by=other)
    key_id = other.fingerprint[-16:].lower().lstrip("0")
    assert world.verdict(world.image("other/app:v1"), signed_by(signer.armored)) == (
        f"{DENIED}Key not found for key ID {key_id} in signature"
    )
    assert world.verdict(world.image("other/app:v1"), signed_by(signer.armored, other.armored)).startswith("sha256:")


def test_signed_for_another_repository(world: Setup, signer: Key) -> None:
    digest = world.push("elsewhere/app:v1", sign_by=signer)
    assert world.push("here/app:v1", text="elsewhere/app:v1") == digest
    blob = next(world.lookaside.directory.glob("elsewhere/app@*/signature-1")).read_bytes()
    world.lookaside.put("here/app", digest, 1, blob)
    signed_name = world.image("elsewhere/app:v1")
    image = world.image("here/app:v1")
    assert world.verdict(image, signed_by(signer.armored)) == (
        f'{DENIED}Signature for identity "{signed_name}" is not accepted'
    )
    same = signed_by(signer.armored, identity="matchRepository")
    assert world.verdict(image, same).endswith("is not accepted")
    moved = signed_by(signer.armored, identity="matchExactRepository", docker_repository=world.image("elsewhere/app"))
    assert world.verdict(image, moved) == digest
    mirrored = signed_by(
        signer.armored, identity="remapIdentity", prefix=world.image("here"), signed_prefix=world.image("elsewhere")
    )
    assert world.verdict(image, mirrored) == digest


@pytest.mark.parametrize(
    "identity, parameters, accepted",
    [
        ("", {}, False),
        ("matchRepoDigestOrExact", {}, False),
        ("matchExact", {}, False),
        ("remapIdentity", {"prefix": "HOST/tags", "signed_prefix": "HOST/other"}, False),
        ("exactReference", {"docker_reference": "HOST/tags/app:v1"}, True),
        ("exactRepository", {"docker_repository": "HOST/tags/app"}, True),
        ("matchRepository", {}, True),
        ("matchExactReference", {"docker_reference": "HOST/tags/app:v1"}, True),
        ("matchExactReference", {"docker_reference": "HOST/tags/app:v2"}, False),
        ("matchExactRepository", {"docker_repository": "HOST/tags/app"}, True),
        ("matchExactRepository", {"docker_repository": "HOST/tags/other"}, False),
    ],
)
def test_another_tag_of_a_signed_manifest(
    world: Setup, signer: Key, identity: str, parameters: dict[str, str], accepted: bool
) -> None:
    digest = world.push("tags/app:v1", sign_by=signer, text="tags")
    assert world.push("tags/app:v2", text="tags") == digest
    given = {name: value.replace("HOST", world.registry.host) for name, value in parameters.items()}
    verdict = world.verdict(world.image("tags/app:v2"), signed_by(signer.armored, identity=identity, **given))
    refused = f'{DENIED}Signature for identity "{world.image("tags/app:v1")}" is not accepted'
    assert verdict == (digest if accepted else refused)


def test_tampered_blob(world: Setup, signer: Key) -> None:
    digest = world.push("tampered/app:v1")
    image = world.image("tampered/app:v1")
    blob = world.gpg_home.sign(signer, claims(digest, image), "--compress-algo", "none")
    world.lookaside.put("tampered/app", digest, 1, blob)
    assert world.verdict(image, signed_by(signer.armored)) == digest
    world.lookaside.put("tampered/app", digest, 1, blob.replace(b":v1", b":v9"))
    assert world.verdict(image, signed_by(signer.armored)) == (
        f"{DENIED}signature error: Signature verification failed: no valid signatures found."
    )


def test_swapped_manifest(world: Setup, signer: Key) -> None:
    """The signature of another manifest, put where the lookaside store looks for this one's."""
    signed = world.push("swapped/app:v1", sign_by=signer)
    blob = next(world.lookaside.directory.glob("swapped/app@*/signature-1")).read_bytes()
    digest = world.push("swapped/app:v1", text="another content")
    assert world.verdict(world.image("swapped/app:v1"), signed_by(signer.armored)) == NO_SIGNATURE
    world.lookaside.put("swapped/app", digest, 1, blob)
    assert world.verdict(world.image("swapped/app:v1"), signed_by(signer.armored)) == (
        f"{DENIED}Signature for digest {signed} does not match"
    )


def test_expired_key(world: Setup) -> None:
    key = world.gpg_home.generate("expired@images.test.invalid", expires="30d", at="20250101T000000")
    digest = world.push("expired/app:v1")
    image = world.image("expired/app:v1")
    world.lookaside.put("expired/app", digest, 1, world.gpg_home.sign(key, claims(digest, image), at="20250105T000000"))
    assert world.verdict(image, signed_by(key.armored)) == (
        f"{DENIED}signature by key {key.fingerprint} is not accepted: the key expired on 2025-01-31 00:00:00 +0000 UTC"
    )


def test_revoked_key(world: Setup) -> None:
    key = world.gpg_home.generate("revoked@images.test.invalid")
    digest = world.push("revoked/app:v1", sign_by=key)
    image = world.image("revoked/app:v1")
    assert world.verdict(image, signed_by(key.armored)) == digest
    made_with_the_key = (world.gpg_home.path / "openpgp-revocs.d" / f"{key.fingerprint}.rev").read_text()
    world.gpg_home.gpg("--import", text_in=made_with_the_key.replace("\n:-----BEGIN", "\n-----BEGIN"))
    armored = world.gpg_home.gpg("--armor", "--export", key.fingerprint).stdout.encode()
    assert world.verdict(image, signed_by(armored)) == (
        f"{DENIED}signature by key {key.fingerprint} is not accepted: the key is revoked"
    )


def test_two_requirements_satisfied_by_two_signatures(world: Setup, signer: Key, other: Key) -> None:
    digest = world.push("two/app:v1", sign_by=signer)
    image = world.image("two/app:v1")
    both = (signed_by(signer.armored), signed_by(other.armored))
    key_id = signer.fingerprint[-16:].lower().lstrip("0")
    assert world.verdict(image, *both) == f"{DENIED}Key not found for key ID {key_id} in signature"
    world.lookaside.put("two/app", digest, 2, world.gpg_home.sign(other, claims(digest, image)))
    assert world.verdict(image, *both) == digest
    assert world.verdict(image, *both, Reject()) == f"{DENIED}Running image docker://{image} is rejected by policy."


def test_three_signatures_of_which_the_last_counts(world: Setup, signer: Key, other: Key) -> None:
    digest = world.push("three/app:v1")
    image = world.image("three/app:v1")
    wrong = claims("sha256:" + "00" * 32, image)
    world.lookaside.put("three/app", digest, 1, world.gpg_home.sign(other, claims(digest, image)))
    world.lookaside.put("three/app", digest, 2, world.gpg_home.sign(signer, wrong))
    key_id = other.fingerprint[-16:].lower().lstrip("0")
    assert world.verdict(image, signed_by(signer.armored)) == (
        f"{DENIED}None of the signatures were accepted, reasons: Key not found for key ID {key_id} in signature; "
        f"Signature for digest sha256:{'00' * 32} does not match"
    )
    world.lookaside.put("three/app", digest, 3, world.gpg_home.sign(signer, claims(digest, image)))
    assert world.verdict(image, signed_by(signer.armored)) == digest


@pytest.mark.parametrize("form", ["ed25519", "subkey"])
def test_keys_that_older_tools_do_not_know(world: Setup, form: str) -> None:
    key = world.gpg_home.generate(f"{form}@images.test.invalid", form=form)
    digest = world.push(f"{form}/app:v1", sign_by=key)
    assert world.verdict(world.image(f"{form}/app:v1"), signed_by(key.armored)) == digest


def test_manifest_list_is_checked_as_the_list(world: Setup, signer: Key) -> None:
    digest = world.push("multi/app:v1", sign_by=signer, kind="dirlist")
    assert json.loads(world.registry.manifest("multi/app:v1"))["manifests"]
    assert world.verdict(world.image("multi/app:v1"), signed_by(signer.armored)) == digest
    for folder in world.lookaside.directory.glob("multi/app@*"):
        if digest.removeprefix("sha256:") in folder.name:
            (folder / "signature-1").unlink()
    assert world.verdict(world.image("multi/app:v1"), signed_by(signer.armored)) == NO_SIGNATURE


def test_accept_anything_asks_for_no_signature(world: Setup) -> None:
    digest = world.push("anything/app:v1")
    before = world.lookaside.count()
    assert world.verdict(world.image("anything/app:v1"), InsecureAcceptAnything()) == digest
    assert world.lookaside.count() == before


def test_requests_of_a_first_and_a_repeated_check(world: Setup, signer: Key, other: Key) -> None:
    digest = world.push("count/app:v1", sign_by=signer)
    image = world.image("count/app:v1")
    world.lookaside.put("count/app", digest, 2, world.gpg_home.sign(other, claims(digest, image)))
    asked = gate(world.ca)
    world.lookaside.requests.clear()
    assert world.verdict(image, signed_by(signer.armored), through=asked) == digest
    assert [request.path[-12:] for request in world.lookaside.requests] == ["/signature-1"]
    for _ in range(3):
        assert world.verdict(image, signed_by(signer.armored), through=asked) == digest
    assert world.lookaside.count() == 1


class OtherStore(Lookaside):
    """A lookaside server that gives every signature it is asked for."""

    def __init__(self, directory: Path, respond: Callable[[Request], Response]) -> None:
        super().__init__(directory)
        self._respond = respond

    def answer(self, request: Request) -> Response:
        return self._respond(request)


@contextlib.contextmanager
def store_that(world: Setup, respond: Callable[[Request], Response]) -> Iterator[Setup]:
    with OtherStore(world.lookaside.directory, respond) as server:
        yield Setup(world.registry, server, world.ca, world.gpg_home, world.directory)


TOO_MANY = "simple: server provided 128 signatures, assuming that's unreasonable and a server error"


def test_ten_thousand_signatures(world: Setup, signer: Key, other: Key) -> None:
    digest = world.push("many/app:v1")
    image = world.image("many/app:v1")
    blob = world.gpg_home.sign(other, claims(digest, image))
    with store_that(world, lambda _: Response(200, blob)) as many:
        assert many.verdict(image, signed_by(signer.armored)) == TOO_MANY
        assert many.lookaside.count() == 128


def test_a_good_signature_is_not_hidden_by_those_behind_it(world: Setup, signer: Key) -> None:
    digest = world.push("first/app:v1")
    image = world.image("first/app:v1")
    blob = world.gpg_home.sign(signer, claims(digest, image))
    with store_that(world, lambda _: Response(200, blob)) as many:
        assert many.verdict(image, signed_by(signer.armored)) == digest
        assert many.lookaside.count() == 1


def test_many_large_signatures(world: Setup, signer: Key) -> None:
    world.push("large/app:v1")
    with store_that(world, lambda _: Response(200, bytes(3 * 1024 * 1024))) as large:
        text = large.verdict(world.image("large/app:v1"), signed_by(signer.armored))
        assert text == "simple: signatures of more than 8388608 bytes"
        assert large.lookaside.count() == 3


def test_endless_body(world: Setup, signer: Key) -> None:
    world.push("endless/app:v1")

    def endless() -> Iterator[bytes]:
        while not server.lookaside.stopping.is_set():
            yield bytes(64 * 1024)

    with store_that(world, lambda _: Response(200, endless())) as server:
        text = server.verdict(world.image("endless/app:v1"), signed_by(signer.armored))
    assert text.startswith("simple: reading signature: http://127.0.0.1")
    assert text.endswith("sends more than 4194304 bytes")


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_store_that_does_not_answer_is_no_permission(world: Setup, signer: Key, status: int) -> None:
    world.push("silent/app:v1")
    with store_that(world, lambda _: Response(status)) as silent:
        text = silent.verdict(world.image("silent/app:v1"), signed_by(signer.armored))
    assert text.startswith("simple: reading signature")
    assert f"status {status}" in text


def test_store_with_a_credential(world: Setup, signer: Key) -> None:
    digest = world.push("locked/app:v1", sign_by=signer)

    def locked(request: Request) -> Response:
        expected = "Basic c3RvcmU6cEAvJXNz"  # store:p@/%ss
        return world.lookaside.answer(request) if request.headers.get("authorization") == expected else Response(401)

    secrets = (pull_secret(world.registry.host, USER, PASSWORD),)
    with OtherStore(world.lookaside.directory, locked) as server:
        requirements = (signed_by(signer.armored),)
        image = world.image("locked/app:v1")

        def ask(credential: Credential | None) -> str:
            return gate(world.ca).verdict(image, requirements, store=server.url, credential=credential, secrets=secrets)

        assert ask(Credential("store", "p@/%ss")) == digest
        assert "status 401 (Unauthorized)" in ask(Credential("store", "wrong"))
        assert "status 401 (Unauthorized)" in ask(None)


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[ExtensionRegistry]:
    """A registry that keeps signatures itself, over HTTPS."""
    with (
        start_registry(tmp_path_factory.mktemp("extended")) as real,
        ExtensionRegistry(real.url, tls=ca.server) as server,
    ):
        yield server


@dataclass(frozen=True, slots=True)
class Extended:
    """The registry with the extension, and skopeo to sign into it."""

    server: ExtensionRegistry
    ca: Authority
    gpg_home: GpgHome
    directory: Path

    def push(self, name: str, *options: str) -> str:
        folder = self.directory / "image"
        digest = make_image(folder, text=name, kind="dir")
        skopeo = Skopeo(self.directory / "skopeo", gpg_home=self.gpg_home.path)
        skopeo(
            "copy",
            f"--dest-cert-dir={self.ca.trusted}",
            *options,
            f"dir:{folder}",
            f"docker://{self.server.host}/{name}",
        )
        return digest

    def verdict(self, image: str, *requirements: Requirement, store: str = "", through: Gate | None = None) -> str:
        asked = through or gate(self.ca)
        return asked.verdict(image, requirements, store=store)


@pytest.fixture
def extended(extension: ExtensionRegistry, ca: Authority, gpg_home: GpgHome, tmp_path: Path) -> Extended:
    return Extended(extension, ca, gpg_home, tmp_path)


def test_skopeo_signs_into_the_registry(extended: Extended, signer: Key, other: Key, lookaside: Lookaside) -> None:
    digest = extended.push("ext/app:v1", "--sign-by", signer.fingerprint)
    image = f"{extended.server.host}/ext/app:v1"
    assert extended.server.count("PUT", f"/extensions/v2/ext/app/signatures/{digest}") == 1
    assert extended.verdict(image, signed_by(signer.armored)) == digest
    key_id = signer.fingerprint[-16:].lower().lstrip("0")
    assert extended.verdict(image, signed_by(other.armored), store=lookaside.url) == (
        f"{DENIED}Key not found for key ID {key_id} in signature"
    )
    assert lookaside.count() == 0  # the extension is the one source


def test_unsigned_in_a_registry_with_the_extension(extended: Extended, signer: Key) -> None:
    extended.push("ext/unsigned:v1")
    assert extended.verdict(f"{extended.server.host}/ext/unsigned:v1", signed_by(signer.armored)) == NO_SIGNATURE


def test_entries_of_other_kinds_are_ignored(extended: Extended, signer: Key) -> None:
    digest = extended.push("ext/kinds:v1")
    image = f"{extended.server.host}/ext/kinds:v1"
    blob = extended.gpg_home.sign(signer, claims(digest, image))
    extended.server.put("ext/kinds", digest, blob, type="other")
    extended.server.put("ext/kinds", digest, blob, schemaVersion=1)
    assert extended.verdict(image, signed_by(signer.armored)) == NO_SIGNATURE
    extended.server.put("ext/kinds", digest, blob)
    assert extended.verdict(image, signed_by(signer.armored)) == digest


def test_ten_thousand_signatures_in_the_registry(extended: Extended, signer: Key) -> None:
    digest = extended.push("ext/many:v1")
    image = f"{extended.server.host}/ext/many:v1"
    for number in range(10_000):
        extended.server.put("ext/many", digest, b"\xa3%d" % number)
    assert extended.verdict(image, signed_by(signer.armored)) == TOO_MANY


def test_requests_with_the_extension(extended: Extended, signer: Key) -> None:
    digest = extended.push("ext/count:v1", "--sign-by", signer.fingerprint)
    by_tag, by_digest = f"{extended.server.host}/ext/count:v1", f"{extended.server.host}/ext/count@{digest}"
    asked = gate(extended.ca)
    extended.server.requests.clear()

    def requests(image: str) -> list[str]:
        extended.server.requests.clear()
        assert extended.verdict(image, signed_by(signer.armored), through=asked) == digest
        return [request.path for request in extended.server.requests]

    manifest, signatures = "/v2/ext/count/manifests/v1", f"/extensions/v2/ext/count/signatures/{digest}"
    assert requests(by_tag) == [manifest, signatures]
    assert requests(by_tag) == [manifest]  # only where the tag points is asked again, as the settings want it
    assert requests(by_digest) == []
    asked = gate(extended.ca, tag_ttl_s=60)
    assert requests(by_tag) == [manifest, signatures]
    assert requests(by_tag) == []


def test_registry_with_tokens(
    registry_token: Registry,
    token_server: TokenServer,
    lookaside: Lookaside,
    ca: Authority,
    gpg_home: GpgHome,
    signer: Key,
) -> None:
    digest = registry_token.push_sample("tiny-docker", "private/signed:v1")
    image = f"{registry_token.host}/private/signed:v1"
    lookaside.put("private/signed", digest, 1, gpg_home.sign(signer, claims(digest, image)))
    asked = gate(ca, realms=TokenRealms({registry_token.host: frozenset({token_server.host})}))
    requirements = (signed_by(signer.armored),)
    secrets = (pull_secret(registry_token.host, USER, PASSWORD),)
    assert asked.verdict(image, requirements, store=lookaside.url, secrets=secrets) == digest
    assert asked.verdict(image, requirements, store=lookaside.url).startswith("simple: you may not have access")
