"""``repository`` beside ``domainName``: imagegate's own field of the import list."""

from __future__ import annotations

import pytest

from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.profile import Profile
from imagegate.documents.lint.lint import lint
from imagegate.documents.master_config import MasterConfig, read_config
from tests.documents.test_master_config import Files


def config(*entries: str) -> MasterConfig:
    listed = "".join(f"  - {entry}\n" for entry in entries)
    text = f"imagePolicyConfig:\n  allowedRegistriesForImport:\n{listed}"
    return read_config(text, "config.yaml", Profile.DOCUMENTED, Files())


def codes(*entries: str) -> list[str]:
    return [
        finding.code for finding in lint(config(*entries), Profile.DOCUMENTED) if finding.code.startswith("import-")
    ]


def test_it_is_read() -> None:
    found = config("{domainName: quay.io, repository: org/*}").import_policy.allowed_registries_for_import
    assert found == (AllowedRegistry("quay.io", repository="org/*"),)


@pytest.mark.parametrize(
    "first,second,expected",
    [
        ("repository: a/*", "repository: b/*", []),
        ("repository: a/*", "repository: a/*", ["import-duplicate"]),
        ("repository: a/*", "repository: a/b", ["import-shadowed"]),
        ("repository: a/b", "repository: a/*", ["import-shadowed"]),
        ("repository: a/?", "repository: a/*", ["import-shadowed"]),
    ],
)
def test_rules_that_say_the_same_or_less(first: str, second: str, expected: list[str]) -> None:
    pattern = '{domainName: "*.io", '
    assert codes(f"{pattern}{first}}}", f"{pattern}{second}}}") == expected


def test_a_rule_without_repository_is_the_wider_one() -> None:
    whole, part = '{domainName: "*.io"}', "{domainName: quay.io, repository: a/*}"
    assert codes(whole, part) == ["import-shadowed"]
    assert codes('{domainName: "*.io", repository: a/*}', "{domainName: quay.io}") == []
