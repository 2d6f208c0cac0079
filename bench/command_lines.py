"""``imagegate check`` beside other command lines: the same pods and rule, what they cost, whether they agree."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.figures import WrongAnswer, median
from bench.servers import BIN, ROOT, descendants

ALLOWED_REGISTRIES = ("docker.io", "registry.corp.example")
DENIED_REGISTRY = "quay.example"
SAMPLE_S = 0.02
"""Between two looks at the memory of all processes."""

Denied = Callable[[str], int]
"""The number of pods that a program's output denies."""


@dataclass(slots=True)
class Run:
    """What one run took."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    """The largest sum of the proportional set sizes (PSS) of all its processes, as far as seen."""


@dataclass(slots=True)
class Program:
    """One command line, asked about a file of pods."""

    name: str
    version: str
    command: Callable[[Path], Sequence[str | Path]]
    denied: Denied
    runs: dict[int, list[Run]] = field(default_factory=dict)
    """By the number of pods."""

    def measure(self, pods: Path, count: int, denied: int) -> None:
        """Run once and keep what it took.

        Raises:
            WrongAnswer: it denies more or fewer pods than ``denied``.
        """
        output, run = _observed(self.command(pods))
        found = self.denied(output)
        if found != denied:
            raise WrongAnswer(f"{self.name} denies {found} of {count} pods, not {denied}: {output[-2000:]}")
        self.runs.setdefault(count, []).append(run)

    def medians(self, count: int) -> Run:
        """The medians of the runs over so many pods."""
        runs = self.runs[count]
        return Run(*(median([getattr(run, name) for run in runs]) for name in ("wall_s", "cpu_s", "peak_mib")))


def write_pods(path: Path, count: int) -> int:
    """Write ``count`` pods of two containers into one file; every second has an image that is not allowed.

    Returns:
        The number of pods to be denied.
    """
    path.write_text("---\n".join(yaml.safe_dump(_pod(number), sort_keys=False) for number in range(count)), "utf-8")
    return count // 2


def _pod(number: int) -> dict[str, Any]:
    registry = DENIED_REGISTRY if number % 2 else ALLOWED_REGISTRIES[number // 2 % 2]
    images = (
        f"docker.io/team-{number % 97}/proxy:v1",
        f"{registry}/team-{number % 97}/app-{number % 31}:v{number % 7}",
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}", "namespace": "shop", "labels": {"app": f"app-{number % 50}"}},
        "spec": {
            "containers": [
                {
                    "name": f"part-{at}",
                    "image": image,
                    "ports": [{"containerPort": 8080 + at}],
                    "env": [{"name": "LEVEL", "value": "info"}],
                }
                for at, image in enumerate(images)
            ]
        },
    }


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

    def denied(output: str) -> int:
        denied: int = json.loads(output)["summary"]["denied"]
        return denied

    check = (BIN / "imagegate", "check", "--config", path, "-o", "json")
    return Program("imagegate check", version.split()[-1], lambda pods: (*check, pods), denied)


def gator(binary: Path, directory: Path) -> Program:
    """``gator test`` with a constraint template in Rego, as Gatekeeper's users write it."""
    path = directory / "gator.yaml"
    path.write_text(yaml.safe_dump_all([_TEMPLATE, _constraint()]), "utf-8")

    def denied(output: str) -> int:
        return len({each["violatingObject"]["metadata"]["name"] for each in json.loads(output or "[]") or []})

    command = (binary, "test", "--output=json", f"--filename={path}")
    return Program("gator test", version_in(binary), lambda pods: (*command, f"--filename={pods}"), denied)


def kyverno(binary: Path, directory: Path) -> Program:
    """``kyverno apply`` with a ClusterPolicy that has a pattern."""
    path = directory / "kyverno.yaml"
    path.write_text(yaml.safe_dump(_cluster_policy()), "utf-8")

    def denied(output: str) -> int:
        counted = re.search(r"\bfail: (\d+)", output)
        if counted is None:
            raise WrongAnswer(f"kyverno apply counts nothing: {output[-2000:]}")
        return int(counted[1])

    def command(pods: Path) -> Sequence[str | Path]:
        return (binary, "apply", path, "--resource", pods)

    return Program("kyverno apply", version_in(binary), command, denied)


def version_in(binary: Path) -> str:
    """The version of a program's main module, or of the module that it was made of, as Go writes it into binaries."""
    found = re.findall(rb"\n(?:mod|dep)\tgithub\.com/([^\t\n]+)\t(v[^\t\n]+)", binary.read_bytes())
    names = {b"gator": b"open-policy-agent/gatekeeper/v3", b"kyverno": b"kyverno/kyverno"}
    wanted = next((module for name, module in names.items() if name in binary.name.encode()), None)
    return next((version.decode() for module, version in found if module == wanted), "unknown")


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


def _cluster_policy() -> dict[str, Any]:
    allowed = " | ".join(f"{registry}/*" for registry in ALLOWED_REGISTRIES)
    pattern = {"spec": {"=(initContainers)": [{"image": allowed}], "containers": [{"image": allowed}]}}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "allowed", "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
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


def _observed(command: Sequence[str | Path]) -> tuple[str, Run]:
    """The standard output of a program that exits with 0 or 1, and what it took."""
    started = time.perf_counter()
    before = os.times()
    with subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            peak = pool.submit(_peak_bytes, process.pid, ended)
            try:
                output, errors = process.communicate(timeout=900)
            finally:
                ended.set()
        wall_s = time.perf_counter() - started
    after = os.times()
    if process.returncode not in (0, 1):
        raise WrongAnswer(f"{command[0]} exited {process.returncode}: {errors.decode(errors='replace')[-2000:]}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return output.decode(), Run(wall_s, cpu_s, peak.result() / 2**20)


def _peak_bytes(pid: int, ended: threading.Event) -> int:
    """The largest proportional set size of a process and its children, sampled until ``ended``."""
    peak = 0
    while not ended.wait(SAMPLE_S):
        peak = max(peak, sum(_pss_bytes(each) for each in descendants(pid)))
    return peak


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0
