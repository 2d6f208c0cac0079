"""``imagegate install``: manifests from disk, objects of the cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.objects import Objects
from imagegate.documents.installation import Steps, read_manifests
from imagegate.errors import ConfigError
from imagegate.service.installation import MANAGER, Installation
from imagegate.wiring.choices import manifests_folder


def manifests(overlay: str, *, namespace: str, image: str) -> Steps:
    """The objects to install.

    Raises:
        ConfigError: the manifests are not there, as after ``pip install --target``.
        InvalidInput: nothing can be installed into that namespace.
    """
    file = manifests_folder() / f"{overlay}.yaml"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: the manifests cannot be read: {error.strerror or error}") from error
    return read_manifests(text, namespace=namespace, image=image)


def installation(kubeconfig: str, context: str, tell: Callable[[str], object], *, dry_run: bool) -> Installation:
    """An installation in the cluster of a kubeconfig.

    Raises:
        InvalidAccess: the kubeconfig cannot be used.
    """
    credentials = Credentials(kubeconfig or str(Path.home() / ".kube/config"), context)
    return Installation(Objects(Connection(credentials), MANAGER), tell, dry_run)
