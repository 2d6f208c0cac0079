"""Words of the refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagegate.core.import_gate.behaviour import DOCUMENTED
from imagegate.core.import_gate.messages import internal_error, not_allowed, not_read, registry_refused
from imagegate.core.import_gate.rules import AllowedRegistry, parse_rules


@pytest.mark.parametrize(
    "count, listed",
    [
        (0, " not allowed by empty whitelist"),
        (1, ' not allowed by whitelist: "r0:443"'),
        (5, ' not allowed by whitelist: "r0:443", "r1:443", "r2:443", "r3:443", "r4:443"'),
        (6, ' not allowed by whitelist: "r0:443", "r1:443", "r2:443", "r3:443", and 2 more ...'),
    ],
)
def test_five_rules_are_named_or_four_and_a_number(count: int, listed: str) -> None:
    rules = parse_rules([AllowedRegistry(f"r{number}") for number in range(count)])
    assert not_allowed(rules, DOCUMENTED) == listed


def test_the_setting_that_hides_the_rules_and_the_modern_words() -> None:
    rules = parse_rules([AllowedRegistry("r0")])
    assert not_allowed(rules, replace(DOCUMENTED, lists_rules=False)) == " is not allowed for import"
    modern = replace(DOCUMENTED, modern_words=True)
    assert not_allowed(rules, modern) == ' not allowed by list of allowed registries: "r0:443"'


def test_a_registry_is_quoted_as_go_quotes_it() -> None:
    assert registry_refused('a"\n', " is not allowed for import") == r'registry "a\"\n" is not allowed for import'


def test_a_failed_look_up_may_be_tried_again() -> None:
    status = internal_error(not_read("image stream a/b", "timeout"))
    assert status.code == 500
    assert status.message == "Internal error occurred: image stream a/b could not be read: timeout"
    assert status.retry_after_s == 1
