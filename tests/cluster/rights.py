"""A service account with the rights of one file of the manifests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from tests.cluster.control_plane import ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.service import ROOT


@contextlib.contextmanager
def restricted(plane: ControlPlane, part: str, directory: Path) -> Iterator[Connection]:
    """A connection of an account with the ClusterRole of ``rbac/PART.yaml`` of openshift/ and no other rights."""
    files = (ROOT / "openshift" / folder / "rbac" / f"{part}.yaml" for folder in ("base", "overlays/openshift"))
    file = next(each for each in files if each.exists())
    plane.kubectl("apply", "-f", file)
    role = next(each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each["kind"] == "ClusterRole")
    name = role["metadata"]["name"]
    plane.kubectl("create", "serviceaccount", name)
    plane.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount=default:{name}")
    token = plane.kubectl("create", "token", name).stdout.strip()
    own = Kubectl(directory)
    own.use(plane.url, ca=plane.ca.bundle, token=token)
    try:
        yield Connection(Credentials(str(own.configuration)))
    finally:
        plane.kubectl("delete", "clusterrolebinding", name)
        plane.kubectl("delete", "serviceaccount", name)
