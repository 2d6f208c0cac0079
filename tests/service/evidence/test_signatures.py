"""Reading signatures: how far, how often, and what is kept. The parts around are fakes that count."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagegate.adapters.signing.lookaside import LookasideFiles
from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.core.signing.identity import image_identity, signed_identity
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.core.signing.requirements import (
    TOO_MANY_SIGNATURES,
    ImageSignatures,
    LookasideStore,
    Reject,
    SignatureCheck,
    SignedBy,
    UnusableKeys,
    Verification,
    conclude,
)
from imagegate.ports.registry import ANONYMOUS, RegistryAccess
from imagegate.service.evidence.signatures import SignatureLimits, SignatureReader
from tests.support.samples import SAMPLES

DIGEST = "sha256:" + "ab" * 32
RING, OTHER_RING, UNUSABLE = KeyRing((b"one",)), KeyRing((b"other",)), KeyRing(())
STORE = LookasideStore("https://store.test.invalid")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def claims(reference: str, digest: str = DIGEST) -> bytes:
    critical = {
        "type": "atomic container signature",
        "image": {"docker-manifest-digest": digest},
        "identity": {"docker-reference": reference},
    }
    return json.dumps({"critical": critical, "optional": {}}).encode()


GOOD, GOOD_V2, BAD = claims("icr.io/a/b:1"), claims("icr.io/a/b:2"), b"bad"


@dataclass
class FakeRegistry:
    """A registry with or without the signature extension."""

    own: Lookup[tuple[bytes, ...]] = field(default_factory=lambda: Absent("no extension"))
    asked: list[tuple[str, str, RegistryAccess]] = field(default_factory=list)

    def signatures(
        self, image: ImageReference, digest: str, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[bytes, ...]]:
        self.asked.append((image.exact, digest, access))
        return self.own

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        raise AssertionError("signatures need no manifest")

    def config(
        self, image: ImageReference, manifest: Manifest, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[bytes]:
        raise AssertionError("signatures need no configuration")

    def tags(
        self, repository: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[str, ...]]:
        raise AssertionError("signatures need no tags")


@dataclass
class FakeStore:
    """Numbered blobs; ``trouble`` is answered for the number it is set for."""

    blobs: list[bytes] = field(default_factory=list)
    trouble: dict[int, Unknown] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    gate: threading.Event | None = None

    def signature(
        self, store: LookasideStore, repository_path: str, digest: str, number: int, *, deadline_s: float
    ) -> Lookup[bytes]:
        assert (store, repository_path, digest) == (STORE, "a/b", DIGEST)
        self.asked.append(number)
        if self.gate is not None:
            self.gate.wait(deadline_s)
        if number in self.trouble:
            return self.trouble[number]
        return Found(self.blobs[number - 1]) if number <= len(self.blobs) else Absent("none")


@dataclass
class FakeVerifier:
    """Whatever is not ``BAD`` is signed by a key of ``RING`` until ``valid_until``."""

    valid_until: datetime | None = None
    verified: list[bytes] = field(default_factory=list)

    def check(self, ring: KeyRing) -> None:
        if ring == UNUSABLE:
            raise InvalidKeyRing("No public keys imported")

    def verify(self, blob: bytes, ring: KeyRing) -> Verification:
        self.verified.append(blob)
        if blob == BAD or ring != RING:
            return Verification(error="signature error: bad")
        return Verification(blob, "AA", valid_until=self.valid_until)


@dataclass
class Bench:
    """A reader with its fakes and clocks."""

    registry: FakeRegistry = field(default_factory=FakeRegistry)
    store: FakeStore = field(default_factory=FakeStore)
    verifier: FakeVerifier = field(default_factory=FakeVerifier)
    now: datetime = NOW
    seconds: float = 1000.0
    limits: SignatureLimits = field(default_factory=SignatureLimits)

    def __post_init__(self) -> None:
        self.reader = SignatureReader(
            self.registry,
            self.store,
            self.verifier,
            limits=self.limits,
            now=lambda: self.now,
            monotonic=lambda: self.seconds,
        )

    def ask(self, question: ImageSignatures, deadline_s: float = 10) -> Lookup[tuple[SignatureCheck, ...]]:
        return self.reader.ask(question, deadline_s=deadline_s)

    def refusal(self, question: ImageSignatures) -> str:
        refusal = conclude(question.requirements, question.image, question.digest, self.ask(question))
        return "" if refusal is None else refusal.text

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)


def question(image: str = "icr.io/a/b:1", **changes: Any) -> ImageSignatures:
    base = ImageSignatures(image_identity(image), DIGEST, (SignedBy(RING, signed_identity()),), STORE)
    return replace(base, **changes)


def test_reading_stops_when_the_requirements_are_met() -> None:
    bench = Bench(store=FakeStore([BAD, GOOD, GOOD, GOOD]))
    assert bench.refusal(question()) == ""
    assert bench.store.asked == [1, 2]


def test_reading_goes_on_until_there_are_no_more() -> None:
    bench = Bench(store=FakeStore([BAD, GOOD_V2]))
    assert "None of the signatures were accepted" in bench.refusal(question())
    assert bench.store.asked == [1, 2, 3]


def test_two_requirements_read_on_until_both_are_met() -> None:
    both = (
        SignedBy(RING, signed_identity()),
        SignedBy(RING, signed_identity("matchExactReference", docker_reference="icr.io/a/b:2")),
    )
    bench = Bench(store=FakeStore([GOOD, BAD, GOOD_V2, GOOD]))
    assert bench.refusal(question(requirements=both)) == ""
    assert bench.store.asked == [1, 2, 3]
    assert bench.verifier.verified == [GOOD, BAD, GOOD_V2]


def test_requirements_behind_a_reject_are_not_read_for() -> None:
    requirements = (SignedBy(RING, signed_identity()), Reject(), SignedBy(OTHER_RING, signed_identity()))
    bench = Bench(store=FakeStore([GOOD, GOOD]))
    assert bench.refusal(question(requirements=requirements)).endswith("is rejected by policy.")
    assert bench.store.asked == [1]


def test_a_repeated_question_is_answered_from_what_is_kept() -> None:
    bench = Bench(store=FakeStore([GOOD]))
    assert bench.reader.cached(question()) is None
    assert bench.refusal(question()) == ""
    bench.pass_time(299)
    assert bench.refusal(question()) == ""
    assert isinstance(bench.reader.cached(question()), Found)
    assert bench.store.asked == [1]
    assert len(bench.registry.asked) == 1
    bench.pass_time(2)
    assert bench.reader.cached(question()) is None
    assert bench.refusal(question()) == ""
    assert bench.store.asked == [1, 1]


def test_a_refusal_is_kept_for_a_shorter_time() -> None:
    bench = Bench(store=FakeStore([BAD]))
    assert bench.refusal(question())
    bench.pass_time(29)
    assert bench.refusal(question())
    assert bench.store.asked == [1, 2]
    bench.store.blobs.append(GOOD)
    bench.pass_time(2)
    assert bench.refusal(question()) == ""


def test_no_signature_is_kept_like_a_refusal() -> None:
    bench = Bench()
    assert bench.refusal(question()).endswith("no signature exists")
    assert bench.refusal(question()).endswith("no signature exists")
    assert bench.store.asked == [1]
    bench.store.blobs.append(GOOD)
    bench.pass_time(31)
    assert bench.refusal(question()) == ""


def test_outages_are_never_kept() -> None:
    bench = Bench(store=FakeStore([BAD, GOOD], trouble={2: Unknown("status 500")}))
    assert bench.refusal(question()) == "simple: status 500"
    bench.store.trouble.clear()
    assert bench.refusal(question()) == ""
    assert bench.store.asked == [1, 2, 1, 2]


def test_an_outage_of_the_registry_is_not_answered_by_the_store() -> None:
    bench = Bench(registry=FakeRegistry(Unknown("downloading signatures: 500")), store=FakeStore([GOOD]))
    assert bench.refusal(question()) == "simple: downloading signatures: 500"
    assert bench.store.asked == []


def test_evidence_ends_with_the_key() -> None:
    bench = Bench(store=FakeStore([GOOD]), verifier=FakeVerifier(valid_until=NOW + timedelta(seconds=100)))
    assert bench.refusal(question()) == ""
    bench.pass_time(99)
    assert bench.refusal(question()) == ""
    assert bench.store.asked == [1]
    bench.pass_time(1)
    assert bench.reader.cached(question()) is None
    bench.refusal(question())
    assert bench.store.asked == [1, 1]


def test_evidence_is_kept_by_digest_and_judged_by_tag() -> None:
    """What one tag may does not carry over to another one, though nothing is fetched twice."""
    bench = Bench(store=FakeStore([GOOD]))
    assert bench.refusal(question()) == ""
    assert "icr.io/a/b:1" in bench.refusal(question("icr.io/a/b:2"))
    asked = list(bench.store.asked)
    assert "icr.io/a/b:1" in bench.refusal(question("icr.io/a/b:2"))
    assert bench.refusal(question()) == ""
    assert bench.store.asked == asked


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "sha256:" + "cd" * 32},
        {"store": None},
        {"requirements": (SignedBy(OTHER_RING, signed_identity()),)},
        {"secrets": (PullSecret("other", ()),)},
    ],
)
def test_evidence_is_not_shared_across(changes: dict[str, Any]) -> None:
    bench = Bench(store=FakeStore([GOOD]))
    assert bench.refusal(question()) == ""
    assert bench.reader.cached(question(**changes)) is None


def test_without_a_store_there_are_none() -> None:
    bench = Bench()
    for _ in range(3):
        assert bench.refusal(question(store=None)).endswith("no signature exists")
    assert bench.store.asked == []
    assert len(bench.registry.asked) == 1


def test_nothing_is_kept_where_the_settings_say_so() -> None:
    bench = Bench(store=FakeStore([GOOD]), limits=SignatureLimits(accepted_s=0, refused_s=0))
    for _ in range(3):
        assert bench.refusal(question()) == ""
    assert bench.store.asked == [1, 1, 1]
    bench = Bench(limits=SignatureLimits(accepted_s=0, refused_s=0))
    for _ in range(3):
        assert bench.refusal(question())
    assert bench.store.asked == [1, 1, 1]


def test_the_registrys_own_signatures_are_the_only_source() -> None:
    bench = Bench(registry=FakeRegistry(Found((BAD, GOOD))), store=FakeStore([GOOD]))
    secrets = (PullSecret("mine", ()),)
    assert bench.refusal(question(secrets=secrets)) == ""
    assert bench.registry.asked == [(f"icr.io/a/b@{DIGEST}", DIGEST, RegistryAccess(secrets, anonymous_first=True))]
    assert bench.store.asked == []
    bench = Bench(registry=FakeRegistry(Found(())), store=FakeStore([GOOD]))
    assert bench.refusal(question()).endswith("no signature exists")


@pytest.mark.parametrize(
    "image, path",
    [("busybox:1", "docker.io/library/busybox"), ("icr.io/app:1", "icr.io/app"), ("icr.io/a/b/c:1", "icr.io/a/b/c")],
)
def test_how_the_registry_is_asked(image: str, path: str) -> None:
    bench = Bench(registry=FakeRegistry(Found(())))
    bench.ask(question(image))
    assert bench.registry.asked[0][0] == f"{path}@{DIGEST}"


def test_128_signatures_are_too_many_from_either_source() -> None:
    bench = Bench(store=FakeStore([BAD] * 10_000))
    assert bench.refusal(question()) == f"simple: {TOO_MANY_SIGNATURES}"
    assert len(bench.store.asked) == 128
    bench = Bench(registry=FakeRegistry(Found((BAD,) * 10_000)))
    assert bench.refusal(question()) == f"simple: {TOO_MANY_SIGNATURES}"
    assert bench.verifier.verified == []
    for count, refusal in ((128, f"simple: {TOO_MANY_SIGNATURES}"), (127, "")):
        bench = Bench(registry=FakeRegistry(Found((BAD,) * (count - 1) + (GOOD,))))
        assert bench.refusal(question()) == refusal
    assert "None of the signatures" in Bench(store=FakeStore([BAD] * 127)).refusal(question())


def test_bytes_of_all_signatures_are_limited() -> None:
    for size, reason in ((51, "simple: signatures of more than 100 bytes"), (50, "payload is not JSON")):
        bench = Bench(store=FakeStore([b"x" * size] * 2), limits=SignatureLimits(total_max_bytes=100))
        assert reason in bench.refusal(question())
    again = bench.ask(question())
    assert isinstance(again, Found)
    assert len(again.value) == 2


def test_what_is_beyond_the_limits_is_not_worth_asking_again() -> None:
    many = FakeStore([BAD] * 200)
    for bench in (
        Bench(store=many),
        Bench(registry=FakeRegistry(Found((BAD,) * 200))),
        Bench(store=many, limits=SignatureLimits(total_max_bytes=1)),
    ):
        answer = bench.ask(question())
        assert isinstance(answer, Unknown)
        assert not answer.retryable


def test_bytes_are_counted_anew_for_every_reading() -> None:
    bench = Bench(store=FakeStore([BAD * 20]), limits=SignatureLimits(total_max_bytes=100))
    for _ in range(3):
        assert "more than" not in bench.refusal(question())
        bench.pass_time(31)


def test_unusable_keys_are_told_before_anything_is_asked() -> None:
    bench = Bench(store=FakeStore([GOOD]))
    asked = question(requirements=(SignedBy(UNUSABLE, signed_identity()),))
    assert bench.ask(asked) == UnusableKeys("No public keys imported", retryable=False)
    assert bench.refusal(asked) == "No public keys imported"
    assert bench.registry.asked == []


def test_concurrent_questions_read_once() -> None:
    bench = Bench(store=FakeStore([GOOD], gate=threading.Event()))
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(bench.refusal, question()) for _ in range(16)]
        assert bench.store.gate is not None
        bench.store.gate.set()
        assert [answer.result() for answer in answers] == [""] * 16
    assert bench.store.asked == [1]


def test_who_waits_too_long_is_told_so() -> None:
    bench = Bench(store=FakeStore([GOOD], gate=threading.Event()))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bench.ask, question())
        while not bench.store.asked:
            pass
        late = bench.ask(question(), deadline_s=0.01)
        assert bench.reader.cached(question()) is None
        assert bench.store.gate is not None
        bench.store.gate.set()
        assert isinstance(first.result(), Found)
    assert late == DeadlineExceeded("signatures were not read in time")


def test_reading_ends_with_the_deadline() -> None:
    bench = Bench(store=FakeStore([BAD] * 100, gate=threading.Event()))
    assert bench.ask(question(), deadline_s=0.02) == DeadlineExceeded("signatures were not read in time")
    assert bench.store.asked == [1]


def test_only_so_many_images_are_kept() -> None:
    bench = Bench(registry=FakeRegistry(Found((GOOD,))), limits=SignatureLimits(images_max=2))
    for name in ("one", "two", "three"):
        bench.ask(question(f"icr.io/a/{name}:1"))
    assert bench.reader.cached(question("icr.io/a/one:1")) is None
    bench.ask(question("icr.io/a/two:1"))
    bench.ask(question("icr.io/a/one:1"))
    assert [image for image, _, _ in bench.registry.asked].count(f"icr.io/a/two@{DIGEST}") == 1


def sample_reader() -> SignatureReader:
    folder = SAMPLES / "simple-signing" / "lookaside"
    return SignatureReader(FakeRegistry(), LookasideFiles(folder), OpenPgpVerifier())


SAMPLE_DIGEST = "sha256:0d4c6b3d5d3fb55fd4e0637bb6f973f608cb94836e75fc9b81d2c87e933b141a"
SAMPLE_IMAGE = "127.0.0.1:5000/signed/app:v1"


def sample_ring(*names: str) -> KeyRing:
    keys = SAMPLES / "simple-signing" / "keys"
    return KeyRing.parse(b"".join((keys / f"{name}.asc").read_bytes() for name in names))


def sample_verdict(reader: SignatureReader, image: str, digest: str, *rings: KeyRing) -> str:
    requirements = tuple(SignedBy(ring, signed_identity()) for ring in rings)
    asked = ImageSignatures(image_identity(image), digest, requirements, STORE)
    refusal = conclude(requirements, asked.image, digest, reader.ask(asked, deadline_s=10))
    return "" if refusal is None else refusal.reason


def test_stored_signatures() -> None:
    reader = sample_reader()
    one, two = sample_ring("signer1"), sample_ring("signer2")
    assert sample_verdict(reader, SAMPLE_IMAGE, SAMPLE_DIGEST, one) == ""
    assert sample_verdict(reader, SAMPLE_IMAGE, SAMPLE_DIGEST, one, two) == ""
    assert "is not accepted" in sample_verdict(reader, "127.0.0.1:5000/signed/app:v2", SAMPLE_DIGEST, one)
    multi = "sha256:8db2c26c498bd085ef50ca4dbd0abc80ee34f82d91df6c20c8cc569febed05ac"
    assert sample_verdict(reader, "127.0.0.1:5000/signed/multi:v1", multi, one) == ""


ODD = {
    "armored": "unrecognized signature format, starting with binary 0x2d",
    "clearsigned": "unrecognized signature format, starting with binary 0x2d",
    "detached": "not signed",
    "expired-key": (
        "signature by key 1AE19874950FBA48BBA2E7E90A8E27255C86E3B1 is not accepted: "
        "the key expired on 2025-01-31 00:00:00 +0000 UTC"
    ),
    "payload-8MiB": "signature error: signed message of more than 262144 bytes",
    "payload-cosign-type": "Unrecognized signature type cosign container image signature",
    "payload-duplicate-key": 'Duplicate key "critical"',
    "payload-no-optional": 'Key "optional" missing in a JSON object',
    "payload-not-json": "payload is not JSON: Expecting value at character 0",
    "payload-other-digest": f"Signature for digest sha256:{'00' * 32} does not match",
    "payload-other-reference": 'Signature for identity "127.0.0.1:5000/other/app:v1" is not accepted',
    "payload-unknown-critical": 'Unknown key "more"',
    "payload-unknown-optional": "",
    "revoked-key": "signature by key B473D9AC0ECA3EA5E6B5FDFCDDF6953FD8D4FCD2 is not accepted: the key is revoked",
    "sha1": "signature error: hash algorithm SHA1 is not accepted",
    "trailing-junk": "signature error: trailing data after the signed message",
    "two-signers": "Unexpected GPG signature count 2",
    "unsigned-literal": "not signed",
}


def odd_reason(name: str) -> str:
    blob = (SAMPLES / "simple-signing" / "odd" / f"{name}.sig").read_bytes()
    ring = sample_ring("signer1", "signer2", "expired", "revoked")
    check = SignatureCheck(name, {ring: OpenPgpVerifier().verify(blob, ring)})
    requirements = (SignedBy(ring, signed_identity()),)
    refusal = conclude(requirements, image_identity(SAMPLE_IMAGE), SAMPLE_DIGEST, Found((check,)))
    return "" if refusal is None else refusal.reason


def test_every_odd_sample_is_decided_as_documented() -> None:
    names = sorted(file.stem for file in (SAMPLES / "simple-signing" / "odd").iterdir())
    assert {name: odd_reason(name) for name in names} == ODD
