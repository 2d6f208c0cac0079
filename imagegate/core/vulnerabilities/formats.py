"""A report in any of the formats that are read: recognised by its content, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from imagegate.core.registry.manifest import bounded_json_object
from imagegate.core.vulnerabilities.cyclonedx import is_cyclonedx, read_cyclonedx
from imagegate.core.vulnerabilities.grype import is_grype, read_grype
from imagegate.core.vulnerabilities.report import REPORT_MAX_BYTES, Report
from imagegate.core.vulnerabilities.sarif import is_sarif, read_sarif
from imagegate.core.vulnerabilities.trivy import is_trivy, read_trivy
from imagegate.errors import Malformed, TooLarge

_FORMATS: tuple[tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], Report]], ...] = (
    (is_trivy, read_trivy),
    (is_grype, read_grype),
    (is_cyclonedx, read_cyclonedx),
    (is_sarif, read_sarif),
)


def read_report(raw: bytes) -> Report:
    """Read a report of Trivy or Grype in JSON, a CycloneDX document with vulnerabilities, or SARIF.

    Raises:
        Malformed: it is none of these, several at once, or not as its format has it.
        TooLarge: more bytes, entries or depth than allowed.
    """
    if len(raw) > REPORT_MAX_BYTES:
        raise TooLarge(f"it has more than {REPORT_MAX_BYTES} bytes")
    document = bounded_json_object(raw, "it")
    readers = [read for recognises, read in _FORMATS if recognises(document)]
    if len(readers) != 1:
        kinds = "Trivy JSON, Grype JSON, CycloneDX and SARIF"
        raise Malformed(f"it is {'more than one' if readers else 'none'} of {kinds}")
    return readers[0](document)
