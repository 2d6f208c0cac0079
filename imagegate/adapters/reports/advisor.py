"""IBM Vulnerability Advisor over HTTP, API versions 3 and 4 (docs/spec/enforcement.md 14.2 to 14.4).

An API key goes to the token service of the settings, and, if that fails, as Basic credential to the service itself;
other credentials go to the service alone. Both are reached over HTTPS only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.credentials import basic, is_token
from imagegate.adapters.http.failures import UnavailableStatus
from imagegate.caching import TimedCache
from imagegate.core.admission.lookup import DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.kube.printable import printable
from imagegate.core.registry.manifest import bounded_json_object
from imagegate.core.registry.pull_secrets import Credential, credentials_for
from imagegate.core.vulnerabilities.advisor import (
    SERVICE,
    STATUS_MAX_BYTES,
    AdvisorStatus,
    AdvisorUnauthorized,
    NoAdvisorCredentials,
    read_status,
)
from imagegate.errors import EvidenceError, Unreachable
from imagegate.ports.vulnerabilities import VulnerabilityAdvisor

IAM_URL = "https://iam.cloud.ibm.com/identity/token"
API_KEY_USER = "iamapikey"
WAITS_S = (0.0, 1.0, 2.0)
"""Pauses before the attempts with one credential."""
ATTEMPT_S = 10.0
TOKENS_MAX = 1024
_TOKEN_SHARE = 0.8
"""Share of a token's life for which it is used."""
_TOKEN_MAX_S = 3600.0
_FAILED = frozenset({500, 502, 503})
_NOT_IN_TIME = "the status was not read in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisorSettings:
    """Address of Vulnerability Advisor, and its API version (``v3``, ``v4``). Empty ``base_url``: the image's host."""

    api_version: str = "v4"
    base_url: str = ""
    iam_url: str = IAM_URL


class AdvisorHttp:
    """The ``VulnerabilityAdvisor`` port over HTTPS. Safe for threads; caches tokens.

    Args:
        http: with the addresses and authorities that are permitted.
        settings: see ``AdvisorSettings``.
        sleep: waits between attempts; replaced in tests.
    """

    def __init__(
        self,
        http: HttpClient,
        settings: AdvisorSettings | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http.without_retries()
        self._settings = settings or AdvisorSettings()
        self._sleep = sleep
        self._tokens: TimedCache[bytes, str] = TimedCache(TOKENS_MAX, clock=monotonic)

    def status(self, question: AdvisorStatus, *, deadline_s: float) -> Lookup[str]:
        """See ``VulnerabilityAdvisor``."""
        until = time.monotonic() + deadline_s
        credentials = credentials_for(question.secrets, question.registry, question.repository)
        if not credentials:
            return NoAdvisorCredentials("no credentials", retryable=False)
        for credential in credentials:
            answer = self._with_credential(question, credential, until)
            if not isinstance(answer, AdvisorUnauthorized):
                return answer
        return AdvisorUnauthorized("unauthorised", retryable=False)

    def _with_credential(self, question: AdvisorStatus, credential: Credential, until: float) -> Lookup[str]:
        last: Unknown = DeadlineExceeded(_NOT_IN_TIME)
        for wait_s in WAITS_S:
            if time.monotonic() + wait_s >= until:
                return last
            if wait_s:
                self._sleep(wait_s)
            try:
                answer = self._ask(question, credential, min(until, time.monotonic() + ATTEMPT_S))
            except UnavailableStatus as error:
                last = Unknown(_failure(error.status))
            except Unreachable as error:
                last = DeadlineExceeded(_NOT_IN_TIME) if time.monotonic() >= until else Unknown(printable(str(error)))
            except EvidenceError as error:
                return Unknown(printable(str(error)), retryable=False)
            else:
                result = _result(answer)
                if result is not None:
                    return result
                last = Unknown(_failure(answer.status))
        return last

    def _ask(self, question: AdvisorStatus, credential: Credential, until: float) -> HttpAnswer:
        base = self._settings.base_url.rstrip("/") or f"https://{question.registry}"
        name = quote(question.reference, safe="/:@")
        return self._http.get(
            f"{base}/va/api/{self._settings.api_version}/report/image/status/{name}",
            until=until,
            max_bytes=STATUS_MAX_BYTES,
            headers={"Accept": "application/json", **({"Account": question.account} if question.account else {})},
            authorization=self._authorization(credential, until),
            subject=name.partition("@")[0],
        )

    def _authorization(self, credential: Credential, until: float) -> str:
        """``Bearer`` and a token for an API key, if one can be had; else ``Basic``."""
        if credential.username != API_KEY_USER:
            return basic(credential)
        key = hashlib.sha256(credential.password.encode("utf-8", "surrogatepass")).digest()
        token = self._tokens.get(key)
        if token is None:
            try:
                token, lifetime_s = self._new_token(credential.password, until)
            except EvidenceError:
                return basic(credential)
            self._tokens.put(key, token, ttl_s=_TOKEN_SHARE * lifetime_s)
        return f"Bearer {token}"

    def _new_token(self, api_key: str, until: float) -> tuple[str, float]:
        """A token for an API key, and its lifetime in seconds. Raises ``EvidenceError``."""
        form = {
            "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
            "apikey": api_key,
            "response_type": "cloud_iam",
        }
        answer = self._http.post_form(
            self._settings.iam_url,
            form,
            until=until,
            max_bytes=STATUS_MAX_BYTES,
            headers={"Accept": "application/json"},
        )
        if answer.status != 200:
            raise Unreachable(f"the token service answered with status {answer.status}")
        return _token(answer.body)


def _token(body: bytes) -> tuple[str, float]:
    document = bounded_json_object(body, "token")
    token = document.get("access_token")
    if not isinstance(token, str) or not is_token(token):
        raise Unreachable("the token service's answer has no access_token")
    lifetime = document.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, (int, float)):
        return token, 0.0
    return token, min(max(float(min(lifetime, 10**9)), 0.0), _TOKEN_MAX_S)


def _result(answer: HttpAnswer) -> Lookup[str] | None:
    """The result of an answer that ends the attempts; None where another attempt is worth it."""
    match answer.status:
        case 200:
            try:
                return Found(read_status(answer.body), answer.url)
            except EvidenceError as error:
                return Unknown(printable(str(error)), retryable=False)
        case 401 | 403:
            return AdvisorUnauthorized("unauthorised", retryable=False)
        case 404:
            return Unknown("Not found", retryable=False)
        case 400:
            return Unknown("Bad request", retryable=False)
    return None


def _failure(status: int) -> str:
    return "Internal server error" if status in _FAILED else f"Unhandled response from {SERVICE}: {status}"


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[VulnerabilityAdvisor] = AdvisorHttp
