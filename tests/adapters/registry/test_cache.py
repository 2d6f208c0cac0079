"""Merging and remembering: counted in what reaches the registry."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from imagegate.adapters.registry.cache import CachedRegistry, CacheLimits
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest, parse_manifest
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.registry import ANONYMOUS, RegistryAccess, RegistryErrorKind, RegistryUnknown
from tests.support.registry_simulator import OCI_MANIFEST, image, sha256

RAW, CONFIG = image("cached")
MANIFEST = parse_manifest(RAW, OCI_MANIFEST)
TAGGED = ImageReference.parse("r.io/team/app:v1")
PINNED = ImageReference.parse(f"r.io/team/app@{sha256(RAW)}")
ALICE = RegistryAccess((PullSecret("s", (PullSecretEntry("r.io", "", Credential("alice", "x")),)),))


@dataclass
class Upstream:
    """A ``Registry`` that counts, and waits for ``gate``."""

    answer: Lookup[Manifest] = field(default_factory=lambda: Found(MANIFEST, "upstream"))
    asked: list[tuple[str, str, float]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def _note(self, what: str, image: ImageReference, deadline_s: float) -> None:
        self.asked.append((what, image.exact, deadline_s))
        self.entered.set()
        assert self.gate.wait(30)

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        self._note("manifest", image, deadline_s)
        return self.answer

    def config(
        self, image: ImageReference, manifest: Manifest, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[bytes]:
        self._note("config", image, deadline_s)
        return Found(CONFIG, "upstream")

    def tags(
        self, repository: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[str, ...]]:
        self._note("tags", repository, deadline_s)
        return Found(("v1",), "upstream")

    def signatures(
        self, image: ImageReference, digest: str, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[bytes, ...]]:
        self._note("signatures", image, deadline_s)
        return Found((b"s",), "upstream")


def in_threads(count: int, work: Callable[[], object]) -> list[object]:
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_64_at_once_are_one_question() -> None:
    upstream = Upstream()
    upstream.gate.clear()
    cached = CachedRegistry(upstream)
    waiting = threading.Semaphore(0)

    def ask() -> object:
        waiting.release()
        return cached.manifest(TAGGED, deadline_s=30)

    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(ask())) for _ in range(64)]
    for thread in threads:
        thread.start()
    for _ in range(64):
        assert waiting.acquire(timeout=30)
    assert upstream.entered.wait(30)
    upstream.gate.set()
    for thread in threads:
        thread.join()
    assert len(results) == 64
    assert {answer.value.digest for answer in results if isinstance(answer, Found)} == {MANIFEST.digest}
    # who came after the flight had landed asks again, since a tag is not remembered; by digest nobody would
    assert len(upstream.asked) < 64
    upstream.asked.clear()
    in_threads(64, lambda: cached.manifest(PINNED, deadline_s=30))
    assert upstream.asked == []


def test_a_digest_is_asked_once_however_many_ask_and_whenever() -> None:
    for _ in range(20):
        upstream = Upstream()
        cached = CachedRegistry(upstream)
        answers = in_threads(16, lambda cached=cached: cached.manifest(PINNED, deadline_s=30))  # type: ignore[misc]
        assert len(answers) == 16
        assert len(upstream.asked) == 1


def test_a_digest_is_asked_once_and_a_tag_every_time() -> None:
    upstream = Upstream()
    cached = CachedRegistry(upstream)
    answers = [cached.manifest(PINNED, deadline_s=5) for _ in range(3)]
    assert answers == [Found(MANIFEST, "upstream"), Found(MANIFEST, "cache"), Found(MANIFEST, "cache")]
    assert len(upstream.asked) == 1
    for _ in range(3):
        cached.manifest(TAGGED, deadline_s=5)
    assert len(upstream.asked) == 4


def test_a_tag_is_remembered_as_long_as_told() -> None:
    now = [0.0]
    upstream = Upstream()
    cached = CachedRegistry(upstream, limits=CacheLimits(tag_ttl_s=10), clock=lambda: now[0])
    cached.manifest(TAGGED, deadline_s=5)
    now[0] = 9.9
    assert cached.manifest(TAGGED, deadline_s=5) == Found(MANIFEST, "cache")
    assert cached.manifest(PINNED, deadline_s=5) == Found(MANIFEST, "cache")
    now[0] = 10.1
    assert cached.manifest(TAGGED, deadline_s=5) == Found(MANIFEST, "upstream")
    assert cached.manifest(PINNED, deadline_s=5) == Found(MANIFEST, "cache")


def test_what_one_may_see_is_not_shown_to_another() -> None:
    upstream = Upstream()
    cached = CachedRegistry(upstream)
    cached.manifest(PINNED, access=ALICE, deadline_s=5)
    cached.config(PINNED, MANIFEST, access=ALICE, deadline_s=5)
    upstream.answer = RegistryUnknown("no", retryable=False, error_kind=RegistryErrorKind.NO_CREDENTIALS)
    assert cached.manifest(PINNED, deadline_s=5) == upstream.answer
    assert isinstance(cached.manifest(PINNED, access=ALICE, deadline_s=5), Found)
    cached.config(PINNED, MANIFEST, deadline_s=5)
    assert [what for what, _, _ in upstream.asked] == ["manifest", "config", "manifest", "config"]


@pytest.mark.parametrize("answer", [RegistryUnknown("down"), Absent("none")])
def test_trouble_and_absence_are_not_remembered(answer: Lookup[Manifest]) -> None:
    upstream = Upstream(answer)
    cached = CachedRegistry(upstream, limits=CacheLimits(tag_ttl_s=1000))
    assert cached.manifest(PINNED, deadline_s=5) == answer
    upstream.answer = Found(MANIFEST, "upstream")
    assert cached.manifest(PINNED, deadline_s=5) == upstream.answer


def test_ways_to_write_one_image_are_one_question() -> None:
    upstream = Upstream()
    cached = CachedRegistry(upstream)
    digest = sha256(RAW)
    for text in ("nginx", "docker.io/nginx:v1", "docker.io/library/nginx", "index.docker.io/library/nginx:latest"):
        cached.manifest(ImageReference.parse(f"{text}@{digest}"), deadline_s=5)
    assert len(upstream.asked) == 1
    cached.manifest(ImageReference.parse(f"quay.io/library/nginx@{digest}"), deadline_s=5)
    assert len(upstream.asked) == 2


def test_a_configuration_is_asked_once() -> None:
    upstream = Upstream()
    cached = CachedRegistry(upstream)
    answers = [cached.config(TAGGED, MANIFEST, deadline_s=5) for _ in range(3)]
    assert answers == [Found(CONFIG, "upstream"), Found(CONFIG, "cache"), Found(CONFIG, "cache")]
    for _ in range(2):
        cached.tags(TAGGED, deadline_s=5)
        cached.signatures(TAGGED, MANIFEST.digest, deadline_s=5)
    assert [what for what, _, _ in upstream.asked] == ["config", "tags", "signatures", "tags", "signatures"]


def test_who_waits_longer_than_the_first_asks_himself() -> None:
    """The first one's short deadline must not become everybody's."""
    upstream = Upstream(RegistryUnknown("out of time"))
    upstream.gate.clear()
    cached = CachedRegistry(upstream)
    patient: list[Lookup[Manifest]] = []
    first = threading.Thread(target=lambda: cached.manifest(TAGGED, deadline_s=0.01))
    first.start()
    assert upstream.entered.wait(30)
    second = threading.Thread(target=lambda: patient.append(cached.manifest(TAGGED, deadline_s=30)))
    second.start()
    upstream.gate.set()
    first.join()
    second.join()
    assert len(upstream.asked) == 2
    assert patient == [RegistryUnknown("out of time")]


def test_who_has_less_time_than_the_first_does_not_wait_for_it() -> None:
    upstream = Upstream()
    upstream.gate.clear()
    cached = CachedRegistry(upstream)
    first = threading.Thread(target=lambda: cached.manifest(TAGGED, deadline_s=30))
    first.start()
    assert upstream.entered.wait(30)
    answer = cached.manifest(TAGGED, deadline_s=0.01)
    upstream.gate.set()
    first.join()
    assert isinstance(answer, RegistryUnknown)
    assert "under way" in answer.why
