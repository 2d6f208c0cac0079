"""Trivy's JSON report (``trivy image --format json``), schema version 2.

Source: aquasecurity/trivy, pkg/types/report.go, pkg/fanal/types/artifact.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from imagegate.errors import Malformed, TooLarge

SCHEMA = 2
_IMAGES = frozenset({"container_image", "cyclonedx", "spdx"})
_OS_PACKAGES, _LIBRARIES = "os-pkgs", "lang-pkgs"
_NO_OS = frozenset({"", "none"})


def is_trivy(document: Mapping[str, Any]) -> bool:
    """True if the document says that it is a report of Trivy."""
    return "SchemaVersion" in document and ("ArtifactName" in document or "ArtifactType" in document)


def read_trivy(document: Mapping[str, Any]) -> Report:
    """Read the report. Raises ``Malformed``, ``TooLarge``."""
    if document["SchemaVersion"] != SCHEMA:
        raise Malformed(f"SchemaVersion is not {SCHEMA}")
    kind = text(document, "ArtifactType")
    if kind not in _IMAGES:
        raise Malformed(f"it is about a {kind[:40] or 'nothing'!r}, not about an image")
    metadata = child(document, "Metadata")
    system = child(metadata, "OS")
    config = child(metadata, "ImageConfig")
    results = objects(document, "Results")
    name = f"{text(system, 'Family')} {text(system, 'Name')}".strip()
    return Report(
        tool="Trivy",
        format="trivy",
        created=time(document, "CreatedAt"),
        digests=frozenset(digests_in(texts(metadata, "RepoDigests"))),
        image_ids=frozenset(digests_in((text(metadata, "ImageID"),))),
        platform=_platform(config),
        findings=tuple(_findings(results)),
        unproven=_unproven(text(system, "Family"), {text(result, "Class") for result in results}, name),
        end_of_life=name if system.get("EOSL") is True else "",
    )


def _platform(config: Mapping[str, Any]) -> Platform | None:
    architecture, system = text(config, "architecture"), text(config, "os")
    return Platform(architecture, system, text(config, "variant")) if architecture and system else None


def _unproven(family: str, classes: set[str], name: str) -> str:
    """Trivy lists what it compared with its database; an operating system that it does not know is only named."""
    if family not in _NO_OS and _OS_PACKAGES not in classes:
        return f"the packages of its operating system, {name}, were not scanned"
    if not classes & {_OS_PACKAGES, _LIBRARIES}:
        return "no packages were found in the image"
    return ""


def _findings(results: list[Mapping[str, Any]]) -> Iterator[Finding]:
    count = 0
    for result in results:
        for entry in objects(result, "Vulnerabilities"):
            count += 1
            if count > FINDINGS_MAX:
                raise TooLarge(f"it has more than {FINDINGS_MAX} vulnerabilities")
            identifier = text(entry, "VulnerabilityID")
            if not identifier:
                raise Malformed("a vulnerability has no VulnerabilityID")
            yield Finding(
                identifier,
                Severity.of(text(entry, "Severity")),
                text(entry, "PkgName"),
                text(entry, "InstalledVersion"),
                text(entry, "FixedVersion"),
                aliases=texts(entry, "VendorIDs"),
                purl=text(child(entry, "PkgIdentifier"), "PURL"),
            )
