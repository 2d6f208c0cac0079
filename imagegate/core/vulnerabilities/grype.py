"""Grype's JSON report (``grype IMAGE -o json``).

Source: anchore/grype, grype/presenter/models; anchore/syft, syft/source/image_metadata.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.registry.manifest import Platform
from imagegate.core.vulnerabilities.report import (
    FINDINGS_MAX,
    Finding,
    Report,
    Severity,
    child,
    digests_in,
    objects,
    text,
    texts,
    time,
)
from imagegate.errors import Malformed

_KNOWN = frozenset(
    {
        *("alma", "almalinux", "alpine", "amazonlinux", "amzn", "archlinux", "azurelinux", "bottlerocket", "centos"),
        *(
            "chainguard",
            "debian",
            "echo",
            "fedora",
            "mariner",
            "minimos",
            "ol",
            "openeuler",
            "opensuse",
            "opensuse-leap",
        ),
        *(
            "oraclelinux",
            "photon",
            "raspbian",
            "redhat",
            "rhel",
            "rocky",
            "rockylinux",
            "secureos",
            "sles",
            "sle-micro",
        ),
        *("ubuntu", "wolfi"),
    }
)
"""Operating systems with vulnerability data. Grype reports another one as an image without vulnerabilities."""
_EOL = "distro-eol"


def is_grype(document: Mapping[str, Any]) -> bool:
    """True if the document says that it is a report of Grype."""
    return "matches" in document and "descriptor" in document


def read_grype(document: Mapping[str, Any]) -> Report:
    """Read the report. Raises ``Malformed``, ``TooLarge``."""
    source = child(document, "source")
    kind = text(source, "type")
    if kind != "image":
        raise Malformed(f"it is about a {kind[:40] or 'nothing'!r}, not about an image")
    if document["matches"] is None:
        raise Malformed("matches is null")
    target, descriptor, distro = child(source, "target"), child(document, "descriptor"), child(document, "distro")
    matches = objects(document, "matches", FINDINGS_MAX)
    name = f"{text(distro, 'name')} {text(distro, 'version')}".strip()
    return Report(
        tool="Grype",
        format="grype",
        created=time(descriptor, "timestamp"),
        digests=frozenset(digests_in((text(target, "manifestDigest"), *texts(target, "repoDigests")))),
        image_ids=frozenset(digests_in((text(target, "imageID"),))),
        platform=_platform(target),
        findings=tuple(map(_finding, matches)),
        suppressed=tuple(
            (_finding(match), "ignored by Grype's configuration")
            for match in objects(document, "ignoredMatches", FINDINGS_MAX)
        ),
        unproven="" if matches or text(distro, "name").lower() in _KNOWN else _unproven(name),
        failed=_failed(descriptor),
        end_of_life=name if _is_end_of_life(document) else "",
    )


def _unproven(name: str) -> str:
    if not name:
        return "it names no operating system, and no packages"
    return f"nothing shows that the packages of its operating system, {name}, were compared with known vulnerabilities"


def _platform(target: Mapping[str, Any]) -> Platform | None:
    architecture, system = text(target, "architecture"), text(target, "os")
    return Platform(architecture, system, text(target, "architectureVariant")) if architecture and system else None


def _failed(descriptor: Mapping[str, Any]) -> str:
    database = child(descriptor, "db")
    status = child(database, "status") or database
    if error := text(status, "error"):
        return f"Grype's vulnerability database: {error}"
    if status.get("valid") is False:
        return "Grype's vulnerability database was not valid"
    configuration = child(descriptor, "configuration")
    for option in ("only-fixed", "only-notfixed", "ignore-wontfix"):
        if configuration.get(option) is True:
            return f"Grype was told to leave vulnerabilities out (--{option})"
    if configuration.get("exclude"):
        return "Grype was told to leave files out (--exclude)"
    return ""


def _is_end_of_life(document: Mapping[str, Any]) -> bool:
    packages = objects(document, "alertsByPackage")
    return any(text(alert, "type") == _EOL for package in packages for alert in objects(package, "alerts"))


def _finding(match: Mapping[str, Any]) -> Finding:
    vulnerability, artifact = child(match, "vulnerability"), child(match, "artifact")
    identifier = text(vulnerability, "id")
    if not identifier:
        raise Malformed("a match has no vulnerability.id")
    return Finding(
        identifier,
        Severity.of(text(vulnerability, "severity")),
        text(artifact, "name"),
        text(artifact, "version"),
        ", ".join(texts(child(vulnerability, "fix"), "versions")),
        aliases=tuple(filter(None, (text(each, "id") for each in objects(match, "relatedVulnerabilities")))),
        purl=text(artifact, "purl"),
    )
