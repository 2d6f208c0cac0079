"""The same rule for each command line: images come from two registries; pods of workloads count, too."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from bench.command_lines import ALLOWED_REGISTRIES, Program
from bench.figures import WrongAnswer
from bench.servers import BIN


def imagegate(directory: Path) -> Program:
    """``imagegate check`` with an image policy."""
    rule = {"name": "allowed", "onResources": [{"resource": "pods"}], "matchRegistries": list(ALLOWED_REGISTRIES)}
    policy = {
        "kind": "ImagePolicyConfig",
        "apiVersion": "v1",
        "resolveImages": "DoNotAttempt",
        "executionRules": [rule],
    }
    path = directory / "image-policy.yaml"
    path.write_text(yaml.safe_dump(policy), "utf-8")
    version = subprocess.run([BIN / "imagegate", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout

    def denied(output: str) -> frozenset[str]:
        results = json.loads(output)["results"]
        return frozenset(f"{each['kind']}/{each['name']}" for each in results if each["verdict"] == "denied")

    check = (BIN / "imagegate", "check", "--config", path)
    command = (*check, "-o", "json")
    return Program("imagegate check", version.split()[-1], lambda files: (*command, files), denied, check)


def gator(binary: Path, directory: Path) -> Program:
    """``gator test`` with a constraint template in Rego, as Gatekeeper's users write it."""
    path = directory / "gator.yaml"
    path.write_text(yaml.safe_dump_all([_TEMPLATE, _constraint(), *_EXPANSIONS]), "utf-8")

    def denied(output: str) -> frozenset[str]:
        objects = [each["violatingObject"] for each in json.loads(output or "[]") or []]
        return frozenset(f"{each['kind']}/{each['metadata']['name']}" for each in objects)

    test = (binary, "test", "--filename", path)
    command = (*test, "--output=json", "--filename")
    return Program("gator test", version_in(binary), lambda files: (*command, files), denied, (*test, "--filename"))


def kyverno(binary: Path, directory: Path) -> Program:
    """``kyverno apply`` with a ClusterPolicy that has a pattern."""
    path = directory / "kyverno.yaml"
    path.write_text(yaml.safe_dump(_cluster_policy()), "utf-8")

    def denied(output: str) -> frozenset[str]:
        counted = re.search(r"\bfail: (\d+)", output)
        if counted is None:
            raise WrongAnswer(f"kyverno apply counts nothing: {output[-2000:]}")
        found = frozenset(f"{kind}/{name}" for kind, name in _KYVERNO_FAILED.findall(output))
        if len(found) != int(counted[1]):
            raise WrongAnswer(f"kyverno apply counts {counted[1]} failures, and names {len(found)} objects")
        return found

    apply = (binary, "apply", path, "--resource")
    return Program("kyverno apply", version_in(binary), lambda files: (*apply, files), denied, apply)


_KYVERNO_FAILED = re.compile(r"-> resource (?:[^/\s]+/)?([^/\s]+)/(\S+) failed", re.MULTILINE)


def version_in(binary: Path) -> str:
    """The version of a program's main module, or of the module that it was made of, as Go writes it into binaries.

    A program that was built from a copy of its module has none; there the file's name counts: ``kyverno-v1.18.2``.
    """
    found = re.findall(rb"\n(?:mod|dep)\tgithub\.com/([^\t\n]+)\t(v[^\t\n]+)", binary.read_bytes())
    names = {b"gator": b"open-policy-agent/gatekeeper/v3", b"kyverno": b"kyverno/kyverno"}
    wanted = next((module for name, module in names.items() if name in binary.name.encode()), None)
    named = re.search(r"v\d+\.\d+\.\d+", binary.name)
    version = next((version.decode() for module, version in found if module == wanted), "(devel)")
    return named[0] if named and version == "(devel)" else version


def _constraint() -> dict[str, Any]:
    return {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": "BenchAllowedRegistries",
        "metadata": {"name": "allowed"},
        "spec": {
            "match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]},
            "parameters": {"registries": [f"{registry}/" for registry in ALLOWED_REGISTRIES]},
        },
    }


_REGO = """
package benchallowedregistries

images[image] { image := input.review.object.spec.containers[_].image }
images[image] { image := input.review.object.spec.initContainers[_].image }

violation[{"msg": msg}] {
  image := images[_]
  not allowed(image)
  msg := sprintf("%v is of a registry that is not allowed", [image])
}

allowed(image) { startswith(image, input.parameters.registries[_]) }
"""
_TEMPLATE: dict[str, Any] = {
    "apiVersion": "templates.gatekeeper.sh/v1",
    "kind": "ConstraintTemplate",
    "metadata": {"name": "benchallowedregistries"},
    "spec": {
        "crd": {
            "spec": {
                "names": {"kind": "BenchAllowedRegistries"},
                "validation": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"registries": {"type": "array", "items": {"type": "string"}}},
                    }
                },
            }
        },
        "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": _REGO}],
    },
}


def _expansion(name: str, groups: dict[str, list[str]], source: str, generates: tuple[str, str]) -> dict[str, Any]:
    group, kind = generates
    return {
        "apiVersion": "expansion.gatekeeper.sh/v1beta1",
        "kind": "ExpansionTemplate",
        "metadata": {"name": name},
        "spec": {
            "applyTo": [{"groups": [each], "versions": ["v1"], "kinds": kinds} for each, kinds in groups.items()],
            "templateSource": source,
            "generatedGVK": {"group": group, "version": "v1", "kind": kind},
        },
    }


_EXPANSIONS = [
    _expansion(
        "workloads",
        {
            "apps": ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"],
            "batch": ["Job"],
            "": ["ReplicationController"],
        },
        "spec.template",
        ("", "Pod"),
    ),
    _expansion("cron-jobs", {"batch": ["CronJob"]}, "spec.jobTemplate", ("batch", "Job")),
]


def _cluster_policy() -> dict[str, Any]:
    allowed = " | ".join(f"{registry}/*" for registry in ALLOWED_REGISTRIES)
    pattern = {"spec": {"=(initContainers)": [{"image": allowed}], "containers": [{"image": allowed}]}}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "allowed"},
        "spec": {
            "background": False,
            "rules": [
                {
                    "name": "allowed",
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "validate": {"failureAction": "Enforce", "message": "not an allowed registry", "pattern": pattern},
                }
            ],
        },
    }
