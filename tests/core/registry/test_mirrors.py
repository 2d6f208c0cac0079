"""Where an image may be had besides its own registry."""

from __future__ import annotations

import pytest

from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse, places_of

DIGEST = "@sha256:" + "0" * 64


def places(image: str, *rules: MirrorRule) -> list[str]:
    return [place.exact for place in places_of(ImageReference.parse(image).with_docker_defaults(), rules)]


def rule(source: str, *mirrors: str, use: MirrorUse = MirrorUse.ANY, never: bool = False) -> MirrorRule:
    return MirrorRule(source, mirrors, use, never)


@pytest.mark.parametrize(
    "source, image, expected",
    [
        ("quay.io", "quay.io/team/app:v1", "m.io/x/team/app:v1"),
        ("quay.io/team", "quay.io/team/app:v1", "m.io/x/app:v1"),
        ("quay.io/team/app", "quay.io/team/app:v1", "m.io/x:v1"),
        ("quay.io/tea", "quay.io/team/app:v1", None),
        ("quay.io.evil.com", "quay.io/team/app:v1", None),
        ("quay.io", "quay.io.evil.com/team/app:v1", None),
        ("*.redhat.io", "registry.redhat.io/ubi8:v1", "m.io/x/ubi8:v1"),
        ("*.redhat.io", "redhat.io/ubi8:v1", None),
        ("*.redhat.io", "evilredhat.io/ubi8:v1", None),
        ("docker.io", "nginx:v1", "m.io/x/library/nginx:v1"),
    ],
)
def test_sources(source: str, image: str, expected: str | None) -> None:
    own = ImageReference.parse(image).with_docker_defaults().exact
    assert places(image, rule(source, "m.io/x")) == ([expected, own] if expected else [own])


def test_digest_rules_are_for_digests_and_tag_rules_for_tags() -> None:
    by_digest = rule("quay.io", "m.io", use=MirrorUse.DIGEST)
    by_tag = rule("quay.io", "m.io", use=MirrorUse.TAG)
    assert places("quay.io/a/b" + DIGEST, by_digest)[0].startswith("m.io/")
    assert places("quay.io/a/b:v1", by_digest) == ["quay.io/a/b:v1"]
    assert places("quay.io/a/b:v1", by_tag)[0] == "m.io/a/b:v1"
    assert len(places("quay.io/a/b" + DIGEST, by_tag)) == 1


def test_the_longest_source_counts() -> None:
    rules = (rule("quay.io", "host.io"), rule("quay.io/team", "team.io"), rule("*.io", "any.io"))
    assert places("quay.io/team/app:v1", *rules)[0] == "team.io/app:v1"
    assert places("quay.io/other/app:v1", *rules)[0] == "host.io/other/app:v1"
    assert places("r.io/other/app:v1", *rules)[0] == "any.io/other/app:v1"


def test_several_mirrors_in_order_and_the_source_only_if_it_may_be_asked() -> None:
    assert places("q.io/a/b:v1", rule("q.io", "one.io", "two.io")) == ["one.io/a/b:v1", "two.io/a/b:v1", "q.io/a/b:v1"]
    assert places("q.io/a/b:v1", rule("q.io", "one.io", never=True)) == ["one.io/a/b:v1"]


def test_a_source_that_must_not_be_contacted_is_closed_for_tags_and_digests() -> None:
    by_digest = rule("q.io", "one.io", use=MirrorUse.DIGEST, never=True)
    assert places("q.io/a/b" + DIGEST, by_digest) == ["one.io/a/b" + DIGEST]
    assert places("q.io/a/b:v1", by_digest) == []
    by_tag = rule("q.io", "two.io", use=MirrorUse.TAG)
    assert places("q.io/a/b:v1", by_digest, by_tag) == ["two.io/a/b:v1"]
    assert places("q.io/a/b:v1", rule("Q.IO:443", never=True)) == []


def test_the_longest_source_says_if_it_may_be_contacted() -> None:
    rules = (rule("q.io", "one.io", never=True), rule("q.io/open", "two.io"))
    assert places("q.io/open/b:v1", *rules) == ["two.io/b:v1", "q.io/open/b:v1"]
    assert places("q.io/a/b:v1", *rules) == ["one.io/a/b:v1"]
