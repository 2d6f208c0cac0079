"""References as container tools read them; the vectors of ``cise_identity`` prove most of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.references.docker import DockerReference, check_digest, parse_canonical
from imagegate.errors import InvalidDigest, InvalidReference
from tests.support.counting import lines_run

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    "text, repository, tag, digest",
    [
        ("busybox", "docker.io/library/busybox", "", ""),
        ("busybox:1", "docker.io/library/busybox", "1", ""),
        ("index.docker.io/busybox", "docker.io/library/busybox", "", ""),
        ("docker.io/team/app", "docker.io/team/app", "", ""),
        ("team/app", "docker.io/team/app", "", ""),
        ("localhost/app", "localhost/app", "", ""),
        ("localhost:5000", "docker.io/library/localhost", "5000", ""),
        ("REG/app", "REG/app", "", ""),
        ("[::1]:5000/app:v1", "[::1]:5000/app", "v1", ""),
        (f"icr.io/a/b:1@{DIGEST}", "icr.io/a/b", "1", DIGEST),
        (f"a@sha512:{HEX}{HEX}", "docker.io/library/a", "", f"sha512:{HEX}{HEX}"),
        ("a_b.c/x", "a_b.c/x", "", ""),
        ("a.io/x__y-z--w", "a.io/x__y-z--w", "", ""),
    ],
)
def test_reads_and_fills_in_docker_io(text: str, repository: str, tag: str, digest: str) -> None:
    reference = DockerReference.parse(text)
    assert (reference.repository, reference.tag, reference.digest) == (repository, tag, digest)


@pytest.mark.parametrize(
    "text, error",
    [
        ("", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("app\n", "invalid reference format"),
        ("icr.io/a:", "invalid reference format"),
        ("icr.io/a/", "invalid reference format"),
        ("a-.io/x", "invalid reference format"),
        ("-a.io/x", "invalid reference format"),
        ("a.io/x___y", "invalid reference format"),
        ("App", "invalid reference format: repository name (library/App) must be lowercase"),
        ("icr.io/App:1", "invalid reference format: repository name (App) must be lowercase"),
        ("icr.io/a:\N{KELVIN SIGN}", "repository name must be lowercase"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        (f"a.io/{'x' * 256}", "repository name must not be more than 255 characters"),
        (f"a@sha256:{HEX[:-1]}", "invalid checksum digest length"),
        (f"a@sha256:{HEX.upper()}", "invalid checksum digest format"),
        (f"a@md5:{HEX[:32]}", "unsupported digest algorithm"),
        (f"a@SHA256:{HEX}", "invalid reference format: repository name (library/a@SHA256) must be lowercase"),
        (f"REG/a:1@Sha256:{HEX}", "invalid checksum digest format"),
    ],
)
def test_refuses_in_the_originals_words(text: str, error: str) -> None:
    with pytest.raises(InvalidReference) as raised:
        DockerReference.parse(text)
    assert str(raised.value) == error


def test_a_path_of_255_characters_is_the_longest() -> None:
    assert len(DockerReference.parse(f"a.io/{'x' * 255}").path) == 255


def test_long_texts_are_read_too() -> None:
    text = "a.io/" + "x/" * 600 + "y"
    with pytest.raises(InvalidReference, match="255"):
        DockerReference.parse(text)


@pytest.mark.parametrize(
    "text, familiar",
    [
        ("docker.io/library/busybox:1", "busybox:1"),
        ("docker.io/team/app", "team/app"),
        ("docker.io/library/a/b", "library/a/b"),
        ("icr.io/library/a:1", "icr.io/library/a:1"),
        (f"busybox@{DIGEST}", f"busybox@{DIGEST}"),
    ],
)
def test_familiar_form(text: str, familiar: str) -> None:
    assert DockerReference.parse(text).familiar == familiar


def test_canonical_form_is_asked_for() -> None:
    assert str(parse_canonical("a.io/b:1")) == "a.io/b:1"
    with pytest.raises(InvalidReference, match="canonical"):
        parse_canonical("b:1")


def test_default_tag_only_without_tag_and_digest() -> None:
    assert DockerReference.parse("a").with_default_tag().tag == "latest"
    assert DockerReference.parse("a:1").with_default_tag().tag == "1"
    assert DockerReference.parse(f"a@{DIGEST}").with_default_tag().tag == ""


@pytest.mark.parametrize("text", [DIGEST, f"sha384:{HEX}{HEX[:32]}", f"sha512:{HEX}{HEX}"])
def test_digests(text: str) -> None:
    check_digest(text)
    with pytest.raises(InvalidDigest, match="length"):
        check_digest(text[:-1])


@pytest.mark.parametrize("text", ["", "sha256:", "sha256", ":", f"sha256:{HEX[:-1]}g", f"Sha256:{HEX}"])
def test_texts_that_are_no_digest(text: str) -> None:
    with pytest.raises(InvalidDigest):
        check_digest(text)


@given(st.from_regex(r"\A[a-z0-9.:/@_\-A-Z]{0,60}\Z"))
def test_what_is_read_reads_the_same_again(text: str) -> None:
    try:
        reference = DockerReference.parse(text)
    except InvalidReference:
        return
    if reference.domain:
        assert DockerReference.parse(str(reference)) == reference
    assert DockerReference.parse(reference.familiar).path == reference.path


@pytest.mark.parametrize("unit", ["a-", "a.", "a_", "a:", "a/", "a@", "0", "a" * 7, "A", "-", "[:", "a__"])
def test_work_is_linear_in_the_length(unit: str) -> None:
    """Counted as Python lines; the grammar's possessive groups keep ``re`` itself from going back."""

    def read(size: int) -> int:
        text = unit * size + "!"

        def call() -> None:
            with pytest.raises(InvalidReference):
                DockerReference.parse(text)

        return lines_run(call)

    assert read(20_000) <= read(2_000) + 50
