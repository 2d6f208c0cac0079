"""Answers ``TrustedImage``: updates a repository's trust data, remembers what was trusted, and finds the digest.

A verified repository is used for a while, and never past the expiry of any of its files. A question that it does not
satisfy is answered from newer data, so that a tag counts soon after it was signed. Refusals are kept for a short time,
outages never. What was trusted is stored before anything is answered from it: where that fails, nothing is trusted.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from imagegate.caching import BoundedCache
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.content_trust.errors import (
    InvalidPinning,
    InvalidSigner,
    InvalidTrustState,
    TrustDataError,
    TrustDataUnavailable,
)
from imagegate.core.content_trust.fetches import Fetch, run
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.question import (
    AuthEndpointUnresolved,
    NoTrustCredentials,
    TrustedDigest,
    TrustedImage,
    TrustRefused,
    UnusableSigner,
)
from imagegate.core.content_trust.repository import Repository
from imagegate.core.content_trust.signed_digest import SignedDigest, signed_by_digest, signed_digest
from imagegate.core.content_trust.signers import Signer, read_signer
from imagegate.core.content_trust.state import TrustState
from imagegate.core.content_trust.update import UpdateResult, update
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.ports.content_trust import (
    AuthEndpointError,
    NotAuthorized,
    TrustServers,
    TrustSession,
    TrustStates,
    TrustStoreError,
)

NOT_IN_TIME = "trust data was not read in time"
_RACES_MAX = 4
"""Attempts to store what was trusted while other processes store too."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrustLimits:
    """Limits of the trust data that one process caches (docs/spec/enforcement.md 17).

    Attributes:
        accepted_s: seconds until the server is asked for its timestamp again.
        refused_s: seconds for a refusal: something may have been signed since.
        repositories_max: repositories; the one used least recently goes first.
        images_max: answers.
        tags_max: tags in all these repositories, some 500 bytes each. Whoever names a trust server chooses how many
            a repository has.
    """

    accepted_s: float = 300.0
    refused_s: float = 30.0
    repositories_max: int = 1024
    images_max: int = 8192
    tags_max: int = 250_000


class _Place(NamedTuple):
    server: str
    gun: str
    secrets: tuple[PullSecret, ...]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Read:
    """The result of one update. Replaced whole, so that reading it needs no lock."""

    since: float
    repository: Repository | None
    refusal: Absent | TrustRefused | None = None


@dataclass(slots=True)
class _Known:
    """The lock holder updates; other callers wait, or use what is cached."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    read: weakref.ref[_Read] | None = None
    """Only the cache of what was read keeps it alive."""


class _Answer(NamedTuple):
    known: _Known
    read: weakref.ref[_Read]
    found: Found[TrustedDigest]


class TrustReader:
    """Reads and verifies trust data. Safe for threads.

    Args:
        servers: the trust servers.
        states: what was trusted before; shared by the processes of a service.
        pins: roots that are trusted by configuration.
        first_use: called when trust in a repository begins without a pin.
    """

    def __init__(
        self,
        servers: TrustServers,
        states: TrustStates,
        pins: Pinning | None = None,
        *,
        limits: TrustLimits | None = None,
        first_use: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._states = states
        self._pins = pins or Pinning()
        self._limits = limits or TrustLimits()
        self._first_use = first_use
        self._now = now
        self._monotonic = monotonic
        self._repositories: BoundedCache[_Place, _Known] = BoundedCache(self._limits.repositories_max)
        self._reads: BoundedCache[_Place, _Read] = BoundedCache(
            self._limits.repositories_max, most_weight=self._limits.tags_max, weight=_tags
        )
        self._updating: BoundedCache[tuple[str, str], threading.Lock] = BoundedCache(self._limits.repositories_max)
        self._answers: BoundedCache[TrustedImage, _Answer] = BoundedCache(self._limits.images_max)

    def cached(self, question: TrustedImage) -> Found[TrustedDigest] | None:
        """The cached answer, or None. Never waits."""
        answer = self._answers.get(question)
        if answer is None or answer.known.read is not answer.read:
            return None
        read = answer.read()
        return answer.found if read is not None and self._is_fresh(read) else None

    def ask(self, question: TrustedImage, *, deadline_s: float) -> Lookup[TrustedDigest]:
        """The trusted digest; one update at a time of the same repository."""
        until = time.monotonic() + deadline_s
        try:
            signers = self._signers(question)
        except InvalidSigner as error:
            return UnusableSigner(str(error), retryable=False)
        place = _Place(question.server, question.gun, question.secrets)
        known = self._repositories.get_or_put(place, _Known)
        if not known.lock.acquire(timeout=max(deadline_s, 0.0)):
            return DeadlineExceeded(NOT_IN_TIME)
        try:
            read = None if known.read is None else known.read()
            if read is not None and self._is_fresh(read):
                answer = self._answer(question, signers, known, read)
                self._reads.use(place)
                if isinstance(answer, Found) or self._age(read) < self._limits.refused_s:
                    return answer
            updated = self._updated(question, until)
            if not isinstance(updated, _Read):
                return updated
            known.read = weakref.ref(updated)
            self._reads.put(place, updated)
            return self._answer(question, signers, known, updated)
        finally:
            known.lock.release()

    def _signers(self, question: TrustedImage) -> tuple[Signer, ...]:
        now = self._now()
        return tuple(read_signer(each.secret, each.name, each.public_key, now) for each in question.signers)

    def _age(self, read: _Read) -> float:
        return self._monotonic() - read.since

    def _is_fresh(self, read: _Read) -> bool:
        if read.repository is None:
            return self._age(read) < self._limits.refused_s
        return self._age(read) < self._limits.accepted_s and read.repository.is_valid(self._now())

    def _answer(
        self, question: TrustedImage, signers: tuple[Signer, ...], known: _Known, read: _Read
    ) -> Lookup[TrustedDigest]:
        repository = read.repository
        if repository is None:
            assert read.refusal is not None  # noqa: S101 - one of the two is there
            return read.refusal
        try:
            signed = _signed(question, repository, signers)
        except TrustDataError as error:
            return _refusal(error)
        value = TrustedDigest(signed, repository.anchor, repository.timestamp_stored, repository.verified_at)
        found = Found(value, question.server)
        assert known.read is not None  # noqa: S101 - the caller has set it
        self._answers.put(question, _Answer(known, known.read, found))
        return found

    def _updated(self, question: TrustedImage, until: float) -> _Read | Absent | Unknown:
        """The finding of the first session that is let in."""
        why = "no credentials"
        for session in self._servers.sessions(question):
            try:
                return self._with_session(question, session, until)
            except NotAuthorized as error:
                why = str(error)
                if time.monotonic() >= until:
                    return DeadlineExceeded(NOT_IN_TIME)
            except AuthEndpointError as error:
                return AuthEndpointUnresolved(str(error), retryable=False)
        return NoTrustCredentials(why, retryable=False)

    def _with_session(self, question: TrustedImage, session: TrustSession, until: float) -> _Read | Absent | Unknown:
        # Callers with other pull secrets share the state, so that a second lock keeps them from racing for it.
        lock = self._updating.get_or_put((question.server, question.gun), threading.Lock)
        if not lock.acquire(timeout=max(until - time.monotonic(), 0.0)):
            return DeadlineExceeded(NOT_IN_TIME)
        try:
            return self._stored_update(question, session, until)
        except (TrustStoreError, InvalidTrustState) as error:
            _log.error(
                "trust data cannot be checked without what was trusted before",
                extra={"server": question.server, "gun": question.gun, "why": str(error)},
            )
            return Unknown(f"what was trusted before cannot be read or stored: {error}", retryable=False)
        finally:
            lock.release()

    def _stored_update(self, question: TrustedImage, session: TrustSession, until: float) -> _Read | Absent | Unknown:
        fetched: dict[str, Lookup[bytes]] = {}

        def fetch(wanted: Fetch) -> Lookup[bytes]:
            answer = fetched.get(wanted.name)
            if answer is None:
                answer = fetched[wanted.name] = session.fetch(wanted, until=until)
            return answer

        server, gun = question.server, question.gun
        for _ in range(_RACES_MAX):
            before = self._states.get(server, gun)
            state = None if before is None else TrustState.decode(before)
            since = self._monotonic()
            try:
                result = run(update(gun, state, self._pins, self._now()), fetch)
            except InvalidPinning as error:
                return TrustRefused(f"could not validate the path to a trusted root: {error}", retryable=False)
            after = None if result.state is None else result.state.encode()
            if after is None or after == before or self._states.replace(server, gun, before=before, after=after):
                if result.first_use:
                    self._report_first_use(server, gun, result)
                return _outcome(result, session, since, until)
        raise TrustStoreError("other processes change it all the time")

    def _report_first_use(self, server: str, gun: str, result: UpdateResult) -> None:
        keys = "" if result.repository is None else ", ".join(result.repository.anchor.key_ids)
        _log.warning(
            "first use of a repository's trust data: its root is trusted from now on; cise.trust.pinning names roots",
            extra={"server": server, "gun": gun, "root_keys": keys},
        )
        self._first_use()


def _tags(read: _Read) -> int:
    if read.repository is None:
        return 0
    return sum(len(role.targets) for role in read.repository.targets_roles)


def _signed(question: TrustedImage, repository: Repository, signers: tuple[Signer, ...]) -> SignedDigest:
    must_sign = question.signer_key_must_sign
    if question.digest:
        tag = question.tag or None
        return signed_by_digest(repository, question.digest, tag, signers, signer_key_must_sign=must_sign)
    return signed_digest(repository, question.tag, signers, signer_key_must_sign=must_sign)


def _outcome(result: UpdateResult, session: TrustSession, since: float, until: float) -> _Read | Absent | Unknown:
    if result.repository is not None:
        return _Read(since, result.repository)
    error = result.error
    assert error is not None  # noqa: S101 - without a repository there is an error
    if not isinstance(error, TrustDataUnavailable):
        return _Read(since, None, _refusal(error))
    if error.absent:
        return _Read(since, None, Absent(str(error)))
    if time.monotonic() >= until:
        return DeadlineExceeded(NOT_IN_TIME)
    if not session.reached:
        return AuthEndpointUnresolved(str(error))
    return Unknown(str(error), retryable=error.retryable)


def _refusal(error: TrustDataError) -> TrustRefused:
    return TrustRefused(str(error), retryable=False, detail=error.detail)
