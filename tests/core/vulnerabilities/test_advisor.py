"""Vulnerability Advisor's answers."""

from __future__ import annotations

import pytest

from imagegate.core.vulnerabilities.advisor import AdvisorStatus, read_status
from imagegate.errors import EvidenceError, Malformed


@pytest.mark.parametrize(
    "body, status",
    [
        (b'{"status": "OK", "scan_time": 1, "issue_count": 0, "more": {}}', "OK"),
        (b'{"status": ""}', ""),
        (b'{"status": null}', ""),
        (b"{}", ""),
    ],
)
def test_status(body: bytes, status: str) -> None:
    assert read_status(body) == status


@pytest.mark.parametrize("body", [b"", b"OK", b'"OK"', b'["OK"]', b'{"status": 1}', b'{"status": {"status": "OK"}}'])
def test_no_status(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_status(body)


@pytest.mark.parametrize("body", [b'{"status": "FAIL", "status": "OK"}', b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}"])
def test_hostile_answers(body: bytes) -> None:
    with pytest.raises(EvidenceError):
        read_status(body)


def test_questions_are_equal_by_all_fields() -> None:
    one = AdvisorStatus("icr.io", "a", "icr.io/a:1", "account")
    assert one == AdvisorStatus("icr.io", "a", "icr.io/a:1", "account")
    assert (
        len(
            {one, AdvisorStatus("icr.io", "a", "icr.io/a:1", ""), AdvisorStatus("icr.io", "a", "icr.io/a:1", "account")}
        )
        == 2
    )
