"""Messages of the import gate: refusals of a registry, and the Status for a look-up that failed.

Errors of other fields are the original's and are written where ``validation`` finds them. Source: openshift-apiserver,
pkg/image/apis/image/validation/whitelist and registry/imagestreamimport/strategy.go; docs/spec/import-gate.md 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from imagegate.core.import_gate.behaviour import GateBehaviour
from imagegate.core.import_gate.rules import ImportRule
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status

LISTED_AT_MOST = 5
RETRY_AFTER_S = 1


def not_allowed(rules: Sequence[ImportRule], behaviour: GateBehaviour) -> str:
    """The second half of a refusal: the rules, in the order in which they are listed."""
    name = "list of allowed registries" if behaviour.modern_words else "whitelist"
    if not behaviour.lists_rules:
        return " is not allowed for import"
    if not rules:
        return f" not allowed by empty {name}"
    shown = rules if len(rules) <= LISTED_AT_MOST else rules[: LISTED_AT_MOST - 1]
    text = ", ".join(go_quote(rule.label) for rule in shown)
    more = f", and {len(rules) - len(shown)} more ..." if len(shown) < len(rules) else ""
    return f" not allowed by {name}: {text}{more}"


def registry_refused(registry: str, why: str) -> str:
    """The refusal of a registry; ``why`` comes from ``not_allowed``, which a gate calls only once."""
    return f"registry {go_quote(registry)}{why}"


def mirror_refused(registry: str, refusal: str) -> str:
    """The refusal of a registry because of a mirror of it."""
    return f"{refusal} (a mirror of registry {go_quote(registry)})"


def mirrors_unknown(registry: str) -> str:
    """The refusal while it is not known which mirrors there are."""
    return f"registry {go_quote(registry)}: its mirrors are not known yet, and must be allowed too; try again"


def import_forbidden(registry: str, refusal: str) -> str:
    """The refusal of an ImageStreamImport's image."""
    return f"importing images from registry {go_quote(registry)} is forbidden: {refusal}"


def not_read(what: str, why: str) -> str:
    """The detail of a denial because a look-up failed."""
    return f"{what} could not be read: {why}"


def internal_error(because: str) -> Status:
    """A 500 that may be retried: a look-up that the decision needs failed."""
    return Status(
        code=500,
        reason="InternalError",
        message=f"Internal error occurred: {because}",
        retry_after_s=RETRY_AFTER_S,
    )
