"""The key that signs the records of rewritten images (docs/enforcement.md, rewriting to digests)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagegate.errors import InvalidSettings
from imagegate.ports.documents import Documents
from imagegate.settings.load import Settings

SECRET_WAIT_S = 20.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A key, and whether it will be the same after a restart."""

    key: bytes = field(default=b"", repr=False)
    lasts: bool = False


def check_key_settings(settings: Settings) -> None:
    """Refuse settings of the key that contradict each other.

    Raises:
        InvalidSettings: why they do.
    """
    if settings.cise is None:
        return
    if settings.cise.record_key_file and settings.cise.record_key_secret:
        raise InvalidSettings("cise: recordKeyFile and recordKeySecret: name one of them")
    if settings.cise.record_key_secret and settings.cluster is None:
        raise InvalidSettings("cise.recordKeySecret needs a cluster block")


class RecordKeys:
    """The key for the settings that are read now.

    Args:
        environ: where the user's state directory is looked up.
        keeps: True in a process that serves: a key is made and stored beside the store. Any other process has a random
            key that no other process accepts.
    """

    def __init__(self, environ: Mapping[str, str], *, keeps: bool) -> None:
        self._environ = environ
        self._keeps = keeps
        self._own = secrets.token_bytes(32)  # before any fork, so that all workers have the same
        self._kept: dict[Path, RecordKey] = {}
        """By the path of a file, or the name of a Secret."""

    def of(self, settings: Settings, documents: Documents) -> RecordKey:
        """The key; where one is named, from ``documents``.

        Raises:
            InvalidSettings: the named file or the stored key cannot be used.
        """
        named, secret = "", ""
        if settings.cise is not None:
            named, secret = settings.cise.record_key_file, settings.cise.record_key_secret
        if self._keeps or (named and secret):  # commands may do without the cluster that holds the Secret
            check_key_settings(settings)
        if named:
            from imagegate.adapters.files.record_key import given_key  # takes time: imported when used

            return RecordKey(given_key(Path(named), documents), lasts=True)
        if not self._keeps:
            return RecordKey(self._own)
        if secret:
            return self._in_secret(settings, secret)
        path = _beside_the_store(settings, self._environ)
        if path not in self._kept:
            self._kept[path] = self._kept_at(path)
        return self._kept[path]

    def _in_secret(self, settings: Settings, name: str) -> RecordKey:
        """The key in a Secret, read once: it does not change.

        Raises:
            InvalidSettings: there is no cluster, or the key cannot be had. The pod is started again then.
        """
        from imagegate.adapters.kubernetes_api.connection import Connection, Credentials  # imported when used
        from imagegate.adapters.kubernetes_api.record_key import KeyUnavailable, shared_key
        from imagegate.wiring.guard import own_namespace

        place = Path(name)
        if place not in self._kept and settings.cluster is not None:  # as check_key_settings has found
            connection = Connection(Credentials(settings.cluster.kubeconfig, settings.cluster.context))
            try:
                key = shared_key(connection, own_namespace(settings.guard), name, wait_s=SECRET_WAIT_S)
            except KeyUnavailable as error:
                raise InvalidSettings(f"cise.recordKeySecret: {error}") from error
            self._kept[place] = RecordKey(key, lasts=True)
        return self._kept[place]

    def _kept_at(self, path: Path) -> RecordKey:
        from imagegate.adapters.files.record_key import KeyNotKept, kept_key  # takes time: imported when used

        try:
            return RecordKey(kept_key(path), lasts=True)
        except KeyNotKept as error:
            _log.warning(
                "no key for the records of rewritten images can be kept: %s; workloads other than Pods keep their tags"
                " where a policy entry names a tag; name a file with cise.recordKeyFile or a writable store.path",
                error,
            )
            return RecordKey(self._own)


def _beside_the_store(settings: Settings, environ: Mapping[str, str]) -> Path:
    from imagegate.wiring.stores import default_store_path  # what takes time to import is imported when used

    store = Path(settings.store.path) if settings.store.path else default_store_path(environ)
    return store.with_name(f"{store.name}.record-key")
