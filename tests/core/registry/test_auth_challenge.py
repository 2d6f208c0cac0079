"""WWW-Authenticate headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.auth_challenge import Challenge, parse_challenges, readable_challenges
from imagegate.errors import Malformed


def parse_challenge(header: str) -> Challenge:
    """The only challenge of a line."""
    (found,) = parse_challenges([header])
    return found


def shown(challenges: tuple[Challenge, ...]) -> list[tuple[str, dict[str, str]]]:
    return [(challenge.scheme, dict(challenge.parameters)) for challenge in challenges]


@pytest.mark.parametrize(
    "header, scheme, parameters",
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
            "bearer",
            {
                "realm": "https://auth.docker.io/token",
                "service": "registry.docker.io",
                "scope": "repository:a/b:pull",
            },
        ),
        ('BASIC Realm="x"', "basic", {"realm": "x"}),
        ("Basic realm=x", "basic", {"realm": "x"}),
        ('Bearer realm="a,b=\\"c\\"" , service = s', "bearer", {"realm": 'a,b="c"', "service": "s"}),
        ('Bearer realm="a",error="insufficient_scope"', "bearer", {"realm": "a", "error": "insufficient_scope"}),
        ("Negotiate", "negotiate", {}),
        ('Bearer realm="a",realm="b"', "bearer", {"realm": "a"}),
        ('  Bearer   realm="a",  ', "bearer", {"realm": "a"}),
    ],
)
def test_challenges(header: str, scheme: str, parameters: dict[str, str]) -> None:
    challenge = parse_challenge(header)
    assert challenge.scheme == scheme
    assert dict(challenge.parameters) == parameters


@pytest.mark.parametrize(
    "header, cause",
    [
        ("", "no auth-scheme found"),
        ('"', "no auth-scheme found"),
        ('Bearer "a"', "parameter expected"),
        ('Bearer realm="a" service="b"', "parameter expected"),
        ("Bearer realm", "parameter value missing"),
        ("Bearer realm=", "parameter value missing"),
        ('Bearer realm=""', "parameter value missing"),
        ('Bearer realm="a', "parameter value missing"),
        ("Bearer " + "a" * 9000, "header too long"),
    ],
)
def test_what_is_no_challenge(header: str, cause: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_challenge(header)
    assert str(caught.value) == f"Unable to parse WWW-Authenticate header '{header[:256]}': {cause}"


def test_lines_are_separate_challenges() -> None:
    assert [c.scheme for c in parse_challenges(['Basic realm="a"', 'Bearer realm="b"'])] == ["basic", "bearer"]


BEARER = ("bearer", {"realm": "https://r/t", "service": "s"})


@pytest.mark.parametrize(
    "header, expected",
    [
        ('Bearer realm="https://r/t",service="s", Basic realm="r"', [BEARER, ("basic", {"realm": "r"})]),
        ('Basic realm="r",Bearer realm="https://r/t" , service=s', [("basic", {"realm": "r"}), BEARER]),
        ('Basic realm="a, Bearer realm=b"', [("basic", {"realm": "a, Bearer realm=b"})]),
        ('Negotiate YIIabc==, bearer REALM="https://r/t",service="s"', [("negotiate", {}), BEARER]),
        ("Negotiate, NTLM , Basic", [("negotiate", {}), ("ntlm", {}), ("basic", {})]),
        (', ,Basic realm="r",,', [("basic", {"realm": "r"})]),
        (
            'Digest qop="auth,auth-int", nonce=n, Basic realm=r',
            [("digest", {"qop": "auth,auth-int", "nonce": "n"}), ("basic", {"realm": "r"})],
        ),
    ],
)
def test_several_challenges_in_a_line(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert shown(parse_challenges([header])) == expected
    assert shown(readable_challenges([header])) == expected


@pytest.mark.parametrize(
    "lines, expected",
    [
        (['"', 'Bearer realm="https://r/t",service="s"'], [BEARER]),
        (['Bearer realm="https://r/t",service="s" scope="x"'], [BEARER]),
        (['Bearer realm="https://r/t",service="s";scope="x"', "Basic"], [BEARER, ("basic", {})]),
        (['Bearer realm="https://r/t",service="s",scope="'], [BEARER]),
        (['Basic realm=""'], [("basic", {})]),
        (["a" * 9000, "Basic"], [("basic", {})]),
    ],
)
def test_what_is_readable_in_front_of_a_fault(lines: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert shown(readable_challenges(lines)) == expected
    with pytest.raises(Malformed, match="Unable to parse WWW-Authenticate header"):
        parse_challenges(lines)


@pytest.mark.parametrize("lines", [["", '"'], ["a" * 9000], ["\x00Basic"]])
def test_nothing_readable_is_an_error(lines: list[str]) -> None:
    with pytest.raises(Malformed):
        readable_challenges(lines)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        challenges = readable_challenges([text])
    except Malformed:
        return
    assert challenges
    assert all(all(challenge.parameters.values()) for challenge in challenges)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.text(min_size=1, max_size=20), min_size=1))
def test_what_is_quoted_comes_back(parameters: dict[str, str]) -> None:
    quoted = ",".join(
        '{}="{}"'.format(key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in parameters.items()
    )
    if "\n" not in quoted and len(quoted) < 8000:
        assert dict(parse_challenge(f"Bearer {quoted}").parameters) == parameters
