"""Reports of scanners in the shapes that the scanners write, made for one image."""

from __future__ import annotations

import json
from typing import Any

DIGEST = "sha256:" + "a1" * 32
CONFIG = "sha256:" + "c1" * 32
LIST = "sha256:" + "11" * 32
OTHER = "sha256:" + "0b" * 32
REPOSITORY = "registry.example.com/shop/web"
CREATED = "2026-11-22T10:00:00Z"
OPENSSL = ("CVE-2024-0001", "CRITICAL", "openssl", "3.0.11", "3.0.14")
ZLIB = ("CVE-2023-45853", "HIGH", "zlib1g", "1:1.2.13", "")
LOW = ("CVE-2022-0001", "LOW", "bash", "5.2", "5.3")
Found = tuple[str, str, str, str, str]
"""Identifier, severity, package, installed and fixed version."""


def dumped(document: Any) -> bytes:
    """As JSON."""
    return json.dumps(document).encode()


def purl(package: str, version: str) -> str:
    """A Debian package's URL."""
    return f"pkg:deb/debian/{package}@{version.replace(':', '%3A')}?arch=amd64"


def trivy(
    *found: Found,
    digest: str = DIGEST,
    config: str = CONFIG,
    created: str = CREATED,
    platform: str = "linux/amd64",
    **more: Any,
) -> dict[str, Any]:
    """``trivy image --format json``."""
    system, _, architecture = platform.partition("/")
    metadata = {
        "OS": {"Family": "debian", "Name": "12.4"},
        "ImageID": config,
        "RepoTags": [f"{REPOSITORY}:v1"],
        "RepoDigests": [f"{REPOSITORY}@{digest}"],
        "ImageConfig": {"architecture": architecture, "os": system},
    }
    vulnerabilities = [
        {
            "VulnerabilityID": identifier,
            "VendorIDs": ["DSA-1-1"],
            "PkgName": package,
            "PkgIdentifier": {"PURL": purl(package, installed)},
            "InstalledVersion": installed,
            "FixedVersion": fixed,
            "Severity": severity,
        }
        for identifier, severity, package, installed, fixed in found
    ]
    return {
        "SchemaVersion": 2,
        "CreatedAt": created,
        "ArtifactName": f"{REPOSITORY}:v1",
        "ArtifactType": "container_image",
        "Metadata": metadata,
        "Results": [
            {"Target": "debian 12.4", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": vulnerabilities},
            {"Target": "app", "Class": "secret"},
        ],
        **more,
    }


def grype(
    *found: Found, digest: str = DIGEST, config: str = CONFIG, created: str = CREATED, **more: Any
) -> dict[str, Any]:
    """``grype IMAGE -o json``."""
    target = {
        "userInput": f"{REPOSITORY}:v1",
        "imageID": config,
        "manifestDigest": digest,
        "repoDigests": [f"{REPOSITORY}@{digest}"],
        "architecture": "amd64",
        "os": "linux",
    }
    return {
        "matches": [grype_match(each) for each in found],
        "source": {"type": "image", "target": target},
        "distro": {"name": "debian", "version": "12", "idLike": []},
        "descriptor": {
            "name": "grype",
            "version": "0.121.3",
            "configuration": {"only-fixed": False, "exclude": []},
            "db": {"status": {"schemaVersion": "v6.1.10", "valid": True}, "providers": {}},
            "timestamp": created,
        },
        **more,
    }


def grype_match(found: Found) -> dict[str, Any]:
    """One of ``matches``."""
    identifier, severity, package, installed, fixed = found
    fix = {"versions": [fixed] if fixed else [], "state": "fixed" if fixed else "not-fixed"}
    return {
        "vulnerability": {"id": identifier, "severity": severity.capitalize(), "fix": fix},
        "relatedVulnerabilities": [{"id": f"GHSA-{identifier[-4:]}"}],
        "artifact": {"name": package, "version": installed, "purl": purl(package, installed)},
    }


def cyclonedx(
    *found: Found, digest: str = DIGEST, created: str = CREATED, analysis: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """``trivy image --format cyclonedx --scanners vuln``."""
    components = [
        {
            "bom-ref": purl(package, installed),
            "type": "library",
            "name": package,
            "version": installed,
            "purl": purl(package, installed),
        }
        for _, _, package, installed, _ in found
    ]
    vulnerabilities = [
        {
            "id": identifier,
            "source": {"name": "debian"},
            "ratings": [
                {"source": {"name": "nvd"}, "score": 9.9, "severity": "critical"},
                {"source": {"name": "debian"}, "severity": severity.lower()},
            ],
            "affects": [{"ref": purl(package, installed)}],
            **({"recommendation": f"Upgrade {package} to version {fixed}"} if fixed else {}),
            **({"analysis": analysis} if analysis else {}),
        }
        for identifier, severity, package, installed, fixed in found
    ]
    subject = {
        "bom-ref": "7b1b-root",
        "type": "container",
        "name": f"{REPOSITORY}:v1",
        "purl": f"pkg:oci/web@{digest.replace(':', '%3A')}?arch=amd64&repository_url={REPOSITORY.replace('/', '%2F')}",
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [{"type": "application", "name": "trivy"}]},
            "component": subject,
        },
        "components": components,
        "vulnerabilities": vulnerabilities,
        **more,
    }


def sarif(
    *found: Found, digest: str = DIGEST, config: str = CONFIG, properties: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """``trivy image --format sarif``."""
    named = {"repoDigests": [f"{REPOSITORY}@{digest}"], "imageID": config} if properties is None else properties
    rules = [
        {
            "id": identifier,
            "name": "OsPackageVulnerability",
            "defaultConfiguration": {"level": "error"},
            "properties": {"security-severity": "9.8", "tags": ["vulnerability", "security", severity]},
        }
        for identifier, severity, *_ in found
    ]
    results = [
        {
            "ruleId": identifier,
            "level": "error",
            "message": {
                "text": (
                    f"Package: {package}\nInstalled Version: {installed}\nVulnerability {identifier}\n"
                    f"Severity: {severity}\nFixed Version: {fixed}\nLink: [{identifier}](https://avd.example.com)"
                )
            },
        }
        for identifier, severity, package, installed, fixed in found
    ]
    run = {
        "tool": {"driver": {"name": "Trivy", "rules": rules}},
        "results": results,
        "properties": named,
        "invocations": [{"executionSuccessful": True, "endTimeUtc": CREATED}],
        **more,
    }
    return {"version": "2.1.0", "$schema": "https://example.com/sarif-schema-2.1.0.json", "runs": [run]}


def vex(*statements: dict[str, Any], author: str = "security@example.com", **more: Any) -> dict[str, Any]:
    """An OpenVEX document."""
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": author,
        "timestamp": "2026-11-20T00:00:00Z",
        "version": 1,
        "statements": list(statements),
        **more,
    }


def statement(
    identifier: str = OPENSSL[0],
    status: str = "not_affected",
    *,
    digest: str = DIGEST,
    packages: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """One statement about an image by digest."""
    product: dict[str, Any] = {"@id": f"pkg:oci/web@{digest.replace(':', '%3A')}?repository_url={REPOSITORY}"}
    if packages:
        product["subcomponents"] = [{"@id": each} for each in packages]
    return {
        "vulnerability": {"name": identifier},
        "products": [product],
        "status": status,
        "justification": "vulnerable_code_not_in_execute_path",
        **more,
    }
