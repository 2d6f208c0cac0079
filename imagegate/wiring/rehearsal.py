"""The start of a service as a rehearsal: the same code, and nothing that is opened, written or asked for elsewhere."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from imagegate.service.policies.policy_set import PolicySet
from imagegate.settings.load import Settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.record_keys import check_key_settings
from imagegate.wiring.runtime import build

NOWHERE = "https://127.0.0.1:1"
"""The cluster of a rehearsal: it never answers."""
_STATE = "XDG_STATE_HOME"


def rehearse(settings_file: Path) -> PolicySet:
    """The policies that a service would start with.

    The store and the folder of ``cise.trust.store`` are empty ones of the rehearsal; the cluster is not contacted. See
    ``not_checked``.

    Raises:
        ConfigError: the service would not start, with file and line.
    """
    with tempfile.TemporaryDirectory(prefix="imagegate-") as name, _quiet():
        folder = Path(name)
        chosen = StartupOptions(
            settings_file=settings_file, environ={_STATE: name}, adapted=partial(_without_effects, folder)
        )
        with chosen.placing():
            _check_access(StartupOptions(settings_file=settings_file, environ={}).settings())
        service = build(chosen, keeps_images=True, follows=True, shared=folder)
        return service.policies.current


def not_checked(settings: Settings) -> Iterator[tuple[str, str]]:
    """Settings that a rehearsal leaves out, each with the reason."""
    if settings.cluster is not None:
        yield "cluster", "the cluster is not contacted: whether it answers, and its objects"
    if settings.store.path:
        yield "store.path", "the store is not opened"
    if settings.cise is not None and settings.cise.trust.store:
        yield "cise.trust.store", "the folder is not opened"
    if settings.cise is not None and settings.cise.record_key_secret:
        yield "cise.recordKeySecret", "the Secret is not read"
    if settings.server.certificate.source != "files":
        yield "server.certificate.source", "the Secret with the certificate is not read"


def _check_access(settings: Settings) -> None:
    """Check what the rehearsal replaces, as far as files tell.

    Raises:
        ConfigError: the service would not start with it.
    """
    check_key_settings(settings)
    if settings.cluster is not None and settings.cluster.kubeconfig:
        from imagegate.adapters.kubernetes_api.connection import Connection, Credentials  # takes time: when used

        Connection(Credentials(settings.cluster.kubeconfig, settings.cluster.context))


def _without_effects(folder: Path, settings: Settings) -> Settings:
    cluster, cise, store = settings.cluster, settings.cise, settings.store
    if cluster is not None:
        cluster = replace(cluster, kubeconfig=str(_kubeconfig(folder)), context="")
    if cise is not None:
        trust = replace(cise.trust, store=str(folder / "trust")) if cise.trust.store else cise.trust
        cise = replace(cise, trust=trust, record_key_secret="")
    if store.path:
        store = replace(store, path=str(folder / "images.db"))
    return replace(settings, cluster=cluster, cise=cise, store=store)


def _kubeconfig(folder: Path) -> Path:
    path = folder / "kubeconfig"
    named = [{"name": "nowhere", "cluster": {"server": NOWHERE}}]
    context = [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}]
    users = [{"name": "nobody", "user": {"token": "none"}}]
    found = {"clusters": named, "contexts": context, "users": users, "current-context": "nowhere"}
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **found}), encoding="utf-8")
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """No log lines about what is left out."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
