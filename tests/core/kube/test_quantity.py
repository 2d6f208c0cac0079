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
        ("1e3", "1k"),
        ("0", "0"),
        ("+2", "2"),
    ],
)
def test_canonical_forms(text: object, shown: str) -> None:
    assert str(Quantity.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1KB", "--1", ".", "1e999", "9" * 80, None, 1.5, True, [], {"a": 1}])
def test_what_is_none(text: object) -> None:
    with pytest.raises(InvalidInput, match="quantities must match"):
        Quantity.parse(text)


def test_comparisons_are_exact() -> None:
    assert Quantity.parse("1Ki").value == Quantity.parse("1024").value
    assert Quantity.parse("1500m").value < Quantity.parse("2").value
