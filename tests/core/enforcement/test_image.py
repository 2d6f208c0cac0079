"""Image strings: what upstream lets through and imagegate refuses, each beside a twin that passes."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.image import CiseImage, invalid_image_text, parse_image
from imagegate.errors import InvalidReference

HEX = "ab" * 32


@pytest.mark.parametrize(
    "refused, passes",
    [
        (f"app@sha256:{HEX.upper()}", f"app@sha256:{HEX}"),
        (f"app@sha256:{HEX[:-1]}", f"app@sha256:{HEX}"),
        (f"app@sha256:{HEX}@sha256:{HEX}", f"app:1@sha256:{HEX}"),
        (f"app@sha512:{HEX * 2}", f"app@sha256:{HEX}"),
        (f"app:1@sha384:{HEX}{HEX[:32]}", f"app:1@sha256:{HEX}"),
        ("a_b.c/x", "a-b.c/x"),
        ("r.io/App", "r.io/app"),
        ("r.io/app:", "r.io/app"),
        ("r.io/app\n", "r.io/app"),
        (HEX, HEX[:-1]),
        ("r.io/" + "a" * 256, "r.io/" + "a" * 255),
    ],
)
def test_stricter_than_upstream_with_a_twin(refused: str, passes: str) -> None:
    with pytest.raises(InvalidReference):
        parse_image(refused)
    assert parse_image(passes).original == passes


def test_weakness_suffix_test_of_ibm_registries() -> None:
    """``evilicr.io`` must not be asked for a vulnerability verdict about itself."""
    ibm = [name for name in ("icr.io", "us.icr.io", "evilicr.io", "registry.ng.bluemix.net") if is_ibm(name)]
    assert ibm == ["icr.io", "us.icr.io", "registry.ng.bluemix.net"]


def is_ibm(host: str) -> bool:
    return parse_image(f"{host}/a").is_ibm_registry


def test_ipv6_domain_keeps_its_brackets() -> None:
    image = parse_image("[2001:db8::1]:5000/a/b:1")
    assert (image.hostname, image.port, image.domain) == ("2001:db8::1", "5000", "[2001:db8::1]:5000")


def test_defaults_are_filled_in_but_the_original_is_kept() -> None:
    assert parse_image("nginx") == CiseImage("nginx", "docker.io", "library/nginx", "", "")
    index = parse_image("index.docker.io/nginx")
    assert (index.name, index.tag_or_latest) == ("docker.io/library/nginx", "latest")
    assert parse_image("nginx").at_digest(HEX) == f"docker.io/library/nginx@sha256:{HEX}"


@pytest.mark.parametrize(
    "image, spellings",
    [
        ("nginx", ("docker.io/library/nginx:latest", "docker.io/nginx:latest")),
        ("nginx:1", ("docker.io/library/nginx:1", "docker.io/nginx:1")),
        (f"nginx@sha256:{HEX}", (f"docker.io/library/nginx@sha256:{HEX}", f"docker.io/nginx@sha256:{HEX}")),
        ("me/app", ("docker.io/me/app:latest",)),
        ("r.io/library/app:1", ("r.io/library/app:1",)),
    ],
)
def test_spellings_for_normalisation(image: str, spellings: tuple[str, ...]) -> None:
    assert parse_image(image).spellings() == spellings


def test_hostile_text_is_quoted_as_go_does() -> None:
    assert invalid_image_text('a"\n\\é\u200b') == 'Deny "a\\"\\n\\\\é\\u200b", invalid image name'


@pytest.mark.parametrize(
    "text", ["a" * 200_000 + "!", "a-" * 100_000, "a/" * 100_000, "[" + ":" * 200_000, "a." * 100_000]
)
def test_long_hostile_texts_end(text: str) -> None:
    with pytest.raises(InvalidReference):
        parse_image(text)
