"""Who a request comes from behind an API server. With the real one: tests/cluster/test_aggregated_api.py."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.request import User
from imagegate.core.admission.request_headers import DelegatedAuthentication, RequestHeaders
from imagegate.core.kube.status import StatusError
from imagegate.web.image_api.delegated_identity import DelegatedUsers
from imagegate.web.peer_certificate import PEER_CERTIFICATE
from imagegate.web.raw_headers import RAW_HEADERS
from tests.support.certificates import AN_HOUR, Authority, Certificate

ADMIN = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}
NAMES = st.sampled_from(
    [
        *("X-Remote-User", "x-remote-user", "X_Remote_User", "X-Remote-Group", "X-Remote-Uid", "X-Remote-Extra-a"),
        *("Impersonate-User", "X-Forwarded-User", "Authorization", "Forwarded", "X-Remote-User ", "Via"),
    ]
)
ROBOT = User("robot", groups=("system:serviceaccounts",))


class Tokens:
    """Knows one token."""

    def user(self, token: str, *, deadline_s: float) -> Lookup[User]:
        if token == "away":
            return Unknown("the bearer token could not be checked")
        return Found(ROBOT) if token == "good" else Absent("the API server does not accept the bearer token")


@pytest.fixture(scope="module")
def front_proxy(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("front-proxy"), "front-proxy-ca")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("clients"), "clients-ca")


@pytest.fixture(scope="module")
def published(front_proxy: Authority, clients: Authority) -> DelegatedAuthentication:
    names = RequestHeaders(("front-proxy-client",))
    return DelegatedAuthentication(names, front_proxy.bundle.read_text(), clients.bundle.read_text())


@pytest.fixture
def identify(published: DelegatedAuthentication) -> DelegatedUsers:
    return DelegatedUsers(lambda: published, Tokens())


def request(
    shown: Certificate | None, headers: Mapping[str, str], *, scheme: str = "https", raw: bool = True
) -> Request:
    environ: dict[str, object] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/apis",
        "SERVER_NAME": "imagegate",
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": scheme,
        "HTTP_HOST": "imagegate.imagegate.svc",
    }
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    if raw:
        environ[RAW_HEADERS] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    if shown is not None:
        environ[PEER_CERTIFICATE] = ssl.PEM_cert_to_DER_cert(shown.certificate.read_text())
    return Request(environ)


def refused(identify: Callable[[Request], User], asked: Request) -> tuple[int, str]:
    with pytest.raises(StatusError) as caught:
        identify(asked)
    return caught.value.status.code, caught.value.status.message


class TestHeaders:
    def test_beside_the_api_server_s_certificate_they_name_the_user(
        self, identify: DelegatedUsers, front_proxy: Authority
    ) -> None:
        user = identify(request(front_proxy.issue("front-proxy-client"), ADMIN))
        assert user == User("admin", groups=("system:masters", "system:authenticated"))

    def test_beside_anything_else_they_are_refused(
        self, identify: DelegatedUsers, front_proxy: Authority, clients: Authority, tmp_path: Path
    ) -> None:
        imitated = Authority(tmp_path, "front-proxy-ca").issue("front-proxy-client")
        for shown in (None, clients.issue("front-proxy-client"), imitated):
            code, why = refused(identify, request(shown, ADMIN))
            assert (code, "without a client certificate of the request-header CA" in why) == (401, True)
        code, why = refused(identify, request(front_proxy.issue("somebody"), ADMIN))
        assert (code, "x509: subject with cn=somebody is not in the allowed list" in why) == (401, True)

    def test_a_token_beside_them_helps_nobody(self, identify: DelegatedUsers) -> None:
        assert refused(identify, request(None, {**ADMIN, "Authorization": "Bearer good"}))[0] == 401

    def test_a_certificate_that_has_expired_since_the_handshake(
        self, identify: DelegatedUsers, front_proxy: Authority
    ) -> None:
        expired = front_proxy.issue("front-proxy-client", valid=(-2 * AN_HOUR, -AN_HOUR), file_name="expired")
        assert refused(identify, request(expired, ADMIN))[0] == 401

    def test_without_allowed_names_every_certificate_of_the_ca_will_do(
        self, published: DelegatedAuthentication, front_proxy: Authority
    ) -> None:
        anyone = DelegatedAuthentication(RequestHeaders(), published.request_header_ca)
        identify = DelegatedUsers(lambda: anyone, Tokens())
        assert identify(request(front_proxy.issue("somebody"), ADMIN)).name == "admin"

    def test_groups_without_a_user(self, identify: DelegatedUsers, front_proxy: Authority) -> None:
        shown = front_proxy.issue("front-proxy-client")
        code, why = refused(identify, request(shown, {"X-Remote-Group": "system:masters"}))
        assert (code, "name no user" in why) == (401, True)

    def test_an_anonymous_user_has_not_logged_in(self, identify: DelegatedUsers, front_proxy: Authority) -> None:
        named = {"X-Remote-User": "system:anonymous", "X-Remote-Group": "system:unauthenticated"}
        user = identify(request(front_proxy.issue("front-proxy-client"), named))
        assert user.groups == ("system:unauthenticated",)

    @pytest.mark.parametrize("header", ["Impersonate-User", "Impersonate-Group", "Impersonate-Extra-x"])
    def test_impersonation_is_never_read(self, identify: DelegatedUsers, front_proxy: Authority, header: str) -> None:
        shown = front_proxy.issue("front-proxy-client")
        assert refused(identify, request(shown, {**ADMIN, header: "admin"}))[0] == 403

    def test_refusals_are_logged_once_in_a_while(
        self, identify: DelegatedUsers, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            assert refused(identify, request(None, ADMIN))[0] == 401
        [line] = caplog.messages
        assert line.startswith("image API: Unauthorized: the request names a user in X-Remote-* headers")

    @given(st.lists(st.tuples(NAMES, st.sampled_from(["", "admin", "system:masters"])), max_size=6))
    def test_no_headers_make_a_user_without_a_certificate(self, pairs: list[tuple[str, str]]) -> None:
        identify = DelegatedUsers(DelegatedAuthentication, Tokens())
        asked = request(None, dict(pairs))
        asked.environ[RAW_HEADERS] = [(name.lower().encode(), value.encode()) for name, value in pairs]
        assert refused(identify, asked)[0] in (401, 403)


class TestRotation:
    def test_a_new_ca_counts_and_the_old_one_no_longer(
        self, published: DelegatedAuthentication, front_proxy: Authority, tmp_path: Path
    ) -> None:
        new = Authority(tmp_path, "front-proxy-ca")
        state = [published]
        identify = DelegatedUsers(lambda: state[0], Tokens())
        old_one, new_one = (each.issue("front-proxy-client") for each in (front_proxy, new))
        assert identify(request(old_one, ADMIN)).name == "admin"
        assert refused(identify, request(new_one, ADMIN))[0] == 401
        both = published.request_header_ca + new.bundle.read_text()
        state[0] = DelegatedAuthentication(published.request_headers, both)
        assert identify(request(old_one, ADMIN)).name == identify(request(new_one, ADMIN)).name == "admin"
        state[0] = DelegatedAuthentication(published.request_headers, new.bundle.read_text())
        assert refused(identify, request(old_one, ADMIN))[0] == 401
        assert identify(request(new_one, ADMIN)).name == "admin"

    def test_nobody_may_call_before_the_configuration_was_read(self, front_proxy: Authority) -> None:
        identify = DelegatedUsers(lambda: None, Tokens())
        assert refused(identify, request(front_proxy.issue("front-proxy-client"), ADMIN))[0] == 503

    def test_nobody_is_named_without_a_ca(self, front_proxy: Authority) -> None:
        identify = DelegatedUsers(DelegatedAuthentication, Tokens())
        assert refused(identify, request(front_proxy.issue("front-proxy-client"), ADMIN))[0] == 401


class TestDirectCallers:
    def test_a_certificate_of_a_user(self, identify: DelegatedUsers, clients: Authority) -> None:
        user = identify(request(clients.issue("ann", organizations=("dev", "ops")), {}))
        assert user == User("ann", groups=("dev", "ops", "system:authenticated"))

    def test_the_api_server_s_own_certificate_is_no_user(
        self, identify: DelegatedUsers, front_proxy: Authority
    ) -> None:
        assert refused(identify, request(front_proxy.issue("front-proxy-client"), {}))[0] == 401

    def test_a_certificate_without_a_name(self, identify: DelegatedUsers, clients: Authority) -> None:
        nameless = clients.issue("", organizations=("system:masters",), file_name="nameless")
        assert refused(identify, request(nameless, {}))[0] == 401

    @pytest.mark.parametrize(
        "given, code",
        [("Bearer good", 0), ("bearer good", 0), ("Bearer bad", 401), ("Bearer away", 503), ("Basic x", 401)],
    )
    def test_tokens(self, identify: DelegatedUsers, given: str, code: int) -> None:
        asked = request(None, {"Authorization": given})
        if code:
            assert refused(identify, asked)[0] == code
        else:
            assert identify(asked) == User("robot", groups=("system:serviceaccounts", "system:authenticated"))

    def test_nothing(self, identify: DelegatedUsers) -> None:
        assert refused(identify, request(None, {}))[0] == 401

    def test_a_browser_that_a_page_makes_send_its_user_s_certificate(
        self, identify: DelegatedUsers, clients: Authority
    ) -> None:
        assert refused(identify, request(clients.issue("ann"), {"Origin": "https://evil.example"}))[0] == 403

    @pytest.mark.parametrize("how", [{"scheme": "http"}, {"raw": False}])
    def test_without_tls_or_behind_another_server(
        self, identify: DelegatedUsers, front_proxy: Authority, how: dict[str, object]
    ) -> None:
        asked = request(front_proxy.issue("front-proxy-client"), ADMIN, **how)  # type: ignore[arg-type]
        assert refused(identify, asked)[0] == 401
