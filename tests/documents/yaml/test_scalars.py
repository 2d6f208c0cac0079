"""Plain scalars mean what Kubernetes' reader takes them for (go-yaml v2, resolve.go)."""

import pytest

from imagegate.documents.yaml.scalars import BadYaml, resolve_plain, resolve_tagged


@pytest.mark.parametrize(
    "text, value",
    [
        *[(word, True) for word in ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")],
        *[(word, False) for word in ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")],
        *[(word, None) for word in ("", "~", "null", "Null", "NULL")],
        ("yEs", "yEs"),
        ("nULL", "nULL"),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("1_000", 1000),
        ("010", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("08", 8.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("1.2.3", "1.2.3"),
        ("172.30.1.1:5000", "172.30.1.1:5000"),
        ("12:30:45", "12:30:45"),
        ("2001-12-14", "2001-12-14"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
        ("0x", "0x"),
        ("9" * 500, "9" * 500),
        ("docker.io", "docker.io"),
    ],
)
def test_plain(text: str, value: object) -> None:
    read = resolve_plain(text)
    assert read == value
    assert type(read) is type(value)


def test_special_floats() -> None:
    assert resolve_plain(".inf") == float("inf")
    assert resolve_plain("-.Inf") == -float("inf")
    assert str(resolve_plain(".NaN")) == "nan"


@pytest.mark.parametrize("text, tag", [("x", "int"), ("1.5", "int"), ("true", "float"), ("1", "bool"), ("x", "null")])
def test_a_tag_that_does_not_fit(text: str, tag: str) -> None:
    with pytest.raises(BadYaml, match=f"is not a {tag}"):
        resolve_tagged(text, f"tag:yaml.org,2002:{tag}")


def test_tags_that_fit() -> None:
    assert resolve_tagged("1", "tag:yaml.org,2002:float") == 1.0
    assert resolve_tagged("0x10", "tag:yaml.org,2002:int") == 16
    assert resolve_tagged("1", "tag:yaml.org,2002:binary") == "1"
