"""Fetches of an import: manifests, configurations and tags, at a limited rate and within a deadline.

Source: docs/spec/import-gate.md 6.1. What a registry answers becomes an ``Outcome``: an Image, or the Status that its
user is shown.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from imagegate.core.admission.lookup import Absent, Found, Impossible, Unknown
from imagegate.core.image_streams.objects import LEGACY, ImportObject
from imagegate.core.imports.image_object import JsonObject, image_object
from imagegate.core.imports.outcome import (
    Fetch,
    Imported,
    Outcome,
    RepositoryOutcome,
    absent,
    blocked,
    http_only,
    image_fetch,
    internal_error,
    not_v2,
    of_digest,
    of_tag,
    preferred_child,
    repository_fetch,
    unauthorized,
)
from imagegate.core.imports.tag_order import split_tags
from imagegate.core.kube.status import Status
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest, Platform
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.errors import EvidenceError
from imagegate.ports.registry import Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown

_log = logging.getLogger(__name__)
_NO_BASIC = "no basic auth credentials"

Progress = Callable[[int, int, str], None]
"""(done, total, reference of the next image)"""

Refusal = Callable[[Fetch], Status | None]


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """Settings of imports.

    Attributes:
        max_images_per_repository: tags fetched by a repository import; -1: all.
        default_import_mode: ``Legacy`` or ``PreserveOriginal``, if a request sets none.
        platform: of the server, for lists without another preference.
        requests_per_s: manifests fetched by one import, on average.
        burst: manifests that may be fetched without a pause.
        fetch_deadline_s: for one manifest with its configuration.
        node_secrets: those of the nodes now, tried after the namespace's own.
    """

    max_images_per_repository: int = 50
    default_import_mode: str = LEGACY
    platform: Platform = field(default_factory=lambda: Platform("amd64", "linux"))
    requests_per_s: float = 2.0
    burst: int = 3
    fetch_deadline_s: float = 30.0
    node_secrets: Callable[[], tuple[PullSecret, ...]] = tuple


class RateLimit:
    """A token bucket: ``burst`` at once, then ``rate`` per second."""

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._monotonic = monotonic
        self._sleep = sleep
        self._tokens = float(burst)
        self._at = monotonic()

    def wait(self, until: float) -> None:
        """Wait for the next token, not beyond ``until``."""
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            pause = min(-self._tokens / self._rate, max(0.0, until - now))
            if pause > 0:
                self._sleep(pause)


class ImageFetcher:
    """The fetches of one import, with its credentials, rate and deadline; every manifest is fetched once.

    Args:
        registry: for all requests.
        secrets: pull secrets in their order.
        settings: see ``ImportSettings``.
        until: deadline, as a value of ``monotonic``.
        now: creation time of new objects.
        monotonic: seconds.
        sleep: waits for the rate.
        progress: called before every fetch.
        refusal: the Status of a registry that must get no request, or None.
    """

    def __init__(
        self,
        registry: Registry,
        secrets: tuple[PullSecret, ...],
        *,
        settings: ImportSettings,
        until: float,
        now: datetime,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        progress: Progress | None = None,
        refusal: Refusal = lambda _source: None,
    ) -> None:
        self._refusal = refusal
        self._registry = registry
        self._secrets = secrets
        self._settings = settings
        self._until = until
        self._now = now
        self._monotonic = monotonic
        self._limiter = RateLimit(settings.requests_per_s, settings.burst, monotonic=monotonic, sleep=sleep)
        self._progress = progress
        self._fetched: dict[Fetch, Outcome] = {}
        self._done, self._total = 0, 0

    def fetch_all(
        self, import_: ImportObject, stream: JsonObject | None
    ) -> tuple[tuple[Outcome, ...], RepositoryOutcome | None]:
        """Outcomes of ``spec.images`` in their order, and of ``spec.repository``."""
        wanted = [image_fetch(entry, stream) for entry in import_.images]
        self._total = len(wanted)
        images = tuple(self._fetch(entry) for entry in wanted)
        if import_.repository is None:
            return images, None
        repository = repository_fetch(import_.repository)
        if isinstance(repository, Status):
            return images, RepositoryOutcome(failure=repository)
        return images, self._fetch_repository(repository)

    def _fetch_repository(self, repository: Fetch) -> RepositoryOutcome:
        refused = self._refusal(repository)
        if refused is not None:
            return RepositoryOutcome(failure=refused)
        answer = self._registry.tags(repository.image, access=self._access(repository), deadline_s=self._seconds_left)
        if not isinstance(answer, Found):
            shown = repository.image.exact
            return RepositoryOutcome(failure=_failure_status(answer, repository, shown, is_repository=True))
        tags, additional = split_tags(answer.value, self._settings.max_images_per_repository)
        self._total += len(tags)
        outcomes = tuple((tag, self._fetch(of_tag(repository, tag))) for tag in tags)
        return RepositoryOutcome(outcomes, tuple(additional))

    def _fetch(self, wanted: Fetch | Status) -> Outcome:
        if isinstance(wanted, Status):
            self._done += 1
            return wanted
        refused = self._refusal(wanted)
        if refused is not None:
            self._done += 1
            return refused
        if self._progress is not None:
            self._progress(self._done, self._total, wanted.image.exact)
        outcome = self._fetched.get(wanted)
        if outcome is None:
            self._limiter.wait(self._until)
            outcome = self._fetched[wanted] = self._fetch_new(wanted)
        self._done += 1
        if self._progress is not None and self._done == self._total:
            self._progress(self._done, self._total, "")
        return outcome

    def _fetch_new(self, wanted: Fetch) -> Outcome:
        manifest = self._manifest(wanted)
        if isinstance(manifest, Status):
            return manifest
        if not manifest.is_index:
            return self._imported(wanted, manifest)
        if wanted.mode != LEGACY:
            return self._imported_list(wanted, manifest)
        child = preferred_child(manifest, wanted.prefer, self._settings.platform)
        if child is None:
            return internal_error(f"{wanted.shown}: no manifests in manifest list")
        entry = self._manifest(of_digest(wanted, child.descriptor.digest))
        if isinstance(entry, Status):
            return entry
        if entry.is_index:
            return internal_error(f"{wanted.shown}: unsupported image manifest type: a list inside a list")
        return self._imported(wanted, entry)

    def _imported_list(self, wanted: Fetch, manifest: Manifest) -> Outcome:
        """The list itself, and every entry as an Image of its own."""
        entries: list[JsonObject] = []
        for child in manifest.children:
            outcome = self._fetch_new(of_digest(wanted, child.descriptor.digest))
            if isinstance(outcome, Status):
                return outcome
            entries.append(outcome.image)
        image = image_object(manifest, None, wanted.named(manifest.digest), now=self._now)
        return Imported(image, tuple(entries))

    def _imported(self, wanted: Fetch, manifest: Manifest) -> Outcome:
        config: bytes | None = None
        if manifest.config is not None:
            answer = self._registry.config(
                wanted.image, manifest, access=self._access(wanted), deadline_s=self._seconds_left
            )
            if not isinstance(answer, Found):
                return _failure_status(answer, wanted, wanted.shown)
            config = answer.value
        try:
            image = image_object(manifest, config, wanted.named(manifest.digest), now=self._now)
        except EvidenceError as error:
            return internal_error(f"{wanted.shown}: {error}")
        texts = (raw.decode("utf-8", "replace") for raw in (manifest.raw, config or b""))
        return Imported(image, (), *texts)

    @property
    def _seconds_left(self) -> float:
        """Seconds for the next request."""
        return max(0.0, min(self._until - self._monotonic(), self._settings.fetch_deadline_s))

    def _manifest(self, wanted: Fetch) -> Manifest | Status:
        answer = self._registry.manifest(wanted.image, access=self._access(wanted), deadline_s=self._seconds_left)
        return answer.value if isinstance(answer, Found) else _failure_status(answer, wanted, wanted.shown)

    def _access(self, wanted: Fetch) -> RegistryAccess:
        return RegistryAccess(self._secrets, insecure=wanted.insecure)


def _failure_status(
    answer: Absent | Impossible | Unknown, wanted: Fetch, shown: str, *, is_repository: bool = False
) -> Status:
    """The Status of an image that could not be fetched (docs/spec/import-gate.md 6.1).

    Args:
        shown: the reference in the message.
        is_repository: a registry without API v2 has its own message only for repositories.
    """
    if isinstance(answer, Absent):
        return absent(shown)
    _log.info("not imported: %s", answer.why)  # what the status says in Go's words, here with what to do
    error_kind, in_go = RegistryErrorKind.UNREACHABLE, ""
    if isinstance(answer, RegistryUnknown):
        error_kind, in_go = answer.error_kind, answer.in_go
    no_access = f'you may not have access to the container image "{shown}"'
    match error_kind:
        case RegistryErrorKind.NO_CREDENTIALS if is_repository and in_go.endswith(_NO_BASIC):
            return internal_error(in_go)
        case RegistryErrorKind.BAD_CREDENTIALS if not in_go:  # said by a token server
            return unauthorized(f'incorrect username or password for image "{shown}"')
        case RegistryErrorKind.UNAUTHORIZED | RegistryErrorKind.NO_CREDENTIALS | RegistryErrorKind.BAD_CREDENTIALS:
            return unauthorized(no_access)
        case RegistryErrorKind.REALM:
            return unauthorized(f"{no_access}: {answer.why}")
        case RegistryErrorKind.HTTP_ONLY if not in_go:
            return http_only(_repository_name(wanted.image))
        case RegistryErrorKind.BLOCKED:
            return blocked(answer.why)
        case RegistryErrorKind.NOT_V2 if is_repository:
            return not_v2(wanted.image.as_v2().with_docker_defaults().registry)
        case RegistryErrorKind.INTEGRITY:
            return internal_error(answer.why)
        case _ if in_go:
            return internal_error(in_go if is_repository else f"{shown}: {in_go}")
        case _:
            why = answer.why.removeprefix(f"{shown}: ")
            return internal_error(f"{shown}: {why}")


def _repository_name(image: ImageReference) -> str:
    return image.with_docker_defaults().repository_name
