"""Vulnerability Advisor over HTTPS. IBM has withdrawn the service: a small server answers as it was documented."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.reports.advisor import AdvisorHttp, AdvisorSettings
from imagegate.core.admission.lookup import DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.core.vulnerabilities.advisor import SERVICE, AdvisorStatus, AdvisorUnauthorized, NoAdvisorCredentials
from tests.support.certificates import Authority
from tests.support.simulator import Request, Response, Simulator

KEY, TOKEN = "an-api-key", "a-token"
STATUS = {
    "status": "OK",
    "scan_time": 1700000000,
    "issue_count": 0,
    "exempt_issue_count": 0,
    "vulnerability_count": 0,
    "exempt_vulnerability_count": 0,
    "configuration_issue_count": 0,
    "exempt_configuration_issue_count": 0,
}


class Advisor(Simulator):
    """Vulnerability Advisor and IAM's token service."""

    def __init__(self, ca: Authority) -> None:
        super().__init__(tls=ca.server)
        self.statuses: list[Response] = []
        """Answers to come; then ``OK``."""
        self.iam: Response = Response(
            body=json.dumps({"access_token": TOKEN, "expires_in": 3600, "expiration": 1700003600}).encode()
        )

    def answer(self, request: Request) -> Response:
        if request.path == "/identity/token":
            return self.iam
        return self.statuses.pop(0) if self.statuses else Response(body=json.dumps(STATUS).encode())

    def asked(self) -> list[Request]:
        """Requests for a status."""
        return [request for request in self.requests if request.method == "GET"]


@pytest.fixture
def advisor(ca: Authority) -> Iterator[Advisor]:
    with Advisor(ca) as running:
        yield running


class Clock:
    """A monotonic clock for the life of tokens."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def client(
    advisor: Advisor,
    ca: Authority,
    *,
    clock: Callable[[], float] = time.monotonic,
    waits: list[float] | None = None,
    **settings: str,
) -> AdvisorHttp:
    http = HttpClient(
        addresses=AddressPolicy.of(("127.0.0.1",)),
        ca_files=(str(ca.bundle),),
        limits=HttpLimits(attempts=3, backoff_s=9),
    )
    given = {"iam_url": f"{advisor.url}/identity/token"} | settings
    recorded = [] if waits is None else waits
    return AdvisorHttp(http, AdvisorSettings(**given), sleep=recorded.append, monotonic=clock)


def question(
    advisor: Advisor, *credentials: Credential, reference: str = "ns/app:v1", account: str = ""
) -> AdvisorStatus:
    secrets = tuple(
        PullSecret(f"s{number}", (PullSecretEntry(advisor.host, "", credential),))
        for number, credential in enumerate(credentials or (Credential("token", "t"),))
    )
    return AdvisorStatus(advisor.host, "ns/app", f"{advisor.host}/{reference}", account, secrets)


def unknown(answer: Lookup[str]) -> Unknown:
    assert isinstance(answer, Unknown)
    return answer


@pytest.mark.parametrize("version", ["v3", "v4"])
@pytest.mark.parametrize("account", ["", "0123abcd"])
def test_request(advisor: Advisor, ca: Authority, version: str, account: str) -> None:
    answer = client(advisor, ca, api_version=version).status(question(advisor, account=account), deadline_s=10)
    assert isinstance(answer, Found)
    assert answer.value == "OK"
    (request,) = advisor.asked()
    assert request.target == f"/va/api/{version}/report/image/status/{advisor.host}/ns/app:v1"
    assert request.headers.get("account", "") == account
    assert request.headers["authorization"] == "Basic dG9rZW46dA=="


def test_a_digest_keeps_its_at_sign(advisor: Advisor, ca: Authority) -> None:
    reference = "ns/app@sha256:" + "ab" * 32
    client(advisor, ca).status(question(advisor, reference=reference), deadline_s=10)
    assert advisor.asked()[0].target.endswith(f"/{advisor.host}/{reference}")


@pytest.mark.parametrize(
    "status", ["OK", "WARN", "UNSUPPORTED", "FAIL", "BLOCK", "INCOMPLETE", "UNSCANNED", "whatever"]
)
def test_every_status_is_passed_on_as_it_is(advisor: Advisor, ca: Authority, status: str) -> None:
    advisor.statuses = [Response(body=json.dumps(STATUS | {"status": status}).encode())]
    assert client(advisor, ca).status(question(advisor), deadline_s=10) == Found(
        status, f"{advisor.url}/va/api/v4/report/image/status/{advisor.host}/ns/app:v1"
    )


def test_an_api_key_is_exchanged_once_and_renewed_after_four_fifths_of_its_life(
    advisor: Advisor, ca: Authority
) -> None:
    clock = Clock()
    asker, key = client(advisor, ca, clock=clock), Credential("iamapikey", KEY)
    for clock.now in (0.0, 2879.0, 2881.0):
        assert isinstance(asker.status(question(advisor, key), deadline_s=10), Found)
    assert {request.headers["authorization"] for request in advisor.asked()} == {f"Bearer {TOKEN}"}
    exchanges = [request for request in advisor.requests if request.method == "POST"]
    assert len(exchanges) == 2
    assert exchanges[0].body.decode() == (
        f"grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey={KEY}&response_type=cloud_iam"
    )
    assert exchanges[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert exchanges[0].headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "refusal",
    [
        Response(400, b'{"errorCode": "BXNIM0415E"}'),
        Response(503),
        Response(drop=True),
        Response(body=b"no JSON"),
        Response(body=b'{"access_token": 7}'),
        Response(body=b'{"access_token": "with\\nline"}'),
        Response(302, headers={"Location": "https://127.0.0.1:1/"}),
        Response(body=b" " * 100_000),
    ],
)
def test_without_a_token_the_key_is_sent_as_basic(advisor: Advisor, ca: Authority, refusal: Response) -> None:
    advisor.iam = refusal
    assert isinstance(client(advisor, ca).status(question(advisor, Credential("iamapikey", KEY)), deadline_s=10), Found)
    assert advisor.asked()[0].headers["authorization"] == "Basic aWFtYXBpa2V5OmFuLWFwaS1rZXk="


@pytest.mark.parametrize("lifetime", ["null", '"3600"', "true", "-1", "0"])
def test_a_token_of_unknown_life_is_used_once(advisor: Advisor, ca: Authority, lifetime: str) -> None:
    advisor.iam = Response(body=f'{{"access_token": "{TOKEN}", "expires_in": {lifetime}}}'.encode())
    asker = client(advisor, ca)
    for _ in range(2):
        asker.status(question(advisor, Credential("iamapikey", KEY)), deadline_s=10)
    assert advisor.count("POST") == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_followed_by_the_next(advisor: Advisor, ca: Authority, status: int) -> None:
    advisor.statuses = [Response(status)]
    pair = (Credential("iambearer", "old"), Credential("token", "new"))
    assert isinstance(client(advisor, ca).status(question(advisor, *pair), deadline_s=10), Found)
    advisor.statuses = [Response(status), Response(status)]
    assert isinstance(client(advisor, ca).status(question(advisor, *pair), deadline_s=10), AdvisorUnauthorized)


def test_without_credentials_nothing_is_sent(advisor: Advisor, ca: Authority) -> None:
    foreign = PullSecret("s", (PullSecretEntry("us.icr.io", "", Credential("token", "t")),))
    asked = AdvisorStatus(advisor.host, "ns/app", f"{advisor.host}/ns/app:v1", "", (foreign,))
    assert isinstance(client(advisor, ca).status(asked, deadline_s=10), NoAdvisorCredentials)
    assert advisor.requests == []


@pytest.mark.parametrize("status, text", [(404, "Not found"), (400, "Bad request")])
def test_final_answers(advisor: Advisor, ca: Authority, status: int, text: str) -> None:
    advisor.statuses = [Response(status)]
    pair = (Credential("token", "a"), Credential("token", "b"))
    assert unknown(client(advisor, ca).status(question(advisor, *pair), deadline_s=10)).why == text
    assert len(advisor.asked()) == 1


@pytest.mark.parametrize(
    "status, text",
    [
        (500, "Internal server error"),
        (502, "Internal server error"),
        (503, "Internal server error"),
        (429, f"Unhandled response from {SERVICE}: 429"),
        (504, f"Unhandled response from {SERVICE}: 504"),
        (418, f"Unhandled response from {SERVICE}: 418"),
        (204, f"Unhandled response from {SERVICE}: 204"),
    ],
)
def test_three_attempts_after_none_one_and_two_seconds(advisor: Advisor, ca: Authority, status: int, text: str) -> None:
    waits: list[float] = []
    advisor.statuses = [Response(status)] * 3
    assert unknown(client(advisor, ca, waits=waits).status(question(advisor), deadline_s=10)).why == text
    assert waits == [1.0, 2.0]
    advisor.statuses = [Response(status)] * 2
    assert isinstance(client(advisor, ca).status(question(advisor), deadline_s=10), Found)


def test_a_connection_that_is_dropped_is_tried_again(advisor: Advisor, ca: Authority) -> None:
    advisor.statuses = [Response(drop=True)] * 3
    assert advisor.host in unknown(client(advisor, ca).status(question(advisor), deadline_s=10)).why
    assert len(advisor.asked()) == 3


def test_no_attempt_is_made_that_the_deadline_would_cut(advisor: Advisor, ca: Authority) -> None:
    advisor.statuses = [Response(500)] * 3
    answer = client(advisor, ca).status(question(advisor), deadline_s=0.9)
    assert unknown(answer).why == "Internal server error"
    assert len(advisor.asked()) == 1
    assert isinstance(client(advisor, ca).status(question(advisor), deadline_s=0), DeadlineExceeded)


def test_a_slow_answer_ends_with_the_deadline(advisor: Advisor, ca: Authority) -> None:
    advisor.statuses = [Response(body=b"{}", delay_s=5)]
    before = time.monotonic()
    assert isinstance(client(advisor, ca).status(question(advisor), deadline_s=0.5), DeadlineExceeded)
    assert time.monotonic() - before < 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'"OK"',
        b'{"status": ["OK"]}',
        b'{"status": "FAIL", "status": "OK"}',
        b'{"x": "' + b"a" * 70_000 + b'"}',
    ],
)
def test_an_answer_that_cannot_be_read_is_final(advisor: Advisor, ca: Authority, body: bytes) -> None:
    advisor.statuses = [Response(body=body)]
    assert not unknown(client(advisor, ca).status(question(advisor), deadline_s=10)).retryable
    assert len(advisor.asked()) == 1


def test_an_answer_that_is_cut_off_is_none(advisor: Advisor, ca: Authority) -> None:
    advisor.statuses = [Response(body=json.dumps(STATUS).encode() + b" " * 100, cut_after=len(json.dumps(STATUS)))] * 3
    assert "IncompleteRead" in unknown(client(advisor, ca).status(question(advisor), deadline_s=10)).why


def test_a_redirect_elsewhere_gets_no_credential(advisor: Advisor, ca: Authority) -> None:
    with Advisor(ca) as other:
        advisor.statuses = [Response(302, headers={"Location": f"{other.url}/va"})]
        client(advisor, ca).status(question(advisor), deadline_s=10)
        assert all("authorization" not in request.headers for request in other.requests)


def test_the_base_url_replaces_the_images_host(advisor: Advisor, ca: Authority) -> None:
    secret = PullSecret("s", (PullSecretEntry("us.icr.io", "", Credential("token", "t")),))
    asked = AdvisorStatus("us.icr.io", "ns/app", "us.icr.io/ns/app:v1", "", (secret,))
    assert isinstance(client(advisor, ca, base_url=f"{advisor.url}/").status(asked, deadline_s=10), Found)
    assert advisor.asked()[0].path == "/va/api/v4/report/image/status/us.icr.io/ns/app:v1"


def test_plain_http_is_refused(ca: Authority, advisor: Advisor) -> None:
    plain = f"http://{advisor.host}"
    assert (
        "may not be contacted"
        in unknown(client(advisor, ca, base_url=plain).status(question(advisor), deadline_s=5)).why
    )
