"""Pull secrets: both formats, and which host and path a credential is for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.host_pattern import is_label_match, is_pattern
from imagegate.core.registry.pull_secrets import (
    Credential,
    InvalidPullSecret,
    PullSecret,
    credentials_for,
    parse_docker_config_json,
    parse_docker_configuration,
    parse_dockercfg,
    read_pull_secret,
)

ALICE = Credential("alice", "secret")


def auth(user: str = "alice", password: str = "secret", *, padded: bool = True) -> dict[str, str]:
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"auth": text if padded else text.rstrip("=")}


def config(**auths: Any) -> bytes:
    return json.dumps({"auths": auths}).encode()


def secret(auths: dict[str, Any], name: str = "pull") -> PullSecret:
    return PullSecret(name, parse_docker_config_json(json.dumps({"auths": auths})))


@pytest.mark.parametrize(
    "key, registry, repository, matches",
    [
        ("us.icr.io", "us.icr.io", "ns/app", True),
        ("https://us.icr.io", "us.icr.io", "ns/app", True),
        ("http://us.icr.io/v2/", "us.icr.io", "ns/app", True),
        ("US.icr.io", "us.ICR.io", "ns/app", True),
        ("us.icr.io", "us.icr.io.evil.com", "ns/app", False),
        ("us.icr.io", "evilus.icr.io", "ns/app", False),
        ("us.icr.io", "us.icr.io:443", "ns/app", False),
        ("us.icr.io:443", "us.icr.io", "ns/app", False),
        ("registry:5000", "registry:5000", "app", True),
        ("registry:5000", "registry:50001", "app", False),
        ("registry:5000", "registry", "app", False),
        ("https://index.docker.io/v1/", "docker.io", "library/nginx", True),
        ("docker.io", "index.docker.io", "library/nginx", True),
        ("index.docker.io", "registry-1.docker.io", "library/nginx", True),
        ("docker.io", "mydocker.io", "library/nginx", False),
        ("quay.io/team", "quay.io", "team/app", True),
        ("quay.io/team/", "quay.io", "team/app", True),
        ("quay.io/team/app", "quay.io", "team/app", True),
        ("quay.io/team", "quay.io", "teams/app", False),
        ("quay.io/team/app", "quay.io", "team/app2", False),
        ("quay.io/team/app", "quay.io", "team", False),
        ("*.example.com", "a.example.com", "x", True),
        ("*.example.com", "a.b.example.com", "x", False),
        ("*.example.com", "example.com", "x", False),
        ("r*.example.com:5000", "reg.example.com:5000", "x", True),
        ("r*.example.com:5000", "reg.example.com:5001", "x", False),
        ("*", "example", "x", True),
        ("*", "example.com", "x", False),
        ("r?g.example.com", "reg.example.com", "x", True),
        ("r?g.example.com", "rg.example.com", "x", False),
        ("r[de]g*.example.com", "reg1.example.com", "x", True),
        ("r[^e]g.example.com", "reg.example.com", "x", False),
        ("r[a-f]g.example.com", "rig.example.com", "x", False),
        ("r[e.example.com", "re.example.com", "x", False),
        ("[::1]:5000", "[::1]:5000", "x", True),
        ("https://quay.io/v2/team", "quay.io", "team/app", True),
        ("https://quay.io/v2/team", "quay.io", "other/app", False),
        ("https://quay.io/v1", "quay.io", "app", True),
    ],
)
def test_which_host_and_path_a_key_is_for(key: str, registry: str, repository: str, matches: bool) -> None:
    assert secret({key: auth()}).credentials_for(registry, repository) == ((ALICE,) if matches else ())


def test_the_longest_path_first_and_secrets_in_order() -> None:
    one = secret({"r.io": auth("host"), "r.io/team": auth("team"), "r.io/team/app": auth("app"), "*.io": auth("any")})
    two = secret({"r.io/team/app": auth("second")})
    users = [credential.username for credential in credentials_for([one, two], "r.io", "team/app")]
    assert users == ["app", "team", "host", "any", "second"]
    assert [c.username for c in credentials_for([two, one], "r.io", "team/other")] == ["team", "host", "any"]


@pytest.mark.parametrize(
    "entry, credential",
    [
        (auth(), ALICE),
        (auth("alice", "secre", padded=False), Credential("alice", "secre")),
        (auth(password="a:b:c"), Credential("alice", "a:b:c")),
        ({**auth(), "username": "bob", "password": "x"}, ALICE),
        ({"auth": "!!!", "username": "bob", "password": "x"}, Credential("bob", "x")),
        ({"auth": base64.b64encode(b"nocolon").decode(), "username": "bob", "password": "x"}, Credential("bob", "x")),
        ({"username": "bob", "password": ""}, Credential("bob", "")),
        ({}, None),
        (None, None),
        ({"auth": ""}, None),
        ({"auth": None, "username": "bob", "password": "x"}, Credential("bob", "x")),
        ({"username": "bob"}, Credential("bob", "")),
        ({"username": "bob", "password": None}, Credential("bob", "")),
        ({"Auth": auth()["auth"]}, ALICE),
        ({"USERNAME": "bob", "Password": "x"}, Credential("bob", "x")),
        ({"auth": auth()["auth"][:8] + "\r\n" + auth()["auth"][8:] + "\n"}, ALICE),
        ({"auth": auth("00000000-0000", "")["auth"], "identitytoken": "t"}, Credential("00000000-0000", "", "t")),
        ({"identitytoken": "t"}, Credential("", "", "t")),
        ({"registrytoken": "t"}, None),
        ({"username": 7, "password": "x"}, None),
    ],
)
def test_entries(entry: dict[str, Any] | None, credential: Credential | None) -> None:
    expected = () if credential is None else (credential,)
    assert secret({"r.io": entry}).credentials_for("r.io", "x") == expected


def test_both_kinds_of_secret() -> None:
    modern = {"metadata": {"name": "a"}, "data": {".dockerconfigjson": base64.b64encode(config(r=auth())).decode()}}
    legacy = {
        "metadata": {"name": "b"},
        "data": {".dockercfg": base64.b64encode(json.dumps({"r": auth()}).encode()).decode()},
    }
    plain = {"metadata": {"name": "c"}, "stringData": {".dockerconfigjson": config(r=auth()).decode()}}
    for written, name in ((modern, "a"), (legacy, "b"), (plain, "c")):
        read = read_pull_secret(written)
        assert read.name == name
        assert read.credentials_for("r", "x") == (ALICE,)


@pytest.mark.parametrize(
    "written, text",
    [
        (
            {"metadata": {"name": "a"}},
            "imagePullSecret a contains neither .dockercfg nor .dockerconfigjson",
        ),
        ({"data": {".dockerconfigjson": "not base64!"}}, ".dockerconfigjson is not base64"),
        ({"data": {".dockerconfigjson": base64.b64encode(b"{").decode()}}, "not JSON"),
        ({"data": {".dockerconfigjson": base64.b64encode(b"[" * 100_000).decode()}}, "not JSON"),
        ({"data": {".dockerconfigjson": base64.b64encode(b"[]").decode()}}, "not a JSON object"),
        ({"stringData": {".dockerconfigjson": '{"auths": []}'}}, None),
        ({"stringData": {".dockerconfigjson": '{"auths": [1]}'}}, "auths is not a JSON object"),
        ({"stringData": {".dockerconfigjson": '{"auths": {"r": 1}}'}}, "auths['r'] is not a JSON object"),
        ({"stringData": {".dockerconfigjson": " " * (1024 * 1024 + 1)}}, "more than"),
    ],
)
def test_what_is_no_pull_secret(written: dict[str, Any], text: str | None) -> None:
    if text is None:
        assert read_pull_secret(written).entries == ()
        return
    with pytest.raises(InvalidPullSecret, match=text.replace("[", r"\[")):
        read_pull_secret(written)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(secret({"r.io": auth()}))


hosts = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}(:[0-9]{2,4})?", fullmatch=True)
paths = st.from_regex(r"[a-z]{1,4}(/[a-z]{1,4}){0,2}", fullmatch=True)


@given(key_host=hosts, key_path=st.one_of(st.just(""), paths), host=hosts, path=paths)
def test_a_credential_only_for_its_own_host_and_below_its_path(
    key_host: str, key_path: str, host: str, path: str
) -> None:
    key = f"{key_host}/{key_path}" if key_path else key_host
    expected = key_host == host and f"{path}/".startswith(f"{key_path}/" if key_path else "")
    assert bool(secret({key: auth()}).credentials_for(host, path)) is expected
    assert secret({key: auth()}).credentials_for(key_host, f"{key_path}/app" if key_path else "app") == (ALICE,)


def test_dockercfg_is_the_auths_object_itself() -> None:
    (entry,) = parse_dockercfg(json.dumps({"https://r.io/v1/": {**auth(), "email": "a@b"}}))
    assert (entry.host, entry.path, entry.credential) == ("r.io", "", ALICE)


@pytest.mark.parametrize("key", ["auths", "Auths", "AUTHS"])
def test_names_in_any_case_as_go_reads_them(key: str) -> None:
    assert len(parse_docker_config_json(json.dumps({key: {"r.io": auth()}}))) == 1
    assert len(parse_docker_configuration(json.dumps({key: {"r.io": auth()}}))) == 1


def test_a_secret_in_wrapped_base64() -> None:
    wrapped = base64.encodebytes(config(**{"registry.example.com": auth()})).decode()
    assert "\n" in wrapped.strip()
    assert len(read_pull_secret({"data": {".dockerconfigjson": wrapped}}).entries) == 1


@given(st.text("abc", max_size=6), st.text("ab*?[]^-\\", max_size=8))
def test_a_label_is_matched_or_not(label: str, pattern: str) -> None:
    """Any pattern ends, and one without special characters matches itself only."""
    matched = is_label_match(label, pattern)
    if not is_pattern(pattern) and "\\" not in pattern:
        assert matched is (label == pattern)


def test_a_pattern_of_many_stars_ends() -> None:
    assert not is_label_match("a" * 63, "*a[ab]" * 30 + "c")
