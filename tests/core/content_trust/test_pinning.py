"""Which pin applies to a repository, and what a pin lets in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from imagegate.core.content_trust.errors import InvalidPinning, RootNotTrusted
from imagegate.core.content_trust.pinning import PinnedAuthority, PinnedKeys, Pinning
from imagegate.core.content_trust.repository import AnchorKind
from tests.support.trust_collection import GUN, Collection
from tests.support.trust_keys import NOW, issuer, public_pem, root_key

NO_MATCH = "could not validate the path to a trusted root: unable to match any certificates to trust_pinning config"


def test_an_exact_name_then_the_longest_prefix_then_a_ca() -> None:
    pins = Pinning(
        certs=(("r/*", ("short",)), ("r/a/*", ("long",)), ("r/a/b", ("exact",)), ("r/a/c*", ()), ("x", ("x",))),
        ca=(("r/", b"short"), ("q/", b"q"), ("q/a", b"longer")),
    )
    assert pins.pin("r/a/b") == PinnedKeys(frozenset({"exact"}))
    assert pins.pin("r/a/bb") == PinnedKeys(frozenset({"long"}))
    assert pins.pin("r/b") == PinnedKeys(frozenset({"short"}))
    assert pins.pin("r/a/cd") == PinnedKeys(frozenset())
    assert pins.pin("q/app") == PinnedAuthority(b"longer")
    assert pins.pin("q/b") == PinnedAuthority(b"q")
    assert pins.pin("other") is None
    assert pins.pin("xx") is None


def test_pins_are_not_printed_at_length() -> None:
    assert "PEM" not in repr(Pinning(ca=(("r", b"PEM"),))) + repr(PinnedAuthority(b"PEM"))


@pytest.mark.parametrize("form", ["listed", "canonical"])
def test_pinned_certificate(collection: Collection, form: str) -> None:
    key = collection.keys["root"][0]
    key_id = key.key_id if form == "listed" else key.bare.key_id
    result = collection.update(pins=Pinning(certs=(("registry.example.com/*", (key_id,)),), tofu=False))
    assert result.error is None
    assert not result.first_use
    assert result.state is not None
    assert result.state.anchor.kind is AnchorKind.PINNED_CERTIFICATE
    other = Collection().publish().refusal(pins=Pinning(certs=((GUN, (key_id,)),)))
    assert str(other) == NO_MATCH


def test_no_key_id_is_accepted_where_none_is_listed(collection: Collection) -> None:
    assert str(collection.refusal(pins=Pinning(certs=((GUN, ()),)))) == NO_MATCH


def test_pinned_ca() -> None:
    top, other = issuer("top"), issuer("other")
    collection = Collection()
    collection.keys["root"] = [root_key(GUN, issuer("middle", top))]
    collection.publish()
    result = collection.update(pins=Pinning(ca=(("registry.example.com/", other.pem + top.pem),)))
    assert result.error is None
    assert result.repository is not None
    assert result.repository.anchor.kind is AnchorKind.PINNED_CA
    assert str(collection.refusal(pins=Pinning(ca=(("registry.example.com/", other.pem),)))) == NO_MATCH


def test_only_root_keys_that_fit_the_pin_count(collection: Collection) -> None:
    """Two root keys with a threshold of one: the other one alone has signed."""
    pinned, other = root_key(GUN), root_key(GUN)
    pins = Pinning(certs=((GUN, (pinned.key_id,)),))
    collection.keys["root"] = [pinned, other]
    collection.signers["root"] = [other]
    collection.publish_root()
    error = collection.publish().refusal(pins=pins)
    assert type(error) is RootNotTrusted
    assert str(error).endswith("failed to validate integrity of roots")
    collection.publish_root()
    collection.publish().repository(pins=pins)


def test_first_use_may_be_off(collection: Collection) -> None:
    never = Pinning(tofu=False)
    error = collection.refusal(pins=never)
    assert type(error) is RootNotTrusted
    assert str(error).endswith("invalid trust pinning specified")
    assert collection.asked == []
    collection.repository(collection.state(), pins=never)


@pytest.mark.parametrize(
    "bundle, problem",
    [
        (b"", "could not load root cert from CA path"),
        (public_pem(root_key(GUN).private), "could not load root cert from CA path"),
        (issuer("past", after=NOW - timedelta(hours=1)).pem, "invalid CA certs provided"),
    ],
)
def test_unusable_ca(collection: Collection, bundle: bytes, problem: str) -> None:
    pins = Pinning(ca=((GUN, bundle),))
    with pytest.raises(InvalidPinning, match=problem):
        pins.check(NOW)
    error = collection.refusal(pins=pins)
    assert type(error) is RootNotTrusted
    assert str(error) == f"could not validate the path to a trusted root: {problem}"


def test_usable_ca() -> None:
    past, good = issuer("past", after=NOW - timedelta(hours=1)), issuer("good")
    Pinning(ca=((GUN, past.pem + good.pem),)).check(NOW)


def test_a_pin_goes_before_what_was_seen_first(collection: Collection) -> None:
    """A root of somebody else was seen first; whoever pins the true one is free of it."""
    evil = Collection().publish()
    state = evil.state()
    pins = Pinning(certs=((GUN, (collection.keys["root"][0].key_id,)),))
    result = collection.update(state, pins)
    assert result.error is None
    assert not result.first_use
    assert result.state is not None
    assert result.state.anchor.kind is AnchorKind.PINNED_CERTIFICATE
    assert str(evil.refusal(state, pins=pins)) == NO_MATCH
    assert evil.update(state, pins).state == state


def test_after_a_rotation_the_pin_decides_too(collection: Collection) -> None:
    old, new = collection.keys["root"][0], root_key(GUN)
    pins = Pinning(certs=((GUN, (old.key_id,)),))
    state = collection.state(pins=pins)
    collection.rotate_root(new)
    assert str(collection.publish("timestamp").refusal(state, pins=pins)) == NO_MATCH
    both = Pinning(certs=((GUN, (old.key_id, new.key_id)),))
    rotated = collection.state(state, pins=both)
    assert rotated.anchor == state.anchor
    collection.repository(rotated, pins=Pinning(certs=((GUN, (new.key_id,)),)))
