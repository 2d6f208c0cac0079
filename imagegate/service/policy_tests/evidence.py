"""Answers the questions about images from fixtures: a suite needs no network, and says the same every time.

A question that no fixture answers is ``Unknown``, and the text says what to add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import orjson

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.content_trust.question import TrustedDigest, TrustedImage, TrustRefused
from imagegate.core.content_trust.repository import Anchor, AnchorKind, RoleEvidence
from imagegate.core.content_trust.signed_digest import SignedDigest
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.references.openshift import ImageReference
from imagegate.core.signing.claims import SIGNATURE_TYPE
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.core.signing.requirements import ImageSignatures, SignatureCheck, UnusableKeys, Verification, rings
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.core.vulnerabilities.report import Finding, Severity
from imagegate.core.vulnerabilities.rules import ImageScan
from imagegate.core.vulnerabilities.verdict import Outcome, PlacedReport, PlatformImage, ScanVerdict, judge
from imagegate.documents.policy_tests.suite import ImageFixture, SignatureFixture
from imagegate.errors import InvalidReference
from imagegate.ports.signatures import MessageVerifier
from imagegate.service.policy_tests.locked import LockedEvidence
from imagegate.service.review.lookups import Answerer, Asker

SOURCE = "fixtures"
FINGERPRINT = "FIXTURE"
"""In the place of a fingerprint where a fixture claims a signature."""
_ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)
_SINCE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Signed:
    """The contents of the files that a signature's fixture names."""

    key: KeyRing | None = None
    blobs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class FixtureFiles:
    """The contents of all files that fixtures name."""

    signatures: Mapping[SignatureFixture, Signed] = field(default_factory=dict)
    trust: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """By repository (``HOST/PATH``): trust data by name."""
    reports: Mapping[str, tuple[PlacedReport, ...]] = field(default_factory=dict)
    """By image, with Docker's defaults."""


_NO_FILES = FixtureFiles()


@dataclass(slots=True)
class FixtureEvidence:
    """Answers for one suite.

    Args:
        files: contents of the files of the fixtures.
        trust: verifies the trust data among them.
        now: the time of all verdicts.
        locked: what no fixture describes.
    """

    fixtures: Iterable[ImageFixture]
    verifier: MessageVerifier
    files: FixtureFiles = _NO_FILES
    trust: Callable[[TrustedImage, float], Lookup[TrustedDigest]] = lambda question, _: Unknown(
        f"trust data of {question.gun} cannot be verified here", retryable=False
    )
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    locked: LockedEvidence | None = None
    missing: dict[str, None] = field(default_factory=dict)
    """Images that were asked for and nothing describes."""
    _by_name: dict[str, ImageFixture] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.fixtures:
            name = full_name(each.image)
            known = each.digest or each.absent or each.unavailable
            locked = "" if self.locked is None else self.locked.lock.images.get(name, "")
            self._by_name[name] = each if known else replace(each, digest=locked)

    def answerers(self) -> dict[type[Question], Answerer]:
        """One for every question about an image."""
        asked: dict[type[Question], Asker] = {
            ManifestDigest: self._digest,
            ImageSignatures: self._signatures,
            TrustedImage: self._trust,
            AdvisorStatus: self._advisor,
            ImageScan: self._scan,
        }
        waits = self.locked is not None and self.locked.servers is not None
        return {question: Answerer(ask, immediate=not waits) for question, ask in asked.items()}

    def _digest(self, question: ManifestDigest, /, *, deadline_s: float) -> Lookup[str]:
        name = full_name(question.image.exact)
        found = self._by_name.get(name) or self._with_digest(_repository(question.image), question.image.id)
        if found is not None and found.absent:
            return Absent(f"{name} not found")
        if found is not None and found.unavailable:
            return Unknown(found.unavailable)
        if found is not None and found.digest:
            return Found(found.digest, SOURCE)
        answer = None if self.locked is None else self.locked.digest(name, question, deadline_s)
        if isinstance(answer, Found) and found is not None:
            self._by_name[name] = replace(found, digest=answer.value)
        return self._unknown(name) if answer is None else answer

    def _unknown(self, image: str) -> Unknown:
        self.missing[image] = None
        return Unknown(f"{image} is not in fixtures.registry of the suite, nor in its lock file", retryable=False)

    def _with_digest(self, repository: str, digest: str) -> ImageFixture | None:
        every = self._by_name.values()
        return next((each for each in every if digest and each.digest == digest and _path(each) == repository), None)

    def _signatures(self, question: ImageSignatures, /, *, deadline_s: float) -> Lookup[tuple[SignatureCheck, ...]]:
        keys = rings(question.requirements)
        try:
            for ring in keys:
                self.verifier.check(ring)
        except InvalidKeyRing as error:
            return UnusableKeys(str(error), retryable=False)
        found = self._with_digest(f"{question.image.domain}/{question.image.path}", question.digest)
        if found is None:
            return self._locked_signatures(question, keys, deadline_s)
        return Found(tuple(check for each in found.signatures for check in self._checks(found, each, keys)), SOURCE)

    def _locked_signatures(
        self, question: ImageSignatures, keys: tuple[KeyRing, ...], deadline_s: float
    ) -> Lookup[tuple[SignatureCheck, ...]]:
        if self.locked is None:
            return self._unknown(f"{question.image.domain}/{question.image.path}@{question.digest}")
        answer = self.locked.signatures(question, deadline_s)
        if not isinstance(answer, Found):
            return answer
        checks = (
            SignatureCheck(answer.source, {ring: self.verifier.verify(blob, ring) for ring in keys})
            for blob in answer.value.blobs
        )
        return Found(tuple(checks), answer.source)

    def _checks(
        self, image: ImageFixture, signature: SignatureFixture, keys: tuple[KeyRing, ...]
    ) -> Iterator[SignatureCheck]:
        signed = self.files.signatures[signature]
        place = str(signature.place)
        if signed.key is not None:
            payload = _payload(signature.identity or full_name(image.image), image.digest)
            yield SignatureCheck(place, {ring: _claimed(payload, signed.key, ring) for ring in keys})
        for blob in signed.blobs:
            yield SignatureCheck(place, {ring: self.verifier.verify(blob, ring) for ring in keys})

    def _trust(self, question: TrustedImage, /, *, deadline_s: float) -> Lookup[TrustedDigest]:
        by_tag = self._by_name.get(full_name(f"{question.gun}:{question.tag}")) if question.tag else None
        found = by_tag or self._with_digest(question.gun, question.digest)
        if found is None and self.locked is not None:
            return self.locked.trust(question, deadline_s)
        if found is None:
            return self._unknown(f"{question.gun}:{question.tag}")
        if found.trust is None:
            return Absent(f"{question.server} does not have trust data for {question.gun}")
        if found.trust.folder:
            return self.trust(question, deadline_s)
        if question.digest and found.digest != question.digest:
            return TrustRefused(f"no trust data for digest {question.digest}")
        for signer in question.signers:
            name = (signer.name or b"").decode("utf-8", "replace")
            if name not in found.trust.signers:
                return TrustRefused(f"no signature found for role {name}")
        role = RoleEvidence("targets/releases", 1, _ALWAYS, 1, "", 0, (), ())
        signed = SignedDigest(found.digest, question.tag, role, (), (role,), _ALWAYS)
        anchor = Anchor(AnchorKind.FIRST_USE, (), _SINCE, 1)
        return Found(TrustedDigest(signed, anchor, timestamp_stored=False, verified_at=_SINCE), SOURCE)

    def _advisor(self, question: AdvisorStatus, /, *, deadline_s: float) -> Lookup[str]:
        found = self._by_name.get(full_name(question.reference))
        if found is None and self.locked is not None:
            return self.locked.status(question, deadline_s)
        if found is None:
            return self._unknown(full_name(question.reference))
        return Found(found.advisor, SOURCE) if found.advisor else Unknown(f"{found.place}.advisor is not set")

    def _scan(self, question: ImageScan, /, *, deadline_s: float) -> Lookup[ScanVerdict]:  # noqa: ARG002
        found = self._with_digest(question.repository, question.image.id)
        if found is None:
            return self._unknown(f"{question.repository}@{question.image.id}")
        placed = self.files.reports.get(full_name(found.image))
        if placed is not None:
            images = (PlatformImage(question.image.id),)
            verdict = judge(images, placed, (), question.rules, repository=question.repository, now=self.now())
            return Found(verdict, SOURCE)
        if found.vulnerabilities is None:
            return Found(ScanVerdict(Outcome.UNKNOWN, problems=("there is no report about it",)), SOURCE)
        rules, now = question.rules, self.now()
        every = (
            Finding(each.id, Severity.of(each.severity), each.package, fixed=each.fixed)
            for each in found.vulnerabilities
        )
        denying = tuple(
            each for each in every if rules.denies(each) and rules.acceptance(each, question.repository, now) is None
        )
        outcome = Outcome.VULNERABLE if denying else Outcome.PASSED
        reports = ((SOURCE, str(found.place), None),)
        return Found(ScanVerdict(outcome, denying, len(denying), reports=reports), SOURCE)


def full_name(image: str) -> str:
    """An image with Docker's defaults; as written where it is not a reference."""
    try:
        return ImageReference.parse(image).with_docker_defaults().exact
    except InvalidReference:
        return image


def _repository(image: ImageReference) -> str:
    return image.with_docker_defaults().as_repository().exact


def _path(fixture: ImageFixture) -> str:
    return _repository(ImageReference.parse(fixture.image))


def _claimed(payload: bytes, key: KeyRing, ring: KeyRing) -> Verification:
    if any(block in ring.blocks for block in key.blocks):
        return Verification(payload, FINGERPRINT)
    return Verification(error="Invalid GPG signature: the key of the fixture is not in the key ring")


def _payload(identity: str, digest: str) -> bytes:
    critical = {
        "type": SIGNATURE_TYPE,
        "image": {"docker-manifest-digest": digest},
        "identity": {"docker-reference": identity},
    }
    return orjson.dumps({"critical": critical, "optional": {}})
