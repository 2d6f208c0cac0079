"""Quantities, as Kubernetes reads, compares and prints them."""

from __future__ import annotations

import pytest

from imagegate.core.kube.quantity import Quantity
from imagegate.errors import InvalidInput


@pytest.mark.parametrize(
    "text, shown",
    [
        ("1", "1"),
        (3, "3"),
        ("1000", "1k"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("0.5Ki", "512"),
        ("1Ki", "1Ki"),
        ("2048Ki", "2Mi"),
        ("1500Ki", "1500Ki"),
        ("1Gi", "1Gi"),
        ("1e3", "1e3"),
        ("1000e0", "1e3"),
        ("100e1", "1e3"),
        ("0", "0"),
        ("+2", "+2"),
        ("1000m", "1"),
        ("0.5Gi", "512Mi"),
        (".", "0"),
        (1.5, "1500m"),
        (" 1 ", "1"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("8Ei", "9223372036854775807"),
    ],
)
def test_canonical_forms(text: object, shown: str) -> None:
    assert str(Quantity.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "9" * 80, None, True, [], {"a": 1}])
def test_what_is_none(text: object) -> None:
    with pytest.raises(InvalidInput, match="quantities must match"):
        Quantity.parse(text)


@pytest.mark.parametrize("text", ["1KK", "1e", "1Em", "--1", "1e999", "1e-999999999"])
def test_suffixes_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="unable to parse quantity's suffix"):
        Quantity.parse(text)


@pytest.mark.parametrize("text, shown", [("1.0001", "1001m"), ("1500m", "1500m"), ("1n", "1m"), ("-1u", "-1m")])
def test_thousandths(text: str, shown: str) -> None:
    assert str(Quantity.parse(text).rounded_to_milli()) == shown


@pytest.mark.parametrize("one, other, total", [("1Ki", "1", "1025"), ("0", "1Ki", "1Ki"), ("500m", "500m", "1")])
def test_sums_are_written_as_the_first(one: str, other: str, total: str) -> None:
    assert str(Quantity.parse(one) + Quantity.parse(other)) == total


def test_comparisons_are_exact() -> None:
    assert Quantity.parse("1Ki").value == Quantity.parse("1024").value
    assert Quantity.parse("1500m").value < Quantity.parse("2").value
