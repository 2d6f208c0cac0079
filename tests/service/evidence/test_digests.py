"""Which digests are kept, for whom, and for how long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.enforcement.questions import ManifestDigest, NeedsCredentials
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.registry import ANONYMOUS, Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown
from imagegate.service.evidence.digests import DigestLimits, ManifestDigests

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
TAGGED = ManifestDigest(ImageReference.parse("registry.example/team/app:v1"))
PINNED = ManifestDigest(ImageReference.parse(f"registry.example/team/app@{ONE}"))
SECRET = PullSecret("pull", (PullSecretEntry("registry.example", "", Credential("alice", "secret")),))
LIMITS = DigestLimits(tag_s=10, digest_s=300, answers_max=2)


class Answers:
    """A registry that gives its answers one after the other."""

    def __init__(self, *answers: Lookup[Manifest]) -> None:
        self._answers: Iterator[Lookup[Manifest]] = iter(answers)
        self.asked: list[RegistryAccess] = []

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        self.asked.append(access)
        return next(self._answers)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def manifest(digest: str) -> Found[Manifest]:
    return Found(Manifest("application/vnd.oci.image.manifest.v1+json", digest, b"{}"), "registry")


def digests(registry: Answers, clock: Clock, limits: DigestLimits | None = LIMITS) -> ManifestDigests:
    return ManifestDigests(cast(Registry, registry), limits=limits, clock=clock)


def test_a_tag_is_kept_for_its_time_and_asked_again_after_it() -> None:
    registry, clock = Answers(manifest(ONE), manifest(TWO)), Clock()
    subject = digests(registry, clock)
    assert subject.cached(TAGGED) is None
    assert subject.ask(TAGGED, deadline_s=1) == Found(ONE, "registry")
    clock.now = 9.9
    assert subject.cached(TAGGED) == subject.ask(TAGGED, deadline_s=1) == Found(ONE, "cache")
    clock.now = 10
    assert subject.cached(TAGGED) is None
    assert subject.ask(TAGGED, deadline_s=1) == Found(TWO, "registry")
    assert len(registry.asked) == 2


def test_a_digest_is_kept_longer() -> None:
    registry, clock = Answers(manifest(ONE)), Clock()
    subject = digests(registry, clock)
    subject.ask(PINNED, deadline_s=1)
    clock.now = 299
    assert subject.cached(PINNED) == Found(ONE, "cache")
    clock.now = 300
    assert subject.cached(PINNED) is None


def test_without_limits_nothing_is_kept() -> None:
    registry, clock = Answers(manifest(ONE), manifest(TWO)), Clock()
    subject = digests(registry, clock, None)
    assert subject.ask(TAGGED, deadline_s=1) == Found(ONE, "registry")
    assert subject.cached(TAGGED) is None
    assert subject.ask(TAGGED, deadline_s=1) == Found(TWO, "registry")


def test_what_one_may_see_another_is_asked_for() -> None:
    registry, clock = Answers(manifest(ONE), Absent("none")), Clock()
    subject = digests(registry, clock)
    subject.ask(ManifestDigest(TAGGED.image, (SECRET,)), deadline_s=1)
    assert subject.cached(TAGGED) is None
    assert subject.ask(TAGGED, deadline_s=1) == Absent("none")
    assert [access.secrets for access in registry.asked] == [(SECRET,), ()]


@pytest.mark.parametrize(
    "answer",
    [Absent("none"), Unknown("no answer"), RegistryUnknown("401", error_kind=RegistryErrorKind.NO_CREDENTIALS)],
)
def test_only_what_was_found_is_kept(answer: Lookup[Manifest]) -> None:
    subject = digests(Answers(answer, manifest(ONE)), Clock())
    assert not isinstance(subject.ask(TAGGED, deadline_s=1), Found)
    assert subject.cached(TAGGED) is None
    assert subject.ask(TAGGED, deadline_s=1) == Found(ONE, "registry")


def test_no_more_than_the_limit_is_kept() -> None:
    names = [ManifestDigest(ImageReference.parse(f"registry.example/team/app:v{number}")) for number in range(3)]
    subject = digests(Answers(*(manifest(ONE) for _ in names)), Clock())
    for name in names:
        subject.ask(name, deadline_s=1)
    assert [subject.cached(name) is not None for name in names] == [False, True, True]


def test_missing_credentials_and_wrong_content_are_told_apart() -> None:
    refused = RegistryUnknown("401", retryable=False, error_kind=RegistryErrorKind.NO_CREDENTIALS)
    wrong = RegistryUnknown("another digest", error_kind=RegistryErrorKind.INTEGRITY)
    subject = digests(Answers(refused, wrong, wrong), Clock())
    assert subject.ask(TAGGED, deadline_s=1) == NeedsCredentials("401", retryable=False)
    assert subject.ask(PINNED, deadline_s=1) == Unknown(
        f"Manifest does not match provided manifest digest {ONE}", retryable=False
    )
    assert subject.ask(TAGGED, deadline_s=1) is wrong


def test_many_threads_share_a_small_cache() -> None:
    """The oldest answer makes room while others read and write: nobody sees an error."""
    names = [ManifestDigest(ImageReference.parse(f"registry.example/team/app:v{number}")) for number in range(200)]

    class Always:
        def manifest(self, *_: object, **__: object) -> Lookup[Manifest]:
            return manifest(ONE)

    limits = DigestLimits(tag_s=3600, answers_max=8)
    subject = ManifestDigests(cast(Registry, Always()), limits=limits)

    def ask_all(start: int) -> int:
        return sum(isinstance(subject.ask(names[(start + i) % len(names)], deadline_s=1), Found) for i in range(1500))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(ask_all, range(0, 160, 10))) == [1500] * 16
    finally:
        sys.setswitchinterval(interval)
    assert sum(subject.cached(name) is not None for name in names) == 8
