"""For which image a signature may speak; the vectors of ``cise_identity`` are run beside this."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.signing.identity import (
    IdentityRule,
    RemapIdentity,
    identity_matches,
    image_identity,
    signed_identity,
)
from imagegate.errors import InvalidPolicy, InvalidReference

DIGEST = "sha256:" + "ab" * 32


def rule(kind: str = "", **parameters: str) -> IdentityRule:
    return signed_identity(kind, **parameters)


@pytest.mark.parametrize(
    "identity, image, signed, accepted",
    [
        (rule(), "icr.io/a/b:1", "icr.io/a/b:1", True),
        (rule(), "icr.io/a/b:1", "icr.io/a/b", False),
        (rule(), "icr.io/a/b:1", "icr.io/a/b:2", False),
        (rule(), f"icr.io/a/b@{DIGEST}", "icr.io/a/b:anything", True),
        (rule(), f"icr.io/a/b@{DIGEST}", "icr.io/a/c:anything", False),
        (rule("matchRepoDigestOrExact"), f"icr.io/a/b@{DIGEST}", "icr.io/a/b:anything", True),
        (rule("matchExact"), f"icr.io/a/b@{DIGEST}", "icr.io/a/b:anything", False),
        (rule("matchExact"), f"icr.io/a/b@{DIGEST}", f"icr.io/a/b@{DIGEST}", True),
        (rule(), "busybox", "busybox:latest", True),
        (rule(), "busybox", "busybox", False),
        (rule("matchRepository"), "busybox", "index.docker.io/library/busybox", True),
        (rule("matchRepository"), "busybox", "busybox2", False),
        (rule("matchExactReference", docker_reference="b.io/x:1"), "a.io/m:9", "b.io/x:1", True),
        (rule("exactReference", docker_reference="b.io/x:1"), "a.io/m:9", "b.io/x:2", False),
        (rule("matchExactRepository", docker_repository="b.io/x"), "a.io/m:9", "b.io/x:7", True),
        (rule("exactRepository", docker_repository="b.io/x"), "a.io/m:9", "b.io/y:7", False),
        (rule("remapIdentity", prefix="a.io/m", signed_prefix="b.io/x"), "a.io/m/app:1", "b.io/x/app:1", True),
        (rule("remapIdentity", prefix="a.io/m", signed_prefix="b.io/x"), "a.io/m/app:1", "a.io/m/app:1", False),
        (rule("remapIdentity", prefix="a.io/m", signed_prefix="b.io/x"), "a.io/m:1", "b.io/x:1", True),
        (
            rule("remapIdentity", prefix="a.io/m", signed_prefix="b.io/x"),
            "a.io/mirror/app:1",
            "a.io/mirror/app:1",
            True,
        ),
        (
            rule("remapIdentity", prefix="a.io/m", signed_prefix="b.io/x"),
            "a.io/mirror/app:1",
            "b.io/xirror/app:1",
            False,
        ),
        (rule("remapIdentity", prefix="a.io", signed_prefix="b.io"), "a.io/app:1", "b.io/app:1", True),
        (rule("remapIdentity", prefix="a.io/m", signed_prefix="b"), "a.io/m/app:1", "b/app:1", False),
    ],
)
def test_examples(identity: IdentityRule, image: str, signed: str, accepted: bool) -> None:
    assert identity_matches(identity, image_identity(image), signed) is accepted


@pytest.mark.parametrize("signed", ["", "?", "icr.io/a/b:", "ICR.io/A/b:1", "icr.io/a/b:1 "])
@pytest.mark.parametrize("kind", ["", "matchExact", "matchRepository", "matchRepoDigestOrExact"])
def test_a_text_that_is_no_reference_never_fits(kind: str, signed: str) -> None:
    assert not identity_matches(rule(kind), image_identity("icr.io/a/b:1"), signed)


@pytest.mark.parametrize(
    "kind, parameters, error",
    [
        ("bogus", {}, "invalid SignedIdentity Type: bogus"),
        ("matchexact", {}, "invalid SignedIdentity Type: matchexact"),
        ("matchExactReference", {}, 'Invalid format of dockerReference "": invalid reference format'),
        (
            "matchExactReference",
            {"docker_reference": "a.io/b"},
            'dockerReference "a.io/b" contains neither a tag nor digest',
        ),
        (
            "matchExactRepository",
            {"docker_repository": "?"},
            'Invalid format of dockerRepository "?": invalid reference format',
        ),
        ("remapIdentity", {"signed_prefix": "a.io"}, 'prefix "" is not valid'),
        ("remapIdentity", {"prefix": "a.io"}, 'prefix "" is not valid'),
        ("remapIdentity", {"prefix": "a.io/b:1", "signed_prefix": "a.io"}, 'prefix "a.io/b:1" is not valid'),
        ("remapIdentity", {"prefix": "a.io/", "signed_prefix": "a.io"}, 'prefix "a.io/" is not valid'),
    ],
)
def test_bad_parameters(kind: str, parameters: dict[str, str], error: str) -> None:
    with pytest.raises(InvalidPolicy) as raised:
        signed_identity(kind, **parameters)
    assert str(raised.value) == error


def test_tag_and_digest_together_are_refused() -> None:
    with pytest.raises(InvalidReference, match="both a tag and digest"):
        image_identity(f"a.io/b:1@{DIGEST}")
    assert image_identity(f"a.io/b@{DIGEST}").tag == ""
    assert image_identity("a.io/b").tag == "latest"


names = st.sampled_from(["a.io/b:1", "a.io/b", "b", f"a.io/b@{DIGEST}", "c.io/b:1", "a.io/bb:1"])


@given(names, names)
def test_the_stricter_rule_never_accepts_more(image: str, signed: str) -> None:
    identity = image_identity(image)
    if identity_matches(rule("matchExact"), identity, signed):
        assert identity_matches(rule(), identity, signed)
    if identity_matches(rule(), identity, signed):
        assert identity_matches(rule("matchRepository"), identity, signed)


def test_rules_are_values() -> None:
    one = rule("remapIdentity", prefix="a.io", signed_prefix="b.io")
    assert one == RemapIdentity("a.io", "b.io")
    assert hash(one) == hash(RemapIdentity("a.io", "b.io"))
