"""Execution rules made from the import list, and what the image policy then says of pods."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.request import Phase
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference
from imagegate.documents.convert.imports_to_rules import ConvertedRules, imports_to_rules
from imagegate.errors import InvalidPolicy
from tests.support.image_policy_setup import PolicySetup, request_for
from tests.support.import_gate_setup import MANUAL


def conditions(found: ConvertedRules) -> dict[str, Any]:
    return {
        rule["name"]: {key: value for key, value in rule.items() if key not in ("name", "onResources")}
        for rule in found.execution_rules
    }


def test_the_manuals_list() -> None:
    found = imports_to_rules(MANUAL, integrated_registry="registry.svc:5000")
    assert conditions(found) == {
        "allow-integrated-registry": {"matchIntegratedRegistry": True},
        "allow-import-registries": {
            "matchRegistries": [
                "registry.access.redhat.com",
                "registry.access.redhat.com:443",
                "local.registry.corp:5000",
            ]
        },
        "allow-import-registry-patterns": {"matchRegistryPatterns": ["*.mydomain.com", "*.mydomain.com:80"]},
    }
    assert found.remarks == (
        (
            "allowedRegistriesForImport[1] *.mydomain.com:80: a pod cannot say that it pulls insecurely; "
            '"*.mydomain.com" without a port is admitted, and how it is pulled is up to the node'
        ),
    )


def test_docker_hub_has_four_names() -> None:
    found = imports_to_rules([AllowedRegistry("docker.io")])
    assert conditions(found)["allow-import-registries"]["matchRegistries"] == [
        "",
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "docker.io:443",
    ]
    assert "" in conditions(imports_to_rules([AllowedRegistry("*")]))["allow-import-registries"]["matchRegistries"]


@pytest.mark.parametrize("host", ["*", "foo*", "foo.1*", "foo?5000", "foo.com*5"])
def test_a_pattern_that_could_swallow_a_port_wants_the_port(host: str) -> None:
    found = imports_to_rules([AllowedRegistry(host)])
    assert conditions(found)["allow-import-registry-patterns"] == {"matchRegistryPatterns": [f"{host}:443"]}
    assert "without a port would admit every port as well" in found.remarks[0]


@pytest.mark.parametrize("host", ["*.corp", "foo*.io", "f?o.io", "*5000.io"])
def test_a_pattern_that_could_not_needs_none(host: str) -> None:
    found = imports_to_rules([AllowedRegistry(host)])
    assert conditions(found)["allow-import-registry-patterns"] == {"matchRegistryPatterns": [host, f"{host}:443"]}
    assert found.remarks == ()


def test_without_patterns_wildcards_are_left_out_and_remarked() -> None:
    found = imports_to_rules(MANUAL, patterns=False)
    assert list(conditions(found)) == ["allow-import-registries"]
    assert found.remarks == (
        "allowedRegistriesForImport[1] *.mydomain.com:80: matchRegistries knows no wildcards; left out",
    )


@pytest.mark.parametrize("entries", [None, [AllowedRegistry("*:*"), AllowedRegistry("quay.io")]])
def test_where_everything_may_be_imported_there_is_no_rule(entries: list[AllowedRegistry] | None) -> None:
    found = imports_to_rules(entries)
    assert found.execution_rules == ()
    assert len(found.remarks) == 1


def test_a_path_is_left_out() -> None:
    found = imports_to_rules([AllowedRegistry("quay.io/org"), AllowedRegistry("quay.io")])
    assert conditions(found) == {"allow-import-registries": {"matchRegistries": ["quay.io", "quay.io:443"]}}
    assert "a path or scheme never matches a registry; left out" in found.remarks[0]


def test_a_rule_for_some_repositories_is_left_out() -> None:
    found = imports_to_rules([AllowedRegistry("*:*", repository="org/*"), AllowedRegistry("quay.io")])
    assert conditions(found) == {"allow-import-registries": {"matchRegistries": ["quay.io", "quay.io:443"]}}
    assert "execution rules compare registries, not repositories; left out" in found.remarks[0]


def test_an_empty_list_rejects_everything_but_the_integrated_registry() -> None:
    assert conditions(imports_to_rules([])) == {"allow-no-registry": {"reject": True}}
    assert list(conditions(imports_to_rules([], integrated_registry="r:5000"))) == ["allow-integrated-registry"]


def test_too_many_colons() -> None:
    with pytest.raises(InvalidPolicy, match="too many colons"):
        imports_to_rules([AllowedRegistry("a:b:c")])


ENTRIES = st.lists(
    st.builds(
        AllowedRegistry,
        st.sampled_from(["docker.io", "*.io", "quay.io", "quay.io:5000", "q*", "?uay.io", "*:5000", "*", "q*:*"]),
        st.booleans(),
    ),
    max_size=4,
)
IMAGES = st.sampled_from(
    ["x", "docker.io/x", "quay.io/x", "quay.io:5000/x", "quay.io:80/x", "quay.io:443/x", "q.io:1/x"]
)


@given(ENTRIES, IMAGES)
def test_no_pod_may_pull_what_could_not_be_imported(entries: list[AllowedRegistry], image: str) -> None:
    found = imports_to_rules(entries)
    rules = [dict(rule) for rule in found.execution_rules]
    policy = {"kind": "ImagePolicyConfig", "apiVersion": "v1", "resolveImages": "DoNotAttempt", "executionRules": rules}
    gate = ImportGate(entries)
    reference = ImageReference.parse(image)
    importable = any(gate.admit(reference, transport).allowed for transport in Transport)
    if rules and not importable:
        assert not _runs(policy, image)


@pytest.mark.parametrize("image", ["registry.access.redhat.com/x", "a.mydomain.com/x", "local.registry.corp:5000/x"])
def test_pods_may_pull_what_may_be_imported(image: str) -> None:
    found = imports_to_rules(MANUAL)
    policy = {
        "kind": "ImagePolicyConfig",
        "apiVersion": "v1",
        "resolveImages": "DoNotAttempt",
        "executionRules": [dict(rule) for rule in found.execution_rules],
    }
    assert _runs(policy, image)
    assert not _runs(policy, "quay.io/x")


def _runs(policy: dict[str, Any], image: str) -> bool:
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return PolicySetup(json.dumps(policy), Behaviour()).decide(request_for(pod, phase=Phase.VALIDATE)).allowed
