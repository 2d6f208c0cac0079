"""References beyond the vectors: properties, and texts made to be slow."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.references.openshift import ImageReference, check_digest, is_digest
from imagegate.errors import InvalidDigest, InvalidReference

HEX = "0123456789abcdef"
component = st.from_regex(r"[a-z0-9]{1,8}((__|[._]|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
registry = st.one_of(
    st.just(""),
    st.just("localhost"),
    st.from_regex(r"[a-zA-Z0-9]{1,8}\.[a-z]{2,5}(:[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"[a-z]{1,8}:[0-9]{1,5}", fullmatch=True),
)
tag = st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
digest = st.one_of(st.just(""), st.text(HEX, min_size=64, max_size=64).map(lambda value: f"sha256:{value}"))


@st.composite
def references(draw: st.DrawFn) -> ImageReference:
    """References with every field as it could have been parsed, and a name."""
    host = draw(registry)
    namespace = (
        draw(component) if host else draw(component.filter(lambda text: "." not in text and text != "localhost"))
    )
    return ImageReference(host, namespace, draw(component), draw(tag), draw(digest))


def written(reference: ImageReference) -> str:
    host = f"{reference.registry}/" if reference.registry else ""
    label = f":{reference.tag}" if reference.tag else ""
    value = f"@{reference.id}" if reference.id else ""
    return f"{host}{reference.namespace}/{reference.name}{label}{value}"


@given(references())
def test_parsing_gives_back_what_was_written(reference: ImageReference) -> None:
    assert ImageReference.parse(written(reference)) == reference


@given(references())
def test_the_exact_text_parses_to_the_most_specific_reference(reference: ImageReference) -> None:
    assert ImageReference.parse(reference.exact) == reference.most_specific()


@given(references())
def test_the_printed_text_prints_the_same_again(reference: ImageReference) -> None:
    assert str(ImageReference.parse(str(reference))) == str(reference)


@given(references())
def test_defaults_and_repository_are_reached_in_one_step(reference: ImageReference) -> None:
    full = reference.with_docker_defaults()
    assert full.with_docker_defaults() == full
    assert reference.as_repository().canonical_repository == reference.canonical_repository
    assert full.registry
    assert full.tag


@given(st.text(max_size=300))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = ImageReference.parse(text)
    except InvalidReference:
        return
    assert reference.registry or reference.name
    assert text.isascii()


@given(references(), st.sampled_from("\n\0 \t/:@#?\u212a"))
def test_a_surplus_character_at_the_end_is_refused(reference: ImageReference, surplus: str) -> None:
    with pytest.raises(InvalidReference):
        ImageReference.parse(written(reference) + surplus)


def test_a_cached_answer_equals_a_fresh_one() -> None:
    long_tag = "registry.example:5000/team/app:" + "t" * 128
    assert ImageReference.parse(long_tag) == ImageReference.parse(long_tag)
    assert dataclasses.asdict(ImageReference.parse(long_tag))["tag"] == "t" * 128
    with pytest.raises(InvalidReference):
        ImageReference.parse(long_tag + "t")


SLOW_TEXTS = {
    "one component": "a" * 400_000,
    "separators": "a-" * 200_000,
    "single separators": "a_" * 200_000,
    "underscore pairs": "a__" * 130_000,
    "dashes": "a" + "-" * 400_000 + "!",
    "dots": "a." * 200_000 + "!",
    "components": "a/" * 200_000 + "A",
    "colons": "a:" * 200_000,
    "ports": "a:" + "1" * 400_000,
    "capitals": "A" * 400_000,
    "host without end": "a.b-" * 100_000 + "/",
    "digest": "a@sha256:" + "0" * 400_000,
    "algorithm": "a@" + "sha+" * 100_000,
    "at signs": "a@" * 200_000,
}


@pytest.mark.parametrize("text", SLOW_TEXTS.values(), ids=list(SLOW_TEXTS))
@pytest.mark.timeout(60)
def test_a_text_of_400_kilobytes_is_refused(text: str) -> None:
    """Steps that grew with the square of the length would run into the time limit by a factor of hundreds."""
    with pytest.raises(InvalidReference):
        ImageReference.parse(text)


def test_name_of_255_characters_is_the_longest() -> None:
    assert ImageReference.parse("a" * 255).name == "a" * 255
    with pytest.raises(InvalidReference, match="must not be more than 255"):
        ImageReference.parse("a" * 256)


@pytest.mark.parametrize(
    "text, why",
    [
        ("sha256:" + "0" * 64, ""),
        ("sha512:" + "A" * 128, ""),
        ("sha384:" + "f" * 96, ""),
        ("sha256:" + "0" * 63, "invalid checksum digest length"),
        ("sha512:" + "0" * 64, "invalid checksum digest length"),
        ("md5:" + "0" * 32, "unsupported digest algorithm"),
        ("sha256:" + "g" * 64, "invalid checksum digest format"),
        ("sha256:" + "0" * 64 + "\n", "invalid checksum digest format"),
        ("sha256", "invalid checksum digest format"),
        ("", "invalid checksum digest format"),
    ],
)
def test_digests(text: str, why: str) -> None:
    assert is_digest(text) is (not why)
    if not why:
        check_digest(text)
        return
    with pytest.raises(InvalidDigest, match=f"^{why}$"):
        check_digest(text)
