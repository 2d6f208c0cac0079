"""Every policy file that is shipped loads; the schema of the custom resources takes the same documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.documents.image_policies import Reading, read_policies

ROOT = Path(__file__).parents[2]
POLICIES = sorted((ROOT / "config/policies").rglob("*.yaml"))
CRDS = sorted((ROOT / "openshift/base/crds").glob("*imagepolicies.*.yaml"))
WALKTHROUGH = ROOT / "config/walkthrough/contents"


def load(path: Path, **reading: Any) -> list[Any]:
    return read_policies(path.read_text(encoding="utf-8"), path.name, Reading(**reading)).policies


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_shipped_policy_loads(path: Path) -> None:
    loaded = read_policies(path.read_text(encoding="utf-8"), path.name, Reading(cluster_domain="mycluster.icp"))
    assert all(policy.entries for policy in loaded.policies)
    expected = 1 if path.name == "ibm-system.yaml" and path.parent.name == "cise" else 0
    assert len(loaded.warnings) == expected


def test_default_policies_of_document_003() -> None:
    (cluster,) = load(ROOT / "config/policies/cise/cluster-wide.yaml")
    (entry,) = cluster.entries
    assert (entry.name, entry.trust.enabled, entry.vulnerability.enabled) == ("*", True, True)
    (kube,) = load(ROOT / "config/policies/cise/kube-system.yaml")
    armada = [f"registry*.bluemix.net/{name}/*" for name in ("armada", "armada-worker", "armada-master")]
    assert [found.name for found in kube.entries] == ["*", *armada]
    (ibm,) = load(ROOT / "config/policies/cise/ibm-system.yaml")
    own = ["registry*.bluemix.net/ibm/ibmcloud-image-enforcement", "registry.bluemix.net/kubectl"]
    assert [found.name for found in ibm.entries] == ["*", *armada, *own]
    assert not any(found.trust.enabled or found.vulnerability.enabled for found in (*kube.entries, *ibm.entries))


def test_default_list_of_document_000() -> None:
    path = ROOT / "config/policies/cloudpak/cluster-image-policy.yaml"
    (policy,) = load(path, cluster_domain="mycluster.icp")
    names = [entry.name for entry in policy.entries]
    assert (len(names), names[0], names[-1]) == (
        80,
        "registry.redhat.io/*",
        "gcr.io/tekton-releases/github.com/tektoncd/pipeline/*",
    )
    assert names[75] == "mycluster.icp:8500/*"
    (without,) = load(path)
    assert len(without.entries) == 79


def test_portieris_set() -> None:
    (kube,) = load(ROOT / "config/policies/portieris/kube-system.yaml")
    (ibm,) = load(ROOT / "config/policies/portieris/ibm-system.yaml")
    assert [entry.name for entry in kube.entries][1:] == [entry.name for entry in ibm.entries][:-1]
    assert (len(kube.entries), ibm.entries[-1].name) == (10, "icr.io/ext/istio/*")


class TestWalkThroughOfDocument001:
    """The ``sed`` commands of its cases change exactly the two flags, by line number."""

    def flags(self, text: str) -> tuple[bool, bool]:
        (policy,) = read_policies(text, "defaultcluster-wide.yaml").policies
        (entry,) = policy.entries
        return entry.trust.enabled, entry.vulnerability.enabled

    def test_sed_commands(self) -> None:
        text = (WALKTHROUGH / "defaultcluster-wide.yaml").read_text()
        assert len(text.splitlines()) == 15
        assert self.flags(text) == (False, False)
        case_2 = sed(text, 15, "enabled: false", "enabled: true")
        assert self.flags(case_2) == (False, True)
        case_3 = sed(sed(case_2, 13, "enabled: false", "enabled: true"), 15, "enabled: true", "enabled: false")
        assert self.flags(case_3) == (True, False)

    def test_workloads(self) -> None:
        found = [yaml.safe_load((WALKTHROUGH / name).read_text()) for name in ("tomcat.yaml", "tomcat-v2.yaml")]
        assert [(each["metadata"]["name"], each["spec"]["replicas"]) for each in found] == [
            ("tomcat-deployment", 2),
            ("tomcatv2-deployment", 3),
        ]


def sed(text: str, line: int, old: str, new: str) -> str:
    """``sed -e 'LINE s/OLD/NEW/'``."""
    lines = text.splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return "\n".join(lines) + "\n"


class TestCustomResourceDefinitions:
    def test_names_versions_and_scopes(self) -> None:
        found = {}
        for path in CRDS:
            crd = yaml.safe_load(path.read_text())
            spec = crd["spec"]
            assert crd["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}" == path.stem
            (version,) = spec["versions"]
            assert (version["served"], version["storage"]) == (True, True)
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = spec["scope"]
        assert found == {
            (group.value, kind): scope
            for group in PolicyGroup
            for kind, scope in (("ImagePolicy", "Namespaced"), ("ClusterImagePolicy", "Cluster"))
        }

    def test_all_have_the_same_schema(self) -> None:
        schemas = [schema(path) for path in CRDS]
        assert schemas == [schemas[0]] * 4

    @pytest.mark.parametrize("path", POLICIES, ids=lambda path: f"{path.parent.name}/{path.name}")
    def test_shipped_policies_fit(self, path: Path) -> None:
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"].endswith("ImagePolicy"):
                assert problems(schema(CRDS[0]), document["spec"], "spec") == []

    @pytest.mark.parametrize(
        "spec, wrong",
        [
            (None, []),
            ({"repositories": None}, []),
            ({"repositories": [{"name": "a", "policy": None, "policies": None}]}, []),
            ({"repositories": [{"policy": {"trust": None, "simple": None, "vulnerability": None, "va": None}}]}, []),
            ({"repositories": [{"policy": {"simple": {"requirements": None}}}]}, []),
            (
                {"repositories": [{"policy": {"simple": {"requirements": [{"keySecret": "k"}]}}}]},
                ["spec.repositories[0].policy.simple.requirements[0]: type is required"],
            ),
            (
                {"repositories": [{"policy": {"trust": {"enabled": "yes"}}}]},
                ["spec.repositories[0].policy.trust.enabled: not a boolean"],
            ),
            (
                {
                    "repositories": [
                        {
                            "policy": {
                                "simple": {"requirements": [{"type": "signedBy", "signedIdentity": {"type": "x"}}]}
                            }
                        }
                    ]
                },
                ["spec.repositories[0].policy.simple.requirements[0].signedIdentity.type: not one of the enum"],
            ),
        ],
    )
    def test_what_it_takes(self, spec: Any, wrong: list[str]) -> None:
        assert problems(schema(CRDS[0]), spec, "spec") == wrong


def schema(path: Path) -> dict[str, Any]:
    """The schema of ``spec``."""
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


_TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool}


def problems(rule: dict[str, Any], value: Any, path: str) -> list[str]:
    """What a structural schema says of a value (the keywords that these schemas use)."""
    if value is None:
        return [] if rule.get("nullable") else [f"{path}: null"]
    if not isinstance(value, _TYPES[rule["type"]]):
        return [f"{path}: not a {rule['type']}"]
    if "enum" in rule and value not in rule["enum"]:
        return [f"{path}: not one of the enum"]
    found = [f"{path}: {name} is required" for name in rule.get("required", ()) if name not in value]
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += problems(rule["items"], item, f"{path}[{index}]")
    if isinstance(value, dict):
        for name, child in value.items():
            if name in rule["properties"]:
                found += problems(rule["properties"][name], child, f"{path}.{name}")
            elif not rule.get("x-kubernetes-preserve-unknown-fields"):
                found.append(f"{path}.{name}: pruned")
    return found


def test_shipped_files_name_no_placeholder_but_the_documented_one() -> None:
    for path in POLICIES:
        placeholders = set(re.findall(r"<<.*?>>", path.read_text()))
        assert placeholders <= {"<<CLUSTER DOMAIN>>"}
