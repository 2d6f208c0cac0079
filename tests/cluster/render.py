"""``python -m tests.cluster.render``: write openshift/base from the Helm chart.

The chart is the source of the manifests: only it has conditions. openshift/base is what its defaults give, one file for
each template, for kustomize, ``imagegate install`` and readers. A test compares the two.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.binaries import VERSION, ensure_helm
from tests.support.service import ROOT

CHART = ROOT / "openshift/chart"
BASE = ROOT / "openshift/base"
RELEASE = NAMESPACE = "imagegate"
_HEADER = "# Made from openshift/chart by `make manifests`; do not edit.\n"
_KUSTOMIZATION = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
"""


def template(*options: str, release: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    """What ``helm template`` gives: file below ``templates`` -> its text.

    Raises:
        subprocess.CalledProcessError: the chart or a value is wrong; helm said why on standard error.
    """
    helm = ensure_helm(print)
    with tempfile.TemporaryDirectory() as name:
        command = [helm, "template", release, CHART, "--namespace", namespace, "--kube-version", VERSION, "--output-dir", name]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
        top = Path(name) / "imagegate/templates"
        return {
            str(file.relative_to(top)): _HEADER + _without_source(file.read_text(encoding="utf-8"))
            for file in sorted(top.rglob("*.yaml"))
        }


def _without_source(text: str) -> str:
    """helm writes the name of the template into each document."""
    lines = [line for line in text.splitlines() if not line.startswith("# Source: ")]
    return "\n".join(lines).removeprefix("---\n").strip() + "\n"


def base_files() -> dict[str, str]:
    """Every file that openshift/base has because the chart has it."""
    files = dict(template())
    files["kustomization.yaml"] = _HEADER + _KUSTOMIZATION + "".join(f"- {name}\n" for name in sorted(files))
    files |= {f"crds/{file.name}": _HEADER + file.read_text(encoding="utf-8") for file in (CHART / "crds").iterdir()}
    return files


def write(files: Mapping[str, str], kept: Sequence[str] = ("namespace.yaml",)) -> None:
    """Write openshift/base anew, except what is ``kept``."""
    own = {name: (BASE / name).read_text(encoding="utf-8") for name in kept}
    shutil.rmtree(BASE)
    for name, text in {**files, **own}.items():
        (BASE / name).parent.mkdir(parents=True, exist_ok=True)
        (BASE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(base_files())
    print(f"wrote {BASE}", file=sys.stderr)
