"""Lookaside stores: one contract for HTTP and files, and what only HTTP can do wrong."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.signing.lookaside import LookasideFiles, LookasideHttp
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.pull_secrets import Credential
from imagegate.core.signing.requirements import SIGNATURE_MAX_BYTES, LookasideStore
from imagegate.ports.signatures import SignatureStore
from tests.support.certificates import Authority
from tests.support.lookaside import Lookaside
from tests.support.simulator import Request, Response, Simulator

DIGEST = "sha256:" + "ab" * 32
PATH = "team/app"


def http_store(*, ca_files: tuple[str, ...] = (), hosts: tuple[str, ...] = ("127.0.0.1",)) -> LookasideHttp:
    limits = HttpLimits(attempts=2, backoff_s=0.001)
    return LookasideHttp(HttpClient(addresses=AddressPolicy.of(hosts), ca_files=ca_files, limits=limits))


def ask(
    store: SignatureStore, url: str, number: int = 1, *, digest: str = DIGEST, path: str = PATH, deadline_s: float = 10
) -> Lookup[bytes]:
    return store.signature(LookasideStore.create(url), path, digest, number, deadline_s=deadline_s)


def unknown(answer: Lookup[bytes]) -> Unknown:
    assert isinstance(answer, Unknown)
    return answer


class TestContract:
    """What every store does."""

    @pytest.fixture(params=["http", "files"])
    def store(self, request: pytest.FixtureRequest, lookaside: Lookaside) -> tuple[SignatureStore, str]:
        if request.param == "http":
            return http_store(), lookaside.url
        return LookasideFiles(lookaside.directory), "https://not-asked.test.invalid"

    def test_numbers_until_there_are_no_more(self, store: tuple[SignatureStore, str], lookaside: Lookaside) -> None:
        lookaside.put(PATH, DIGEST, 1, b"first")
        lookaside.put(PATH, DIGEST, 2, b"second")
        answers = [ask(*store, number) for number in (1, 2, 3)]
        assert [answer.value for answer in answers[:2] if isinstance(answer, Found)] == [b"first", b"second"]
        assert isinstance(answers[2], Absent)

    def test_nothing_signed(self, store: tuple[SignatureStore, str]) -> None:
        assert isinstance(ask(*store), Absent)

    def test_the_repository_and_the_digest_are_told_apart(
        self, store: tuple[SignatureStore, str], lookaside: Lookaside
    ) -> None:
        lookaside.put(PATH, DIGEST, 1, b"first")
        assert isinstance(ask(*store, path="team/other"), Absent)
        assert isinstance(ask(*store, digest="sha256:" + "cd" * 32), Absent)

    def test_the_longest_signature(self, store: tuple[SignatureStore, str], lookaside: Lookaside) -> None:
        lookaside.put(PATH, DIGEST, 1, bytes(SIGNATURE_MAX_BYTES))
        lookaside.put(PATH, DIGEST, 2, bytes(SIGNATURE_MAX_BYTES + 1))
        assert isinstance(ask(*store, 1), Found)
        assert f"more than {SIGNATURE_MAX_BYTES} bytes" in unknown(ask(*store, 2)).why

    @pytest.mark.parametrize("digest", ["", "sha256:..", "../../etc", "sha256:" + "AB" * 32, "sha256:ab/../.."])
    def test_a_digest_that_is_none_becomes_no_path(
        self, store: tuple[SignatureStore, str], lookaside: Lookaside, digest: str
    ) -> None:
        assert not unknown(ask(*store, digest=digest)).retryable
        assert not lookaside.requests

    @pytest.mark.parametrize("path", ["", "..", "team/../other", "/team", "team//app", "team/."])
    def test_a_path_that_leaves_the_store_is_not_asked(
        self, store: tuple[SignatureStore, str], lookaside: Lookaside, path: str
    ) -> None:
        assert not unknown(ask(*store, path=path)).retryable
        assert not lookaside.requests


def test_files_that_cannot_be_read_are_no_answer(tmp_path: Path) -> None:
    folder = tmp_path / f"{PATH}@{DIGEST.replace(':', '=')}"
    (folder / "signature-1").mkdir(parents=True)
    assert "Is a directory" in unknown(ask(LookasideFiles(tmp_path), "https://x")).why


def test_layout_and_joining(lookaside: Lookaside) -> None:
    lookaside.put(f"below/{PATH}", DIGEST, 1, b"first")
    for url in (f"{lookaside.url}/below", f"{lookaside.url}/below/"):
        assert isinstance(ask(http_store(), url), Found)
    expected = f"/below/team/app@sha256={'ab' * 32}/signature-1"
    assert [request.target for request in lookaside.requests] == [expected] * 2


class Answering(Simulator):
    """Answers every request alike."""

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        super().__init__()
        self._respond = respond

    def answer(self, request: Request) -> Response:
        return self._respond(request)


@pytest.mark.parametrize("status", [204, 206, 301, 304, 400, 401, 403, 410, 418, 451, 599])
def test_only_404_means_no_more(status: int) -> None:
    with Answering(lambda _: Response(status)) as server:
        answer = unknown(ask(http_store(), server.url))
    assert f"status {status}" in answer.why


def test_a_server_error_is_asked_again_and_may_pass() -> None:
    with Answering(lambda _: Response(500)) as server:
        answer = unknown(ask(http_store(), server.url))
        assert answer.retryable
        assert "status 500" in answer.why
        assert server.count() == 2


def test_no_server_is_no_answer(lookaside: Lookaside) -> None:
    url = f"http://127.0.0.1:{lookaside.port}"
    lookaside.put(PATH, DIGEST, 1, b"first")
    assert isinstance(ask(http_store(), url), Found)
    with Lookaside(lookaside.directory) as other:
        gone = other.url
    assert unknown(ask(http_store(), gone)).retryable


def test_an_endless_body_is_dropped() -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while not server.stopping.is_set():
            sent += 1
            yield bytes(64 * 1024)

    with Answering(lambda _: Response(200, endless())) as server:
        answer = unknown(ask(http_store(), server.url))
    assert f"more than {SIGNATURE_MAX_BYTES} bytes" in answer.why
    assert not answer.retryable
    assert sent < 3 * SIGNATURE_MAX_BYTES / (64 * 1024)  # what was in flight, no more


def test_a_body_that_drips_ends_with_the_deadline() -> None:
    def drip() -> Iterator[bytes]:
        while not server.stopping.wait(0.05):
            yield b"x"

    with Answering(lambda _: Response(200, drip())) as server:
        answer = unknown(ask(http_store(), server.url, deadline_s=0.5))
    assert answer.retryable


def test_a_body_cut_off_is_no_signature() -> None:
    with Answering(lambda _: Response(200, b"signature", cut_after=4)) as server:
        assert isinstance(ask(http_store(), server.url), Unknown)


def test_the_credential_goes_to_the_store_only() -> None:
    with Answering(lambda _: Response(200, b"elsewhere")) as elsewhere:
        target = f"{elsewhere.url}/x"
        with Answering(lambda _: Response(302, headers={"Location": target})) as server:
            store = LookasideStore.create(server.url, Credential("us@er", "pa:ss/%"))
            answer = http_store().signature(store, PATH, DIGEST, 1, deadline_s=10)
    assert isinstance(answer, Found)
    assert base64.b64decode(server.requests[0].headers["authorization"].removeprefix("Basic ")) == b"us@er:pa:ss/%"
    assert "authorization" not in elsewhere.requests[0].headers


def test_without_a_credential_none_is_sent(lookaside: Lookaside) -> None:
    ask(http_store(), lookaside.url)
    assert "authorization" not in lookaside.requests[0].headers


def test_private_addresses_must_be_named_in_the_settings(lookaside: Lookaside) -> None:
    answer = unknown(ask(http_store(hosts=()), lookaside.url))
    assert not answer.retryable
    assert not lookaside.requests


def test_certificates_are_checked(lookaside: Lookaside, ca: Authority) -> None:
    lookaside.put(PATH, DIGEST, 1, b"first")
    with Lookaside(lookaside.directory, tls=ca.server) as server:
        assert isinstance(ask(http_store(ca_files=(str(ca.bundle),)), server.url), Found)
        assert "certificate" in unknown(ask(http_store(), server.url)).why


@pytest.mark.parametrize("url", ["http://", "http://[bad", "https://user:secret@127.0.0.1/x", "http://127.0.0.1:99999"])
def test_urls_that_cannot_be_asked(url: str) -> None:
    answer = unknown(ask(http_store(), url))
    assert not answer.retryable
    assert "secret" not in answer.why
