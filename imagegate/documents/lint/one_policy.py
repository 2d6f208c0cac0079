"""Lint of one ClusterImagePolicy or ImagePolicy as the API server sends it, beside the policies in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from imagegate.core.enforcement.policy import ImagePolicyObject
from imagegate.documents.image_policies import LoadedPolicies, Reading, read_policies
from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.lint.image_policies import lint_cise
from imagegate.documents.lint.remarks import findings_of_error, findings_of_remarks
from imagegate.errors import ConfigError

_FILE = "object"
LINTED_ENTRIES_MAX = 500
"""Doubtful places are looked for in so many entries: whoever may write a policy chooses their number, and waits."""


def lint_policy_object(
    document: Mapping[str, Any] | None, reading: Reading, others: Sequence[ImagePolicyObject] = ()
) -> tuple[list[Finding], ImagePolicyObject | None]:
    """The findings about one object, and the policy; None where there is an error.

    Args:
        document: the object, decoded from JSON.
        reading: how to read it.
        others: policies in force, for what only shows beside them: an entry that another one always outdoes.
    """
    try:
        loaded = read_policies(orjson.dumps(document or {}).decode(), _FILE, reading)
    except ConfigError as error:
        return findings_of_error(error, _FILE), None
    except (TypeError, ValueError) as error:  # lone surrogates, or numbers that JSON in Python has and others do not
        return [_error(f"cannot be read: {error}")], None
    if len(loaded.policies) != 1:
        return [_error("is not one ClusterImagePolicy or ImagePolicy")], None
    (policy,) = loaded.policies
    if len(policy.entries) > LINTED_ENTRIES_MAX:
        text = f"has more than {LINTED_ENTRIES_MAX} entries: only errors are reported here, `imagegate lint` does more"
        errors = findings_of_remarks(remark for remark in loaded.warnings if remark.denies)
        return [*errors, Finding(Severity.WARNING, _FILE, 1, "spec.repositories", text, "not-linted")], policy
    key = (policy.group, policy.kind, policy.namespace, policy.name)
    beside = [
        each
        for each in others
        if each.namespace == policy.namespace and (each.group, each.kind, each.namespace, each.name) != key
    ]
    together = LoadedPolicies([policy, *beside], loaded.warnings, loaded.objects, loaded.entries)
    return [each for each in lint_cise(together) if each.file == _FILE], policy


def _error(text: str) -> Finding:
    return Finding(Severity.ERROR, _FILE, 1, "", text, "invalid")
