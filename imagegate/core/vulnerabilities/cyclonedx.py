"""CycloneDX documents in JSON with a list of vulnerabilities, and the analysis (VEX) in it.

Source: CycloneDX specification 1.4 to 1.7, ``vulnerabilities``; properties as aquasecurity/trivy writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from imagegate.core.registry.manifest import is_strict_digest
from imagegate.core.vulnerabilities.report import (
    FINDINGS_MAX,
    LIST_MAX,
    Finding,
    Report,
    Severity,
    child,
    digests_in,
    objects,
    purl_digest,
    text,
    time,
)
from imagegate.errors import Malformed, TooLarge

_NOT_AFFECTED = frozenset({"not_affected", "false_positive", "resolved", "resolved_with_pedigree"})
_TRIVY = "aquasecurity:trivy:"
_UPGRADE = re.compile(r"Upgrade \S+ to version ([^;]+)")


def is_cyclonedx(document: Mapping[str, Any]) -> bool:
    """True if the document says that it is a CycloneDX BOM."""
    return document.get("bomFormat") == "CycloneDX"


def read_cyclonedx(document: Mapping[str, Any]) -> Report:
    """Read the BOM. Raises ``Malformed``, ``TooLarge``."""
    if document.get("vulnerabilities") is None:
        raise Malformed("it is a bill of materials without a list of vulnerabilities")
    metadata = child(document, "metadata")
    subject = child(metadata, "component")
    tool = _tool(metadata)
    components = _components(document)
    findings: list[Finding] = []
    suppressed: list[tuple[Finding, str]] = []
    for entry in objects(document, "vulnerabilities", FINDINGS_MAX):
        analysis = child(entry, "analysis")
        state = text(analysis, "state")
        found = _findings(entry, components, fix_unknown=tool.lower() != "trivy")
        if state in _NOT_AFFECTED:
            reason = text(analysis, "detail") or text(analysis, "justification")
            suppressed += ((each, f"{state}: {reason}" if reason else state) for each in found)
        else:
            findings += found
        if len(findings) + len(suppressed) > FINDINGS_MAX:
            raise TooLarge(f"it has more than {FINDINGS_MAX} vulnerabilities")
    properties = objects(subject, "properties")
    return Report(
        tool=tool or "CycloneDX",
        format="cyclonedx",
        created=time(metadata, "timestamp"),
        digests=frozenset(_digests(subject, properties)),
        image_ids=frozenset(digests_in(_property(properties, "ImageID"))),
        findings=tuple(findings),
        suppressed=tuple(suppressed),
        unproven=""
        if findings or suppressed
        else "a list without vulnerabilities is also written where none were searched",
    )


def _digests(subject: Mapping[str, Any], properties: list[Mapping[str, Any]]) -> Iterator[str]:
    """The names that the described component has: package URL, version, hash, Trivy's property."""
    yield from filter(None, (purl_digest(text(subject, key)) for key in ("purl", "bom-ref")))
    if is_strict_digest(text(subject, "version")):
        yield text(subject, "version")
    for each in objects(subject, "hashes"):
        digest = f"sha256:{text(each, 'content').lower()}"
        if text(each, "alg") == "SHA-256" and is_strict_digest(digest):
            yield digest
    yield from digests_in(_property(properties, "RepoDigest"))


def _property(properties: list[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    return tuple(text(each, "value") for each in properties if text(each, "name") == _TRIVY + name)


def _tool(metadata: Mapping[str, Any]) -> str:
    """``metadata.tools``: a list up to version 1.4, an object with ``components`` since."""
    tools = metadata.get("tools")
    listed = objects(metadata, "tools") if isinstance(tools, list) else objects(child(metadata, "tools"), "components")
    return next((name for each in listed if (name := text(each, "name"))), "")


def _components(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every component by its ``bom-ref``, nested ones too."""
    found: dict[str, Mapping[str, Any]] = {}
    waiting = objects(document, "components")
    count = 0
    while waiting:
        component = waiting.pop()
        count += 1
        if count > LIST_MAX:
            raise TooLarge(f"it has more than {LIST_MAX} components")
        found[text(component, "bom-ref")] = component
        waiting += objects(component, "components")
    return found


def _findings(
    entry: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]], *, fix_unknown: bool
) -> list[Finding]:
    """One for each affected component."""
    identifier = text(entry, "id")
    if not identifier:
        raise Malformed("a vulnerability has no id")
    upgrade = _UPGRADE.search(text(entry, "recommendation"))
    fixed = upgrade[1].strip() if upgrade else text(entry, "recommendation")
    aliases = tuple(filter(None, (text(each, "id") for each in objects(entry, "references"))))
    affected = [components.get(text(each, "ref"), each) for each in objects(entry, "affects")] or [{}]
    return [
        Finding(
            identifier,
            _severity(entry),
            text(component, "name") or text(component, "ref"),
            text(component, "version"),
            fixed,
            fix_unknown=fix_unknown and not fixed,
            aliases=aliases,
            purl=text(component, "purl"),
        )
        for component in affected
    ]


def _severity(entry: Mapping[str, Any]) -> Severity:
    """The rating of the vulnerability's own source if there is one, else the highest."""
    own = text(child(entry, "source"), "name")
    ratings = [(text(child(each, "source"), "name"), _rated(each)) for each in objects(entry, "ratings")]
    chosen = [severity for source, severity in ratings if own and source == own and severity]
    return max(chosen or [severity for _, severity in ratings], default=Severity.UNKNOWN)


def _rated(rating: Mapping[str, Any]) -> Severity:
    score = rating.get("score")
    named = Severity.of(text(rating, "severity"))
    if named or isinstance(score, bool) or not isinstance(score, (int, float)):
        return named
    return Severity.of_score(float(max(min(score, 10), 0)))
