"""OpenVEX: which statements speak of a finding, and which of several decides."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.vulnerabilities import openvex
from imagegate.core.vulnerabilities.openvex import VexDocument, deciding_statement, read_openvex
from imagegate.core.vulnerabilities.report import Finding, Severity
from imagegate.errors import EvidenceError, Malformed, TooLarge
from tests.support.scan_reports import DIGEST, OPENSSL, OTHER, REPOSITORY, dumped, purl, statement, vex

FINDING = Finding(
    OPENSSL[0], Severity.CRITICAL, "openssl", "3.0.11", aliases=("GHSA-1",), purl=purl("openssl", "3.0.11")
)
OLD, NEW = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"


def status(*documents: dict[str, Any], finding: Finding = FINDING) -> str:
    read = [read_openvex(dumped(document)) for document in documents]
    decided = deciding_statement(read, finding, frozenset({DIGEST}), REPOSITORY)
    return "" if decided is None else decided[0].status


def product(**fields: Any) -> dict[str, Any]:
    return {"vulnerability": {"name": OPENSSL[0]}, "products": [fields], "status": "not_affected"}


@pytest.mark.parametrize("stated", ["not_affected", "fixed", "affected", "under_investigation"])
def test_statuses(stated: str) -> None:
    document = read_openvex(dumped(vex(statement(status=stated))))
    assert document.author == "security@example.com"
    assert document.statements[0].suppresses is (stated in ("not_affected", "fixed"))
    assert status(vex(statement(status=stated))) == stated


@pytest.mark.parametrize(
    "named", [OPENSSL[0].lower(), "GHSA-1", {"name": "X-1", "aliases": ["GHSA-1"]}, {"name": OPENSSL[0]}]
)
def test_names_and_aliases(named: Any) -> None:
    assert status(vex(statement() | {"vulnerability": named})) == "not_affected"


def test_another_vulnerability_or_image() -> None:
    assert status(vex(statement("CVE-1"))) == ""
    assert status(vex(statement(digest=OTHER))) == ""


@pytest.mark.parametrize(
    "fields, covers",
    [
        ({"@id": f"pkg:oci/web@{DIGEST.replace(':', '%3A')}"}, True),
        ({"@id": "x", "identifiers": {"purl": f"pkg:oci/web@{DIGEST}"}}, True),
        ({"@id": "x", "hashes": {"sha-256": DIGEST[7:].upper()}}, True),
        ({"@id": f"pkg:oci/web?repository_url={REPOSITORY}"}, True),
        ({"@id": "pkg:oci/web?repository_url=registry.example.com%2Fshop"}, True),
        ({"@id": f"pkg:oci/web?repository_url={REPOSITORY}#sub"}, True),
        ({"@id": "pkg:oci/web?repository_url=registry.example.com/other"}, False),
        ({"@id": f"pkg:oci/web@v1?repository_url={REPOSITORY}"}, False),
        ({"@id": f"pkg:oci/web@{OTHER}?repository_url={REPOSITORY}"}, False),
        ({"@id": "pkg:oci/web"}, False),
        ({"@id": "pkg:deb/debian/openssl"}, False),
        ({"@id": "https://example.com/web"}, False),
        ({}, False),
    ],
)
def test_products(fields: dict[str, Any], covers: bool) -> None:
    assert bool(status(vex(product(**fields)))) is covers


def test_products_as_strings_and_no_products() -> None:
    assert status(vex(statement() | {"products": [f"pkg:oci/web@{DIGEST}"]}))
    assert not status(vex(statement() | {"products": None}))


@pytest.mark.parametrize(
    "package, covers",
    [
        (purl("openssl", "3.0.11"), True),
        ("pkg:deb/debian/openssl", True),
        ("pkg:deb/debian/openssl@3.0.11", True),
        ("pkg:deb/debian/openssl@3.0.12", False),
        ("pkg:deb/debian/zlib", False),
        ("", False),
    ],
)
def test_subcomponents(package: str, covers: bool) -> None:
    assert bool(status(vex(statement(packages=(package,))))) is covers


def test_subcomponents_as_strings_and_findings_without_a_package_url() -> None:
    entry = statement()
    entry["products"][0]["subcomponents"] = ["pkg:deb/debian/openssl"]
    assert status(vex(entry))
    assert not status(vex(entry), finding=Finding(OPENSSL[0], Severity.LOW))


def test_the_newest_statement_decides() -> None:
    old, new = statement(timestamp=OLD), statement(status="affected", timestamp=NEW)
    assert status(vex(old, new)) == status(vex(new), vex(old)) == "affected"
    assert status(vex(statement(timestamp=NEW), statement(status="affected", timestamp=OLD))) == "not_affected"


def test_at_the_same_time_the_stricter_one_decides() -> None:
    pair = statement(), statement(status="under_investigation")
    assert status(vex(*pair)) == status(vex(*reversed(pair))) == "under_investigation"


def test_a_statement_without_a_time_has_that_of_its_document_else_the_oldest() -> None:
    timeless = vex(statement(), timestamp=None)
    assert status(timeless, vex(statement(status="affected"), timestamp=OLD)) == "affected"
    assert status(timeless) == "not_affected"


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({}, "vulnerable_code_not_in_execute_path"),
        ({"justification": None, "impact_statement": "not called"}, "not called"),
        ({"justification": None, "action_statement": "update"}, "update"),
    ],
)
def test_reason(fields: dict[str, Any], reason: str) -> None:
    assert read_openvex(dumped(vex(statement(**fields)))).statements[0].reason == reason


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"@context": "https://openvex.dev/nsx"},
        {"@context": ["https://openvex.dev/ns/v0.2.0"]},
        vex() | {"author": ""},
        vex(statement(status="fine")),
        vex(statement() | {"vulnerability": {}}),
        vex(statement() | {"vulnerability": ""}),
        vex(statement() | {"products": "x"}),
        vex(statement() | {"products": [7]}),
        vex(statement(timestamp="then")),
        vex() | {"statements": {}},
    ],
)
def test_documents_that_cannot_be_read(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_openvex(dumped(document))


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvex, "STATEMENTS_MAX", 1)
    with pytest.raises(TooLarge):
        read_openvex(dumped(vex(statement(), statement())))
    monkeypatch.setattr(openvex, "VEX_MAX_BYTES", 10)
    with pytest.raises(TooLarge):
        read_openvex(dumped(vex()))
    with pytest.raises(EvidenceError):
        read_openvex(b"[" * 9)


def test_no_documents() -> None:
    assert deciding_statement((), FINDING, frozenset({DIGEST}), REPOSITORY) is None
    assert deciding_statement((VexDocument("a", ()),), FINDING, frozenset({DIGEST}), REPOSITORY) is None
