"""Trust data: what is asked again and when, what is remembered, what races, whose credentials are tried."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.content_trust.fetches import Fetch
from imagegate.core.content_trust.question import (
    AuthEndpointUnresolved,
    NoTrustCredentials,
    SignerSecret,
    TrustedImage,
    TrustRefused,
    UnusableSigner,
)
from imagegate.core.content_trust.repository import Repository
from imagegate.ports.content_trust import AuthEndpointError, NotAuthorized, TrustSession, TrustStoreError
from imagegate.service.evidence.content_trust import TrustLimits, TrustReader
from imagegate.wiring.content_trust import MemoryTrustStates
from tests.support.trust_collection import Collection, digest
from tests.support.trust_keys import NOW, ecdsa_key, public_pem

MANIFEST, OTHER = b'{"schemaVersion":2}', b'{"schemaVersion":2,"other":true}'
GUN = "registry.example.com/team/app"
V1 = TrustedImage(server="https://trust", registry="registry.example.com", repository="team/app", tag="v1")


class Clock:
    """Both clocks of the reader, moved together."""

    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds - 100)


@dataclass
class Session:
    """One credential; ``fails`` is raised by every request."""

    answer: Callable[[Fetch], Lookup[bytes]]
    fails: Exception | None = None
    reached: bool = True

    def fetch(self, fetch: Fetch, *, until: float) -> Lookup[bytes]:
        if self.fails is not None:
            raise self.fails
        return self.answer(fetch)


@dataclass
class Servers:
    """A trust server in memory."""

    collection: Collection
    before: list[Session] = field(default_factory=list)
    """Sessions that come first."""
    asked: int = 0

    def sessions(self, question: TrustedImage) -> Iterator[TrustSession]:
        self.asked += 1
        yield from self.before
        yield Session(self.collection.answer)


@pytest.fixture
def collection() -> Collection:
    made = Collection(GUN)
    made.tag("targets", "v1", MANIFEST)
    return made.publish()


@pytest.fixture
def servers(collection: Collection) -> Servers:
    return Servers(collection)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(servers: Servers, clock: Clock) -> TrustReader:
    return TrustReader(servers, MemoryTrustStates(), now=clock.now, monotonic=clock.monotonic)


def ask(reader: TrustReader, question: TrustedImage = V1) -> str:
    """The digest, or why there is none."""
    answer = reader.ask(question, deadline_s=5)
    return answer.value.signed.digest if isinstance(answer, Found) else answer.why


def test_nothing_is_asked_for_five_minutes(reader: TrustReader, servers: Servers, clock: Clock) -> None:
    assert reader.cached(V1) is None
    assert ask(reader) == digest(MANIFEST)
    clock.seconds += 299
    cached = reader.cached(V1)
    assert cached is not None
    assert cached is reader.cached(V1)
    assert ask(reader) == digest(MANIFEST)
    assert servers.asked == 1
    clock.seconds += 1
    assert reader.cached(V1) is None
    assert ask(reader) == digest(MANIFEST)
    assert servers.asked == 2


def test_nothing_is_used_past_its_expiry(servers: Servers, collection: Collection, clock: Clock) -> None:
    collection.expires["timestamp"] = (NOW + timedelta(seconds=60)).isoformat()
    collection.publish("timestamp")
    reader = TrustReader(servers, MemoryTrustStates(), now=clock.now, monotonic=clock.monotonic)
    assert ask(reader) == digest(MANIFEST)
    clock.seconds += 59
    assert reader.cached(V1) is not None
    clock.seconds += 2
    assert reader.cached(V1) is None
    assert "timestamp expired at" in ask(reader)


def repositories_in_memory() -> list[Repository]:
    """Of other tests, too; the list keeps them alive, so that their addresses are not used again."""
    return [each for each in gc.get_objects() if isinstance(each, Repository)]


def test_the_memory_of_repositories_is_bounded(servers: Servers, collection: Collection, clock: Clock) -> None:
    """An ImagePolicy may name a trust server with endless repositories of endless tags."""
    for number in range(9):
        collection.tag("targets", f"more-{number}", MANIFEST)
    collection.publish()
    limits = TrustLimits(tags_max=25)
    reader = TrustReader(servers, MemoryTrustStates(), limits=limits, now=clock.now, monotonic=clock.monotonic)
    asked = [replace(V1, server=f"https://trust{number}") for number in range(3)]
    before = repositories_in_memory()
    for question in asked:
        assert ask(reader, question) == digest(MANIFEST)
    gc.collect()
    assert [reader.cached(question) is not None for question in asked] == [False, True, True]
    known = {id(each) for each in before}
    assert len([each for each in repositories_in_memory() if id(each) not in known]) == 2
    assert ask(reader, asked[0]) == digest(MANIFEST)
    assert servers.asked == 4


def test_a_tag_that_is_not_there_is_looked_for_again_after_30_seconds(
    reader: TrustReader, servers: Servers, collection: Collection, clock: Clock
) -> None:
    v2 = replace(V1, tag="v2")
    assert ask(reader, v2) == "No valid trust data for v2"
    collection.tag("targets", "v2", OTHER)
    collection.publish("targets", "snapshot", "timestamp")
    clock.seconds += 29
    assert ask(reader, v2) == "No valid trust data for v2"
    assert servers.asked == 1
    clock.seconds += 1
    assert ask(reader, v2) == digest(OTHER)


def test_a_newer_reading_replaces_the_answers_of_the_older_one(
    reader: TrustReader, collection: Collection, clock: Clock
) -> None:
    assert ask(reader) == digest(MANIFEST)
    collection.tag("targets", "v1", OTHER)
    collection.tag("targets", "v2", OTHER)
    collection.publish("targets", "snapshot", "timestamp")
    clock.seconds += 31
    assert ask(reader, replace(V1, tag="v2")) == digest(OTHER)
    assert reader.cached(V1) is None
    assert ask(reader) == digest(OTHER)


def test_other_pull_secrets_are_another_reading(reader: TrustReader, servers: Servers) -> None:
    from tests.service.signing_setup import pull_secret

    assert ask(reader) == digest(MANIFEST)
    other = replace(V1, secrets=(pull_secret("registry.example.com", "a", "b"),))
    assert reader.cached(other) is None
    ask(reader, other)
    assert servers.asked == 2


def test_refusals_are_kept_for_30_seconds_and_outages_never(
    servers: Servers, collection: Collection, reader: TrustReader, clock: Clock
) -> None:
    good = dict(collection.files)
    collection.files.clear()
    answer = reader.ask(V1, deadline_s=5)
    assert isinstance(answer, Absent)
    collection.files.update(good)
    clock.seconds += 29
    assert isinstance(reader.ask(V1, deadline_s=5), Absent)
    clock.seconds += 1
    assert ask(reader) == digest(MANIFEST)
    clock.seconds += 300
    servers.before = [Session(lambda _fetch: Unknown("unable to reach trust server at this time: 503."))]
    fresh = TrustReader(servers, MemoryTrustStates(), now=clock.now, monotonic=clock.monotonic)
    assert ask(fresh) == "unable to reach trust server at this time: 503."
    servers.before = []
    assert ask(fresh) == digest(MANIFEST)


def test_many_at_once_are_one_update(reader: TrustReader, servers: Servers) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _number: ask(reader), range(64)))
    assert set(answers) == {digest(MANIFEST)}
    assert servers.asked == 1


def test_an_update_that_takes_too_long_ends_the_wait(servers: Servers, clock: Clock) -> None:
    going, end = threading.Event(), threading.Event()

    def slow(fetch: Fetch) -> Lookup[bytes]:
        going.set()
        end.wait(5)
        return servers.collection.answer(fetch)

    servers.before = [Session(slow)]
    reader = TrustReader(servers, MemoryTrustStates(), now=clock.now, monotonic=clock.monotonic)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, reader)
        assert going.wait(5)
        assert isinstance(reader.ask(replace(V1, tag="v2"), deadline_s=0.05), DeadlineExceeded)
        end.set()
        assert first.result() == digest(MANIFEST)


class TestSessions:
    def test_a_refused_credential_is_skipped(self, reader: TrustReader, servers: Servers) -> None:
        servers.before = [Session(servers.collection.answer, NotAuthorized("401")) for _ in range(2)]
        assert ask(reader) == digest(MANIFEST)

    def test_no_credential_is_left(self, collection: Collection) -> None:
        class Closed(Servers):
            def sessions(self, question: TrustedImage) -> Iterator[TrustSession]:
                yield Session(self.collection.answer, NotAuthorized("401"))

        answer = TrustReader(Closed(collection), MemoryTrustStates()).ask(V1, deadline_s=5)
        assert answer == NoTrustCredentials("401", retryable=False)

    def test_any_other_failure_ends_it(self, reader: TrustReader, servers: Servers) -> None:
        servers.before = [Session(lambda _fetch: Absent("nothing"))]
        assert ask(reader) == "nothing"

    def test_an_endpoint_that_is_not_named(self, reader: TrustReader, servers: Servers) -> None:
        servers.before = [Session(servers.collection.answer, AuthEndpointError("none"))]
        assert reader.ask(V1, deadline_s=5) == AuthEndpointUnresolved("none", retryable=False)

    def test_a_server_that_was_not_reached(self, reader: TrustReader, servers: Servers) -> None:
        servers.before = [Session(lambda _fetch: Unknown("refused"), reached=False)]
        assert reader.ask(V1, deadline_s=5) == AuthEndpointUnresolved("refused")

    def test_a_server_that_was_not_reached_in_time(self, reader: TrustReader, servers: Servers) -> None:
        servers.before = [Session(lambda _fetch: Unknown("refused"), reached=False)]
        assert isinstance(reader.ask(V1, deadline_s=0), DeadlineExceeded)


class TestSigners:
    def test_a_key_that_cannot_be_read(self, reader: TrustReader, servers: Servers) -> None:
        question = replace(V1, signers=(SignerSecret("s", b"alice", b"no key"),))
        assert reader.ask(question, deadline_s=5) == UnusableSigner("no valid public key found", retryable=False)
        assert servers.asked == 0

    def test_another_key_in_the_secret_is_another_question(self, reader: TrustReader, collection: Collection) -> None:
        alice, other = ecdsa_key(), ecdsa_key()
        collection.delegate("targets/alice", alice)
        collection.tag("targets/alice", "v1", MANIFEST)
        collection.publish("targets", "snapshot", "timestamp")
        good, bad = (
            replace(V1, signers=(SignerSecret("s", b"alice", public_pem(key.private)),)) for key in (alice, other)
        )
        assert ask(reader, good) == digest(MANIFEST)
        assert reader.cached(bad) is None
        answer = reader.ask(bad, deadline_s=5)
        assert isinstance(answer, TrustRefused)
        assert answer.why == "Public keys are different"
        assert answer.detail == "targets/alice version 1: Public keys are different"


class Failing(MemoryTrustStates):
    """A store that cannot be read or written."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self._reads = reads

    def get(self, server: str, gun: str) -> bytes | None:
        if not self._reads:
            raise TrustStoreError("images.db: disk error")
        return super().get(server, gun)

    def replace(self, server: str, gun: str, *, before: bytes | None, after: bytes) -> bool:
        raise TrustStoreError("images.db: disk full")


class TestMemory:
    @pytest.mark.parametrize("reads, trouble", [(True, "disk full"), (False, "disk error")])
    def test_what_cannot_be_remembered_is_not_trusted(self, servers: Servers, reads: bool, trouble: str) -> None:
        uses: list[int] = []
        reader = TrustReader(servers, Failing(reads=reads), first_use=lambda: uses.append(1))
        assert ask(reader) == f"what was trusted before cannot be read or stored: images.db: {trouble}"
        assert reader.cached(V1) is None
        assert uses == []

    def test_a_damaged_memory_is_no_first_use(self, servers: Servers) -> None:
        states = MemoryTrustStates()
        states.replace("https://trust", GUN, before=None, after=b"{}")
        answer = TrustReader(servers, states).ask(V1, deadline_s=5)
        assert isinstance(answer, Unknown)
        assert "stored trust state cannot be read" in answer.why

    def test_of_two_first_uses_at_once_one_counts(self, servers: Servers, collection: Collection) -> None:
        """Another process stores another root between reading and writing: the second attempt is judged by that."""
        thief = Collection(GUN)
        thief.tag("targets", "v1", OTHER)
        thief.publish()

        class Raced(MemoryTrustStates):
            raced = False

            def replace(self, server: str, gun: str, *, before: bytes | None, after: bytes) -> bool:
                if not self.raced:
                    self.raced = True
                    super().replace(server, gun, before=None, after=collection.state().encode())
                return super().replace(server, gun, before=before, after=after)

        uses: list[int] = []
        servers.collection = thief
        reader = TrustReader(servers, Raced(), first_use=lambda: uses.append(1))
        assert ask(reader).startswith("could not rotate trust to a new trusted root: ")
        assert uses == []

    def test_without_a_cache_every_question_is_asked(self, servers: Servers) -> None:
        limits = TrustLimits(accepted_s=0, refused_s=0)
        reader = TrustReader(servers, MemoryTrustStates(), limits=limits)
        assert [ask(reader), ask(reader)] == [digest(MANIFEST)] * 2
        assert reader.cached(V1) is None
        assert servers.asked == 2
