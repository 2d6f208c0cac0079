"""Users in headers, as k8s.io/apiserver reads them (headerrequest/requestheader_test.go), and hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.core.admission.request import User
from imagegate.core.admission.request_headers import (
    VALUES_MAX,
    DelegatedAuthentication,
    InvalidRequestHeaders,
    RequestHeaders,
    read_delegated_authentication,
    with_authenticated_group,
)
from tests.support.certificates import Authority

HEADERS = RequestHeaders(uid=("X-Remote-Uid",))
LIST = '["X-Remote-User"]'


def sent(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in pairs]


class TestUser:
    def test_everything_that_headers_say(self) -> None:
        found = HEADERS.user(
            sent(
                ("X-Remote-User", "ann"),
                ("X-Remote-Uid", "42"),
                ("X-Remote-Group", "dev"),
                ("X-Remote-Extra-Scopes", "a"),
                ("X-Remote-Group", "ops"),
                ("X-Remote-Extra-scopes", "b"),
                ("X-Remote-Extra-example.com%2fproject", "p"),
            )
        )
        extra = (("example.com/project", ("p",)), ("scopes", ("a", "b")))
        assert found == User("ann", "42", ("dev", "ops", "system:authenticated"), extra)

    def test_a_group_with_a_comma_is_one_group(self) -> None:
        found = HEADERS.user(sent(("X-Remote-User", "ann"), ("X-Remote-Group", "a,system:masters")))
        assert found is not None
        assert found.groups == ("a,system:masters", "system:authenticated")

    @pytest.mark.parametrize(
        "pairs, name",
        [
            ([], None),
            ([("X-Remote-User", "")], None),
            ([("X-Remote-Group", "system:masters")], None),
            ([("X_Remote_User", "ann")], None),
            ([("X-Remote-Username", "ann")], None),
            ([("X-Remote-User", "ann"), ("X-Remote-User", "bob")], "ann"),
            ([("X-Remote-User", "Jürgen")], "Jürgen"),
        ],
    )
    def test_names(self, pairs: list[tuple[str, str]], name: str | None) -> None:
        found = HEADERS.user(sent(*pairs))
        assert (found and found.name) == name

    def test_the_second_header_counts_if_the_first_is_missing(self) -> None:
        headers = RequestHeaders(username=("X-Remote-User", "X-User"))
        for pairs in ([("X-User", "ann")], [("X-User", "ann"), ("X-Remote-User", "")]):
            found = headers.user(sent(*pairs))
            assert found is not None
            assert found.name == "ann"

    def test_a_uid_counts_only_if_its_header_is_configured(self) -> None:
        found = RequestHeaders().user(sent(("X-Remote-User", "ann"), ("X-Remote-Uid", "42")))
        assert found is not None
        assert found.uid == ""

    @pytest.mark.parametrize("key, read", [("a%2fb", "a/b"), ("a%2", "a%2"), ("a%zz", "a%zz"), ("%41", "A"), ("", "")])
    def test_keys_are_percent_decoded_where_that_is_possible(self, key: str, read: str) -> None:
        found = HEADERS.user(sent(("X-Remote-User", "ann"), (f"X-Remote-Extra-{key}", "v")))
        assert found is not None
        assert found.extra == ((read, ("v",)),)

    def test_bytes_that_are_no_text(self) -> None:
        for pair in ((b"x-remote-user", b"\xff"), (b"x-remote-group", b"\xff"), (b"x-remote-extra-%ff", b"v")):
            with pytest.raises(InvalidRequestHeaders, match="not UTF-8"):
                HEADERS.user([(b"x-remote-user", b"ann"), pair] if pair[0] != b"x-remote-user" else [pair])

    def test_too_many(self) -> None:
        groups = [("X-Remote-Group", str(number)) for number in range(VALUES_MAX)]
        assert HEADERS.user(sent(("X-Remote-User", "ann"), *groups)) is not None
        with pytest.raises(InvalidRequestHeaders, match="more than"):
            HEADERS.user(sent(("X-Remote-User", "ann"), *groups, ("X-Remote-Group", "last")))


@pytest.mark.parametrize(
    "name, claims",
    [
        ("X-Remote-User", True),
        ("x-remote-anything", True),
        ("X-Remote-Extra-Scopes", True),
        ("X-Own-User", True),
        ("X-Own-Extra-Scopes", True),
        ("X-Forwarded-For", False),
        ("X_Remote_User", False),
        ("Authorization", False),
    ],
)
def test_headers_that_claim_something_about_the_user(name: str, claims: bool) -> None:
    headers = RequestHeaders(username=("X-Own-User",), extra_prefixes=("X-Own-Extra-",))
    assert headers.name_a_user(sent((name, "x"))) is claims


class TestGroups:
    def test_who_has_logged_in_is_in_the_group_of_all_who_have(self) -> None:
        assert with_authenticated_group(User("ann")).groups == ("system:authenticated",)

    def test_who_has_not_is_not(self) -> None:
        for user in (User("system:anonymous"), User("x", groups=("system:unauthenticated",))):
            assert with_authenticated_group(user) == user


class TestConfiguration:
    def test_the_config_map_of_an_api_server(self, ca: Authority) -> None:
        bundle = ca.bundle.read_text()
        found = read_delegated_authentication(
            {
                "client-ca-file": bundle,
                "requestheader-client-ca-file": bundle,
                "requestheader-allowed-names": '["front-proxy-client"]',
                "requestheader-username-headers": LIST,
                "requestheader-group-headers": '["X-Remote-Group"]',
                "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
                "requestheader-uid-headers": '["X-Remote-Uid"]',
            }
        )
        assert found == DelegatedAuthentication(
            RequestHeaders(("front-proxy-client",), uid=("X-Remote-Uid",)), bundle, bundle
        )

    def test_nothing_is_assumed_where_it_says_nothing(self) -> None:
        found = read_delegated_authentication({})
        assert found.request_header_ca == found.client_ca == ""
        assert found.request_headers.user(sent(("X-Remote-User", "ann"))) is None

    @pytest.mark.parametrize(
        "data, why",
        [
            ({"requestheader-username-headers": "X-Remote-User"}, "is not JSON"),
            ({"requestheader-username-headers": "[" * 100_000}, "is not JSON"),
            ({"requestheader-username-headers": '"X-Remote-User"'}, "not a list"),
            ({"requestheader-username-headers": "[1]"}, "not a list"),
            ({"requestheader-extra-headers-prefix": '[""]'}, "empty string"),
            ({"requestheader-allowed-names": '{"a": 1}'}, "not a list"),
            ({"requestheader-allowed-names": ["a"]}, "not a string"),
            ({"client-ca-file": 7}, "not a string"),
            ({"client-ca-file": "no certificate"}, "the client CA cannot be read"),
            ({"requestheader-client-ca-file": "-----BEGIN CERTIFICATE-----\nAAAA\n"}, "CA cannot be read"),
            ({"requestheader-client-ca-file": "Jürgen"}, "CA cannot be read"),
        ],
    )
    def test_damaged_ones(self, data: dict[str, object], why: str) -> None:
        with pytest.raises(InvalidRequestHeaders, match=why):
            read_delegated_authentication(data)

    def test_a_bundle_that_is_cut_off(self, ca: Authority) -> None:
        text = ca.bundle.read_text()
        with pytest.raises(InvalidRequestHeaders):
            read_delegated_authentication({"requestheader-client-ca-file": text + text[: len(text) // 2]})

    def test_one_ca_for_users_and_the_api_server_needs_names(self, ca: Authority, tmp_path: Path) -> None:
        bundle, other = ca.bundle.read_text(), Authority(tmp_path, "another").bundle.read_text()
        named = RequestHeaders(allowed_names=("front-proxy-client",))
        assert DelegatedAuthentication(named, bundle, bundle).client_ca == bundle
        assert DelegatedAuthentication(RequestHeaders(), other, bundle).client_ca == bundle
        with pytest.raises(InvalidRequestHeaders, match="any user with a client certificate could name any other"):
            DelegatedAuthentication(RequestHeaders(), bundle + other, bundle)

    def test_a_path_is_no_bundle(self, ca: Authority) -> None:
        assert Path(ca.bundle).exists()
        with pytest.raises(InvalidRequestHeaders):
            DelegatedAuthentication(client_ca=str(ca.bundle))
