"""The registry client of imports: it also trusts ``additionalTrustedCA`` of the master-config; reviews do not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.current import CurrentRegistry
from imagegate.errors import InvalidSettings, Unreachable
from imagegate.ports.registry import Registry
from imagegate.settings.load import Settings
from imagegate.wiring.mirrors import MirrorSource
from imagegate.wiring.registries import http_client, registry


def import_registry(
    settings: Settings,
    http: HttpClient,
    additional_trusted_ca: Callable[[], str],
    *,
    mirrors: MirrorSource | None = None,
) -> Registry:
    """The registry client of imports.

    Args:
        http: of reviews; also that of imports while no file of further authorities is named.
        additional_trusted_ca: that file as the master-config in force names it; empty: none.

        mirrors: None: those that the settings name.

    Raises:
        InvalidSettings: the file that is named now cannot be used.
    """
    clients = _Clients(settings, http, additional_trusted_ca, mirrors)
    clients.made()
    return CurrentRegistry(clients.current)


class _Clients:
    """The client for the file as it is. It is made anew when the file is another one, or has changed."""

    def __init__(
        self,
        settings: Settings,
        http: HttpClient,
        additional_trusted_ca: Callable[[], str],
        mirrors: MirrorSource | None,
    ) -> None:
        self._settings = settings
        self._mirrors = mirrors
        self._additional_trusted_ca = additional_trusted_ca
        self._lock = threading.Lock()
        self._circuits = http.circuits
        self._plain = registry(settings, http, mirrors)
        self._made: tuple[object, Registry] | None = None

    def current(self) -> Registry:
        """The client; ``Unreachable`` while the file cannot be used: what it vouches for is not known."""
        try:
            return self.made()
        except InvalidSettings as error:
            raise Unreachable(str(error)) from error

    def made(self) -> Registry:
        """The client.

        Raises:
            InvalidSettings: the file cannot be used.
        """
        path = self._additional_trusted_ca()
        if not path:
            return self._plain
        stamp = _stamp(path)
        with self._lock:
            if self._made is None or self._made[0] != stamp:
                self._made = stamp, registry(self._settings, self._client(path), self._mirrors)
            return self._made[1]

    def _client(self, path: str) -> HttpClient:
        try:
            return http_client(self._settings, more_ca_files=(path,), circuits=self._circuits)
        except InvalidSettings as error:
            raise InvalidSettings(f"imagePolicyConfig.additionalTrustedCA: {error}") from error


def _stamp(path: str) -> object:
    """Identity and change time of a file: if they differ, its contents may differ."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise InvalidSettings(
            f"imagePolicyConfig.additionalTrustedCA: {path}: cannot be read: {error.strerror or error}"
        ) from error
    return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
