"""``python -m tests.cluster.render``: write what openshift has beside the Helm chart from it.

The chart is the source of the manifests: only it has conditions. openshift/base is what its defaults give, one file for
each template, for kustomize and readers; overlays patch it by hand. openshift/install has all objects of an overlay in
one file, for ``imagegate install`` and ``kubectl apply``. Tests compare each with the chart.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.binaries import VERSION, ensure_helm
from tests.support.service import ROOT

CHART = ROOT / "openshift/chart"
BASE = ROOT / "openshift/base"
INSTALL = ROOT / "openshift/install"
OVERLAYS = ROOT / "openshift/overlays"
RELEASE = NAMESPACE = "imagegate"
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "kubernetes": (),
    "openshift": ("--set", "platform=openshift"),
    "cert-manager": ("--set", "certificates.source=cert-manager"),
    "image-api": ("--set", "imageApi.enabled=true"),
}
"""Overlay -> the options of helm that give the same objects."""
ADDED = {
    "openshift": ("rbac/image-config.yaml", "rbac/image-streams.yaml", "rbac/mirrors.yaml"),
    "cert-manager": ("cert-manager.yaml",),
    "image-api": (
        "aggregated-api/apiservice.yaml",
        "aggregated-api/delegation.yaml",
        "rbac/aggregated-api.yaml",
        "rbac/leases.yaml",
        "rbac/store.yaml",
    ),
}
"""Overlay -> templates that only it has."""
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
        where = ("--namespace", namespace, "--kube-version", VERSION, "--output-dir", name)
        command: list[str | Path] = [helm, "template", release, CHART, *where, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
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


def install_files() -> dict[str, str]:
    """One file for each overlay with everything in it: for ``imagegate install`` and ``kubectl apply -f``."""
    first = [(BASE / "namespace.yaml").read_text(encoding="utf-8")]
    first += [file.read_text(encoding="utf-8") for file in sorted((CHART / "crds").iterdir())]
    return {
        f"{overlay}.yaml": "---\n".join([_HEADER, *first, *(_bare(text) for text in template(*options).values())])
        for overlay, options in OPTIONS.items()
    }


def _bare(text: str) -> str:
    return text.removeprefix(_HEADER).removeprefix("---\n")


def added_files(overlay: str) -> dict[str, str]:
    """The files that an overlay has because the chart has them."""
    files = template(*OPTIONS[overlay])
    return {name: files[name] for name in ADDED.get(overlay, ())}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _write_all() -> None:
    namespace = (BASE / "namespace.yaml").read_text(encoding="utf-8")
    shutil.rmtree(BASE)
    _write(BASE, {**base_files(), "namespace.yaml": namespace})
    _write(INSTALL, install_files())
    for overlay in ADDED:
        _write(OVERLAYS / overlay, added_files(overlay))


if __name__ == "__main__":
    _write_all()
    sys.stdout.write(f"wrote {BASE}, {INSTALL} and {OVERLAYS}\n")
