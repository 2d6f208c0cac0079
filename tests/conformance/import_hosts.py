"""OpenShift's ``registryWhitelister``, asked for hosts, pull specs and references."""

from __future__ import annotations

from typing import Any

from imagegate.core.import_gate.behaviour import OPENSHIFT_4
from imagegate.core.import_gate.gate import Admission, ImportGate, canonical_repositories
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidPolicy, InvalidReference
from tests.conformance.context import Context, differences

_OUTPUTS = ("constructionError", "repositoryErrors", "allowed", "error")


def run(case: dict[str, Any], context: Context) -> str | None:
    """One question to a gate of its own."""
    return differences({key: case[key] for key in _OUTPUTS if key in case}, _answer(case))


def allowed_registries(case: dict[str, Any]) -> list[AllowedRegistry] | None:
    """The case's list; None stands for "everything"."""
    entries = case["allowedRegistries"]
    if entries is None:
        return None
    return [AllowedRegistry(entry["domainName"], entry.get("insecure", False)) for entry in entries]


def _answer(case: dict[str, Any]) -> dict[str, Any]:
    try:
        gate = ImportGate(
            allowed_registries(case), integrated_registry=case["internalRegistry"] or "", behaviour=OPENSHIFT_4
        )
    except InvalidPolicy as error:
        return {"constructionError": str(error)}
    answer: dict[str, Any] = {}
    repositories = case.get("allowedRepositories")
    if repositories is not None:
        answer["repositoryErrors"] = [_parse_error(pull_spec) for pull_spec in repositories]
    admission = _ask(gate, case, frozenset(canonical_repositories(repositories or ()).values()))
    answer["allowed"] = admission.allowed
    if not admission.allowed:
        answer["error"] = admission.error
    return answer


def _parse_error(pull_spec: str) -> str:
    try:
        ImageReference.parse(pull_spec)
    except InvalidReference as error:
        return str(error)
    return ""


def _ask(gate: ImportGate, case: dict[str, Any], repositories: frozenset[str]) -> Admission:
    transport = Transport(case["transport"])
    if "hostname" in case:
        return gate.admit(ImageReference(registry=case["hostname"]), transport, repositories=repositories)
    if "dockerImageReference" in case:
        return gate.admit(ImageReference(**case["dockerImageReference"]), transport, repositories=repositories)
    error = _parse_error(case["pullSpec"])
    if error:
        return Admission(False, error)
    return gate.admit(ImageReference.parse(case["pullSpec"]), transport, repositories=repositories)
